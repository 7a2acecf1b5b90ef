"""A question that is not to be stored leaves nothing behind, and is answered like any other."""

import json

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import AsyncClient
from redis import Redis

from chat.models import Citation, Claim, Conversation, Message
from tests.chat.auth.keys import by_key, make_key
from tests.chat.clients import Socket, sse_events, start_conversation
from tests.chat.turns import events_of, new_turn

CANARY = "canary9917"
LAMP = f"How often does the lamp turn, {CANARY}?"


def rows_with(word):
    """Tables of the whole database that hold this word."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            if word in str([[_read(value) for value in row] for row in cursor.fetchall()]):
                found.append(table)
    return found


def in_redis_with(word):
    """Keys that hold it; none where there is no Redis."""
    if not configured.REDIS_URL:
        return []
    read = {b"string": "get", b"stream": "xrange", b"hash": "hgetall", b"set": "smembers"}
    with Redis.from_url(configured.REDIS_URL) as redis:
        held = {key: getattr(redis, read[redis.type(key)])(key) for key in redis.scan_iter("*")}
    return [key for key, value in held.items() if word in str((key, value))]


def _read(value):
    return bytes(value) if isinstance(value, memoryview) else value


def nothing_is_left():
    assert [model.objects.count() for model in (Message, Citation, Claim)] == [0, 0, 0]
    assert rows_with(CANARY) == []
    assert in_redis_with(CANARY) == []


@pytest.fixture
def forgetful(corpus):
    corpus.retention_days = 0
    corpus.save()
    return corpus


@pytest.fixture(autouse=True)
def with_a_cache(settings):
    settings.ANSWER_CACHE_SECONDS = 3600


async def in_thread(function, *arguments):
    from asgiref.sync import sync_to_async

    return await sync_to_async(function)(*arguments)


async def ask(question=LAMP, **more):
    async with Socket() as socket:
        await socket.send("ask", question=question, corpus="lighthouse", **more)
        return await socket.until_the_end()


async def test_over_a_websocket(corpus):
    frames = await ask(store=False)
    assert frames[-1]["type"] == "done"
    assert await in_thread(Conversation.objects.count) == 0
    await in_thread(nothing_is_left)


async def test_the_events_are_the_same_as_of_one_that_is_stored(corpus, settings):
    settings.ANSWER_CACHE_SECONDS = 0
    unstored, stored = await ask(store=False), await ask()

    def told(frames):
        kinds = [frame["type"] for frame in frames if frame["type"] != "delta"]
        return kinds, frames[-1]["text"], frames[-1]["citations"], frames[-1]["claims"]

    assert told(unstored) == told(stored)
    assert await in_thread(rows_with, CANARY) != []  # the other one is


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_over_rest(corpus, accept):
    client = AsyncClient()
    conversation = await start_conversation(client)
    address = f"/api/v1/conversations/{conversation['id']}/messages/"
    response = await client.post(
        address, json.dumps({"question": LAMP, "store": False}), content_type="application/json",
        headers={"accept": accept, "x-visitor-token": conversation["visitor_token"]},
    )  # fmt: skip
    if accept == "application/json":
        message = response.json()["message_id"]
    else:
        message = (await sse_events(response))[-1]["message_id"]
    headers = {"x-visitor-token": conversation["visitor_token"]}
    for what in ("citations", "events"):
        later = await client.get(f"/api/v1/messages/{message}/{what}/", headers=headers)
        assert later.status_code == 404
    assert (await client.get(address, headers=headers)).json()["results"] == []
    await in_thread(nothing_is_left)


async def test_over_the_address_of_openais_clients(corpus):
    headers = by_key((await in_thread(make_key, corpus))[1])
    asked = {"model": "lighthouse", "messages": [{"role": "user", "content": LAMP}], "store": False}
    response = await AsyncClient().post(
        "/v1/chat/completions", asked, content_type="application/json", headers=headers
    )
    assert response.status_code == 200
    await in_thread(nothing_is_left)


async def test_where_the_corpus_keeps_nothing_nobody_has_to_ask_for_it(forgetful):
    frames = await ask()
    assert frames[-1]["type"] == "done"
    assert await in_thread(Conversation.objects.count) == 0
    await in_thread(nothing_is_left)


async def test_nor_can_anybody_ask_for_the_opposite(forgetful):
    await ask(store=True)
    await in_thread(nothing_is_left)


async def test_history_comes_from_nowhere(corpus):
    turn = await new_turn(corpus, "How often does the lamp turn?")
    await events_of(turn)
    again = await new_turn(corpus, "And how many flashes?")
    again.conversation, again.store = turn.conversation, False
    await events_of(again)
    assert again.history == []
    assert await in_thread(Message.objects.count) == 2


async def test_no_answer_is_kept_to_be_given_again(corpus, monkeypatch):
    kept = []

    async def keep(*arguments):
        kept.append(arguments)

    monkeypatch.setattr("chat.answer_cache._keep", keep)
    await ask("How often does the lamp turn?", store=False)
    assert kept == []
    await ask("How often does the lamp turn?")
    assert len(kept) == 1


async def test_one_that_fails_leaves_nothing_either(corpus, monkeypatch):
    async def broken(*arguments, **named):
        raise RuntimeError(CANARY)

    monkeypatch.setattr("chat.retrieval.Retriever.search", broken)
    frames = await ask(store=False)
    assert frames[-1]["type"] == "error"
    assert frames[-1]["message_id"] is None
    await in_thread(nothing_is_left)


@pytest.mark.parametrize("value", ["no", 2, None, []])
async def test_store_is_a_yes_or_a_no(corpus, value):
    frames = await ask(store=value)
    assert frames[-1].get("code") == "invalid" or value == "no"
    if value == "no":  # as DRF reads forms: a no is a no
        await in_thread(nothing_is_left)
