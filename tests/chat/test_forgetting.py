"""What is deleted is gone from everywhere: rows, memory, Redis, and requests that were kept."""

import asyncio
import shutil
from datetime import timedelta

import pytest
from django.test import AsyncClient
from django.utils import timezone

from chat.events import Delta
from chat.forgetting import forget_conversations, forget_messages
from chat.models import Conversation, Message
from chat.retention import purge
from chat.running import Running, running, told
from documents.kept_requests import KeptRequest
from documents.threads import in_database_thread
from tests.background import RedisServer
from tests.chat.clients import ask_json, start_conversation, token_of
from tests.chat.test_running import held_open  # noqa: F401
from tests.chat.turns import new_turn

LAMP = "How often does the lamp turn?"
needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def said(corpus):
    """A question and its answer, with a request that is kept for it."""
    conversation = Conversation.objects.create(corpus=corpus, owner="user:1", title="lamp")
    question, answer = Message.objects.open_turn(conversation, LAMP)
    Message.objects.filter(pk=answer.pk).update(status="complete", text="twelve")
    KeptRequest.objects.create(digest="a", fingerprint="f", target=answer.pk)
    return question


def nothing_is_kept_of(message: Message) -> bool:
    of_it = KeptRequest.objects.filter(digest="a")
    return not of_it.exists() and not Message.objects.filter(pk=message.pk).exists()


async def test_a_deletion_by_rest_says_what_it_was_and_leaves_nothing_in_memory(corpus):
    client = AsyncClient()
    conversation = await start_conversation(client)
    answer = (await ask_json(client, conversation, LAMP)).json()["message_id"]
    known_before = {str(turn) for turn in running()._recordings}

    address = f"/api/v1/conversations/{conversation['id']}/"
    receipt = (await client.delete(address, headers=token_of(conversation))).json()
    await asyncio.sleep(0)

    assert receipt["messages"] == 2 and receipt["citations"] >= 1
    assert answer in known_before and not running()._recordings


def test_the_admin_forgets_a_conversation(admin_client, said):
    address = f"/admin/chat/conversation/{said.conversation_id}/delete/"
    admin_client.post(address, {"post": "yes"})

    assert nothing_is_kept_of(said)


def test_the_admin_forgets_a_question_with_its_answer(admin_client, said):
    admin_client.post(f"/admin/chat/message/{said.pk}/delete/", {"post": "yes"})

    assert nothing_is_kept_of(said) and not Message.objects.exists()


def test_a_corpus_that_goes_takes_along_what_was_asked_of_it(admin_client, said):
    address = f"/admin/documents/corpus/{said.conversation.corpus_id}/delete/"
    admin_client.post(address, {"post": "yes"})

    assert nothing_is_kept_of(said)


def test_the_purge_forgets(said):
    Message.objects.update(created_at=timezone.now() - timedelta(days=4000))

    assert purge()["messages"] == 2
    assert nothing_is_kept_of(said)


@needs_redis
@pytest.mark.parametrize("which", ["conversation", "message"])
def test_redis_forgets(said, redis, settings, which):
    settings.REDIS_URL = redis.url
    answer = Message.objects.get(question=said)
    redis.client.xadd(f"ragsite:turn:{answer.pk}", {"event": "{}"}, id="1-0")

    if which == "conversation":
        forget_conversations([said.conversation_id])
    else:
        forget_messages([said.pk])

    assert not redis.client.keys("ragsite:turn:*")


@needs_redis
async def test_what_is_deleted_while_it_is_written_is_forgotten_after_its_end(
    corpus,
    held_open,  # noqa: F811
    redis,
    settings,
    monkeypatch,
):
    settings.REDIS_URL = redis.url
    monkeypatch.setattr("chat.running.GONE", 0.3)
    here = Running()
    turn = await new_turn(corpus, LAMP)
    here.start(turn)
    async for _number, event in here.follow(turn.id):
        if isinstance(event, Delta):
            break
    await in_database_thread(forget_conversations)([turn.conversation.pk])

    held_open.set()
    events = [event async for _number, event in here.follow(turn.id)]
    await asyncio.sleep(0.2)
    told_to_the_end = bool(redis.client.keys("ragsite:turn:*"))
    await asyncio.sleep(0.8)

    assert events[-1].status == "complete" and told_to_the_end
    assert not redis.client.keys("ragsite:turn:*") and not here._recordings
    await here.close()


async def test_what_is_not_to_be_stored_does_not_stay_in_memory(corpus, monkeypatch):
    monkeypatch.setattr("chat.running.GONE", 0.1)
    turn = await new_turn(corpus, LAMP)
    turn.store = False
    _ = [entry async for entry in told(turn)]

    await asyncio.sleep(0.2)

    assert not running()._recordings
