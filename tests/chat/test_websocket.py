"""The websocket: frames in, events out, and nothing that a client sends can break it."""

import asyncio
import json
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client

from chat.auth import visitors
from chat.llm.scripted import ScriptedModel
from chat.models import ApiKey, Conversation, Message
from chat.pipeline import AnswerPipeline
from chat.running import running
from documents.models import Corpus
from documents.threads import in_database_thread
from tests.chat.clients import Socket

LAMP = "How often does the lamp turn?"


@pytest.fixture
def held_open(corpus, monkeypatch):
    """A model that stops in the middle of its answer until the gate opens."""
    gate = asyncio.Event()
    model = ScriptedModel(["Once in ", gate, "twelve seconds [{marker:1}]."])
    pipeline = replace(AnswerPipeline.from_settings(), model=model)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    return gate


async def until(socket: Socket, kind: str) -> dict:
    while (frame := await socket.receive())["type"] != kind:
        pass
    return frame


async def test_it_greets_with_the_corpora_one_may_ask(corpus):
    await Corpus.objects.acreate(slug="private", name="Private")

    async with Socket() as socket:
        assert socket.ready["type"] == "ready"
        assert [c["slug"] for c in socket.ready["corpora"]] == ["lighthouse"]


async def test_a_question_is_answered_frame_by_frame(corpus):
    async with Socket() as socket:
        await socket.send("ask", id="q1", corpus="lighthouse", question=LAMP)
        frames = await socket.until_the_end()

    kinds = [frame["type"] for frame in frames]
    assert kinds[:3] == ["start", "stage", "sources"]
    assert kinds[-2:] == ["claims", "done"]
    assert {frame["id"] for frame in frames} == {"q1"}
    assert [frame["seq"] for frame in frames] == list(range(2, len(frames) + 2))
    assert "twelve seconds" in frames[-1]["text"]


async def test_a_follow_up_names_its_conversation(corpus):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        first = (await socket.until_the_end())[-1]
        await socket.send("ask", id="2", conversation=first["conversation_id"], question="Why?")
        second = (await socket.until_the_end())[-1]

    assert second["conversation_id"] == first["conversation_id"]


async def test_stop_keeps_what_was_shown(held_open):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
        await socket.send("stop")
        done = await until(socket, "done")

    assert (done["status"], done["text"]) == ("cancelled", "Once in ")
    assert (await Message.objects.aget(role="assistant")).status == "cancelled"


async def test_after_a_stop_the_next_question_is_answered(held_open):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
        await socket.send("stop")
        await until(socket, "done")
        held_open.set()
        await socket.send("ask", id="2", corpus="lighthouse", question=LAMP)
        done = await until(socket, "done")

    assert (done["id"], done["status"]) == ("2", "complete")


async def test_a_ping_is_answered_while_an_answer_streams(held_open):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
        await socket.send("ping", id="p")

        assert (await until(socket, "pong"))["id"] == "p"


async def test_a_second_question_meanwhile_is_refused(held_open):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
        await socket.send("ask", id="2", corpus="lighthouse", question=LAMP)
        error = await until(socket, "error")
        held_open.set()
        done = await until(socket, "done")

    assert (error["id"], error["code"], done["id"]) == ("2", "busy", "1")


async def test_an_answer_outlives_the_socket_that_it_was_asked_on(held_open):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
    held_open.set()

    await running().drain(10)

    answer = await Message.objects.aget(role="assistant")
    assert (answer.status, answer.text) == ("complete", "Once in twelve seconds [1].")


BAD_FRAMES = {
    "{": "not_json", "[]": "not_an_object", "{}": "unknown_version", '"x"': "not_an_object",
    '{"v": 1, "id": "1", "type": "dance"}': "unknown_type",
    '{"v": 1, "type": "ping"}': "bad_id", '{"v": 1, "type": "ping", "id": 7}': "bad_id",
    '{"v": 2, "type": "ping", "id": "1"}': "unknown_version",
    '{"v": 1, "type": "stop", "id": "1"}': "nothing_to_stop",
    '{"v": 1, "type": "ask", "id": "1", "question": "x"}': "invalid",
    '{"v": 1, "type": "ask", "id": "1", "corpus": "lighthouse"}': "invalid",
    '{"v": 1, "type": "ask", "id": "1", "corpus": 5, "question": "x"}': "invalid",
    '{"v": 1, "type": "ask", "id": "1", "corpus": "other", "question": "x"}': "unknown_corpus",
    '{"v": 1, "type": "ask", "id": "1", "conversation": "x", "question": "x"}': "not_found",
    '{"v": 1, "type": "ask", "id": "1", "corpus": "lighthouse", "question": "🙂"}': "invalid",
    '{"v": 1, "type": "ask", "id": "1", "corpus": "lighthouse", "question": ["x"]}': "invalid",
    json.dumps({"v": 1, "type": "ping", "id": "x" * 101}): "bad_id",
    '{"v": 1, "type": "ping", "id": "\\ud800"}': "not_text",
    '{"v": 1, "type": "ask", "id": "1", "corpus": "a\\u0000b", "question": "x"}': "not_text",
    "x" * 70_000: "frame_too_long", "[" * 60_000: "not_json",
}  # fmt: skip


async def test_bad_frames_are_told_what_is_wrong_and_the_connection_stays(corpus):
    async with Socket() as socket:
        for frame, code in BAD_FRAMES.items():
            await socket.communicator.send_to(text_data=frame)
            error = await socket.receive()
            assert (error["type"], error["code"]) == ("error", code), frame[:80]
        await socket.communicator.send_to(bytes_data=b"\x00")
        assert (await socket.receive())["code"] == "not_text"
        await socket.send("ping")
        assert (await socket.receive())["type"] == "pong"


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "null", "http://testserver.evil.example"]
)
async def test_a_foreign_or_absent_origin_is_refused_before_anything(corpus, settings, origin):
    settings.ALLOWED_HOSTS = ["testserver"]
    from channels.security.websocket import AllowedHostsOriginValidator
    from channels.testing import WebsocketCommunicator

    async def never(scope, receive, send):
        raise AssertionError("the application was reached")

    guarded = AllowedHostsOriginValidator(never)
    headers = [(b"origin", origin.encode())] if origin else []
    communicator = WebsocketCommunicator(guarded, "/ws/chat/", headers=headers)

    connected, _code = await communicator.connect()

    assert not connected


def test_the_application_puts_that_guard_first():
    from channels.security.websocket import OriginValidator

    from ragsite.asgi import application

    assert isinstance(application.application_mapping["websocket"], OriginValidator)


async def test_an_api_key_may_be_sent_with_the_handshake(corpus):
    private = await Corpus.objects.acreate(slug="private", name="Private")
    key, secret = await in_database_thread(ApiKey.objects.create_key)(name="shop")
    await key.corpora.aadd(private)

    async with Socket(authorization=f"Api-Key {secret}") as socket:
        assert [c["slug"] for c in socket.ready["corpora"]] == ["private"]


async def test_a_wrong_key_is_told_so_and_closed(corpus):
    async with Socket(authorization="Api-Key wrong") as socket:
        assert (socket.ready["type"], socket.ready["code"]) == ("error", "unauthorized")
        assert (await socket.communicator.receive_output())["code"] == 4401


async def test_a_visitor_comes_back_to_its_conversation_by_the_pages_cookie(corpus):
    cookies = f"{visitors.COOKIE}={visitors.new_token()}"
    async with Socket(cookies=cookies) as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        first = (await socket.until_the_end())[-1]

    async with Socket(cookies=cookies) as again, Socket() as stranger:
        ask = {"conversation": first["conversation_id"], "question": LAMP}
        await again.send("ask", **ask)
        assert (await again.until_the_end())[-1]["type"] == "done"
        await stranger.send("ask", **ask)
        assert (await stranger.receive())["code"] == "not_found"


def test_the_chat_page_sets_that_cookie_once(corpus):
    client = Client()

    first = client.get("/")
    second = client.get("/")

    assert first.cookies[visitors.COOKIE]["httponly"]
    assert visitors.visitor_id(first.cookies[visitors.COOKIE].value)
    assert visitors.COOKIE not in second.cookies


async def test_a_corpus_that_became_private_is_closed_to_an_open_socket(corpus):
    async with Socket() as socket:
        await Corpus.objects.aupdate(is_public=False)
        await socket.send("ask", corpus="lighthouse", question=LAMP)

        assert (await socket.receive())["code"] == "unknown_corpus"


async def test_a_revoked_key_is_told_so_at_its_next_question(corpus):
    key, secret = await in_database_thread(ApiKey.objects.create_key)(name="shop")
    await key.corpora.aadd(corpus)

    async with Socket(authorization=f"Api-Key {secret}") as socket:
        await ApiKey.objects.aupdate(revoked=True)
        await socket.send("ask", corpus="lighthouse", question=LAMP)

        assert (await socket.receive())["code"] == "unauthorized"
        assert (await socket.communicator.receive_output())["code"] == 4401


async def test_a_user_who_signed_out_is_a_visitor_at_the_next_question(corpus):
    private = await Corpus.objects.acreate(slug="private", name="Private")
    client = Client()
    staff = await in_database_thread(get_user_model().objects.create_superuser)("root")
    await in_database_thread(client.force_login)(staff)
    cookies = f"sessionid={client.cookies['sessionid'].value}"

    async with Socket(cookies=cookies) as socket:
        assert private.slug in [c["slug"] for c in socket.ready["corpora"]]
        await in_database_thread(client.logout)()
        await socket.send("ask", corpus="private", question=LAMP)

        assert (await socket.receive())["code"] == "unknown_corpus"


@pytest.mark.usefixtures("early_in_a_minute")
async def test_refused_questions_leave_no_conversation_behind(corpus, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 1
    async with Socket() as socket:
        for number in range(5):
            await socket.send("ask", id=str(number), corpus="lighthouse", question=LAMP)
            await socket.until_the_end()

    assert await Conversation.objects.acount() == 1


async def test_a_database_that_is_away_is_told_and_the_connection_stays(corpus, monkeypatch):
    async with Socket() as socket:
        with monkeypatch.context() as broken:
            broken.setattr("chat.consumers.corpus_of", database_is_away)
            await socket.send("ask", corpus="lighthouse", question=LAMP)
            assert (await socket.receive())["code"] == "database_unavailable"
        await socket.send("ping")
        assert (await socket.receive())["type"] == "pong"


def database_is_away(*_):
    raise OperationalError("database is locked")


async def test_a_cookie_of_another_application_does_not_hide_ours(corpus):
    token = visitors.new_token()
    async with Socket(cookies=f'prefs={{"a":1}}; {visitors.COOKIE}={token}') as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await socket.until_the_end()

    assert (await Conversation.objects.aget()).owner == f"visitor:{visitors.visitor_id(token)}"


async def test_a_surprise_is_told_without_its_detail_and_the_connection_stays(corpus, monkeypatch):
    def surprise(*_):
        raise ZeroDivisionError("secret detail")

    async with Socket() as socket:
        with monkeypatch.context() as broken:
            broken.setattr("chat.consumers.corpus_of", surprise)
            await socket.send("ask", corpus="lighthouse", question=LAMP)
            error = await socket.receive()
        await socket.send("ping")
        assert (await socket.receive())["type"] == "pong"

    assert error["code"] == "internal"
    assert "secret" not in error["detail"]
