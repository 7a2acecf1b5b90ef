"""The websocket: frames in, events out, and nothing that a client sends can break it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from chat.auth import visitors
from chat.consumers import ChatConsumer
from chat.llm.scripted import ScriptedModel
from chat.models import ApiKey, Conversation, Message
from chat.pipeline import AnswerPipeline
from chat.running import running
from chat.sockets import sockets
from documents.models import Corpus, Document
from documents.threads import in_database_thread
from ragsite.asgi import application
from ragsite.origins import KnownOrigins
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


@in_database_thread
def new_key(corpus: Corpus, seconds: float | None = None) -> str:
    """The secret of a key that lasts so long."""
    expiry = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    key, secret = ApiKey.objects.create_key(name="test", expiry_date=expiry)
    key.corpora.add(corpus)
    return str(secret)


async def until(socket: Socket, kind: str) -> dict:
    while (frame := await socket.receive())["type"] != kind:
        pass
    return frame


async def test_it_greets_with_the_corpora_one_may_ask(corpus):
    await Corpus.objects.acreate(slug="private", name="Private")

    async with Socket() as socket:
        assert socket.ready["type"] == "ready"
        assert [c["slug"] for c in socket.ready["corpora"]] == ["lighthouse"]


async def test_its_greeting_says_how_the_log_calls_it(corpus):
    async with Socket(**{"x-request-id": "shop-17"}) as named, Socket() as other:
        assert named.ready["request_id"] == "shop-17"
        assert len(other.ready["request_id"]) == 32


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


async def test_a_reader_resumes_on_another_socket(held_open):
    async with Socket() as socket:
        token = socket.ready["visitor_token"]
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        start = await until(socket, "start")
        seen = await until(socket, "delta")
    held_open.set()

    async with Socket() as socket:
        await socket.send("authenticate", visitor_token=token)
        await until(socket, "ready")
        await socket.send("resume", message=start["message_id"], after=seen["event_id"])
        rest = await socket.until_the_end()

    text = seen["text"] + "".join(f["text"] for f in rest if f["type"] == "delta")
    assert text == rest[-1]["text"] == "Once in twelve seconds [1]."
    assert rest[0]["event_id"] == seen["event_id"] + 1


async def test_whoever_has_all_of_an_answer_is_told_so(corpus):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        done = (await socket.until_the_end())[-1]
        await socket.send("resume", message=done["message_id"], after=done["event_id"])

        assert (await socket.receive())["code"] == "ended"


async def test_an_answer_of_somebody_else_cannot_be_resumed(held_open):
    async with Socket() as owner, Socket() as other:
        await owner.send("ask", corpus="lighthouse", question=LAMP)
        start = await until(owner, "start")

        await other.send("resume", message=start["message_id"])
        foreign = await other.receive()
        await other.send("resume", message="00000000-0000-4000-8000-000000000000")
        missing = await other.receive()

    assert foreign["code"] == "not_found"
    assert {**foreign, "seq": 0} == {**missing, "seq": 0}


async def test_a_credential_can_be_shown_when_the_socket_is_open(corpus):
    private = await Corpus.objects.acreate(slug="private", name="Private")
    secret = await new_key(private)

    async with Socket() as socket:
        await socket.send("authenticate", authorization=f"Api-Key {secret}")
        ready = await until(socket, "ready")

    assert [c["slug"] for c in ready["corpora"]] == ["private"]
    assert ready["visitor_token"] is None


async def test_a_bad_credential_closes_the_socket(corpus):
    async with Socket() as socket:
        await socket.send("authenticate", authorization="Api-Key a.b")
        error = await until(socket, "error")
        closed = await socket.communicator.receive_output(timeout=5)

    assert (error["code"], error["status"]) == ("unauthorized", 401)
    assert closed == {"type": "websocket.close", "code": 4401}


async def test_who_is_told_an_answer_does_not_change_meanwhile(held_open, corpus):
    secret = await new_key(corpus)
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
        await socket.send("authenticate", id="2", authorization=f"Api-Key {secret}")
        error = await until(socket, "error")
        held_open.set()
        done = await until(socket, "done")

    assert (error["code"], done["status"]) == ("busy", "complete")


async def test_a_revoked_key_loses_its_socket(held_open, corpus):
    secret = await new_key(corpus)
    async with Socket(authorization=f"Api-Key {secret}") as socket, Socket() as other:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
        await ApiKey.objects.aupdate(revoked=True)

        await sockets().look()
        error = await until(socket, "error")
        await other.send("ping")

        assert (error["code"], len(sockets())) == ("unauthorized", 1)
        assert (await until(other, "pong"))["type"] == "pong"


async def test_a_suspended_account_loses_its_socket(corpus):
    user = await get_user_model().objects.acreate_user("ana", password="secret")
    client = Client()
    await in_database_thread(client.force_login)(user)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    async with Socket(cookies=cookie) as socket:
        user.is_active = False
        await user.asave()

        await sockets().look()

        assert (await until(socket, "error"))["code"] == "unauthorized"


async def test_a_socket_hears_before_its_credential_expires_and_can_renew_it(corpus):
    soon, later = await new_key(corpus, seconds=50), await new_key(corpus, seconds=5000)
    async with Socket(authorization=f"Api-Key {soon}") as socket:
        await sockets().look(anew=False)
        warning = await until(socket, "expires")
        await socket.send("authenticate", authorization=f"Api-Key {later}")
        ready = await until(socket, "ready")

    assert warning["expires_at"] < ready["expires_at"]


async def test_a_socket_ends_with_its_credential(corpus):
    async with Socket(authorization=f"Api-Key {await new_key(corpus, seconds=1)}") as socket:
        await asyncio.sleep(1.1)
        await sockets().look(anew=False)

        assert (await until(socket, "error"))["code"] == "unauthorized"


async def test_one_visitor_may_not_have_all_sockets(corpus, settings):
    settings.SOCKETS_EACH = 2
    async with Socket(), Socket():
        communicator = WebsocketCommunicator(
            application,
            "/ws/chat/",
            headers=[(b"origin", b"http://testserver"), (b"host", b"testserver")],
        )
        await communicator.connect(timeout=10)
        error = await communicator.receive_json_from(timeout=10)
        closed = await communicator.receive_output(timeout=5)

    assert (error["code"], closed["code"]) == ("too_many_sockets", 4429)


async def test_sockets_that_are_closed_do_not_count(corpus, settings):
    settings.SOCKETS_EACH = 1
    for _ in range(3):
        async with Socket() as socket:
            assert socket.ready["type"] == "ready"


async def test_a_socket_that_is_gone_when_it_is_told_of_its_mistake_does_not_count(
    corpus, monkeypatch
):
    async def gone(self, *args, **kwargs):
        raise OSError

    async with Socket() as socket:
        monkeypatch.setattr(ChatConsumer, "send", gone)
        await socket.communicator.send_to(text_data="no frame")
        await socket.send("stop")

    assert len(sockets()) == 0


async def test_a_socket_that_takes_nothing_does_not_keep_others_from_losing_theirs(
    corpus, monkeypatch, settings
):
    settings.SLOW_READER_SECONDS = 60
    secret = await new_key(corpus)
    send = ChatConsumer.send

    async def silent_at_first(self, *args, **kwargs):
        if self is silent:
            await asyncio.sleep(60)
        await send(self, *args, **kwargs)

    monkeypatch.setattr(ChatConsumer, "send", silent_at_first)
    silent = None
    header = f"Api-Key {secret}"
    async with Socket(authorization=header) as one, Socket(authorization=header) as other:
        silent = next(iter(sockets()._open)).close.__self__
        await ApiKey.objects.aupdate(revoked=True)

        await sockets().look()

        told = await asyncio.wait(
            [asyncio.ensure_future(until(socket, "error")) for socket in (one, other)],
            timeout=5, return_when=asyncio.FIRST_COMPLETED,
        )  # fmt: skip
        assert len(told[0]) == 1 and len(sockets()) == 0
        silent = None
        for waiting in told[1]:
            waiting.cancel()


async def test_a_socket_whose_credential_does_not_let_one_ask_is_closed(corpus):
    secret = await new_key(corpus)
    await ApiKey.objects.aupdate(scopes=["search"])
    headers = [
        (b"origin", b"http://testserver"),
        (b"host", b"testserver"),
        (b"authorization", f"Api-Key {secret}".encode()),
    ]
    communicator = WebsocketCommunicator(application, "/ws/chat/", headers=headers)
    await communicator.connect(timeout=10)

    error = await communicator.receive_json_from(timeout=5)
    closed = await communicator.receive_output(timeout=5)

    assert (error["code"], closed["type"]) == ("scope_missing", "websocket.close")


async def test_a_socket_that_takes_nothing_is_hung_up_on(held_open, settings, monkeypatch):
    settings.SLOW_READER_SECONDS = 0.1

    async def never(self, *args, **kwargs):
        await asyncio.sleep(60)

    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP)
        await until(socket, "delta")
        monkeypatch.setattr(ChatConsumer, "send", never)
        held_open.set()

        assert (await socket.communicator.receive_output(timeout=5))["code"] == 1013


async def test_a_question_that_is_sent_again_with_its_key_is_asked_once(held_open):
    async with Socket() as socket:
        token = socket.ready["visitor_token"]
        await socket.send("ask", corpus="lighthouse", question=LAMP, key="k-1")
        await socket.send("ping")  # and the socket is lost before a word is heard
        await until(socket, "pong")
    async with Socket() as socket:
        await socket.send("authenticate", visitor_token=token)
        await until(socket, "ready")
        await socket.send("ask", id="2", corpus="lighthouse", question=LAMP, key="k-1")
        held_open.set()
        frames = await socket.until_the_end()
        await socket.send("ask", id="3", corpus="lighthouse", question=LAMP, key="k-1")
        later = await socket.until_the_end()
        await socket.send("ask", id="4", corpus="lighthouse", question="Why?", key="k-1")
        other = await socket.receive()

    assert frames[0]["type"] == "start" and frames[0]["event_id"] == 1
    assert frames[-1]["text"] == later[-1]["text"] == "Once in twelve seconds [1]."
    assert (other["code"], other["status"]) == ("idempotency_key_reused", 422)
    assert await Message.objects.acount() == 2


async def test_a_key_counts_for_one_owner(corpus):
    for _ in range(2):
        async with Socket() as socket:
            await socket.send("ask", corpus="lighthouse", question=LAMP, key="k-1")
            assert (await socket.until_the_end())[-1]["type"] == "done"

    assert await Message.objects.acount() == 4


async def test_a_question_that_was_refused_may_be_sent_again_with_its_key(corpus, settings):
    async with Socket() as socket:
        settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 0
        await socket.send("ask", corpus="lighthouse", question=LAMP, key="k-1")
        refused = (await socket.until_the_end())[-1]
        settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 100
        await socket.send("ask", id="2", corpus="lighthouse", question=LAMP, key="k-1")
        answered = (await socket.until_the_end())[-1]

    assert (refused["code"], answered["type"]) == ("rate_limited", "done")


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
    '{"v": 1, "type": "ask", "id": "1", "corpus": "x", "question": "x", "key": ""}': "invalid",
    '{"v": 1, "type": "ask", "id": "1", "corpus": "x", "question": "x", "key": 7}': "invalid",
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


GOOD = "docs.example.org"
FOREIGN_ORIGINS = [
    None, "", "null", "*", "file://", "about:blank", "data:text/html,x", "javascript:alert(1)",
    "blob:https://docs.example.org/1", "chrome-extension://docs.example.org", "https://", "//",
    "https://evil.example", "http://evil.example", "https://evil.example:443", "evil.example",
    # Names that begin, end, or look like ours.
    f"https://{GOOD}.evil.example", f"https://evil-{GOOD}", f"https://evil{GOOD}",
    f"https://x.{GOOD}", f"https://{GOOD}evil.example", f"https://{GOOD}.", f"https://.{GOOD}",
    "https://docs.example.orgs", "https://docs.example.or", "https://docs-example.org",
    "https://docs.examp1e.org", "https://docs.exаmple.org", "https://xn--docs-example.org",
    "https://docs。example。org.evil.example", "https://docs%2eexample%2eorg",
    # User names, paths, queries and fragments that name us.
    f"https://{GOOD}@evil.example", f"https://{GOOD}:x@evil.example", f"https://evil.example/{GOOD}",
    f"https://evil.example?{GOOD}", f"https://evil.example#{GOOD}", f"https://evil.example\\@{GOOD}",
    f"https://evil.example\\.{GOOD}", f"https://evil.example/@{GOOD}", f"https://a@{GOOD}",
    f"https://{GOOD}/", f"https://{GOOD}/path", f"https://{GOOD}?", f"https://{GOOD}#",
    # Two, and white space.
    f"https://{GOOD} https://evil.example", f"https://{GOOD},https://evil.example",
    f"https://evil.example, https://{GOOD}", f" https://{GOOD} x", f"https://{GOOD}\t.evil.example",
    f"https ://{GOOD}", f"https:// {GOOD}", f"https:/{GOOD}", f"https:{GOOD}", GOOD, f"//{GOOD}",
    # Other schemes and ports that are none.
    f"ftp://{GOOD}", f"ws://{GOOD}", f"wss://{GOOD}", f"https://{GOOD}:x", f"https://{GOOD}:-1",
    f"https://{GOOD}:99999", f"https://[{GOOD}]", "https://[::1", "http://[::ffff:127.0.0.1]",
    "http://127.1", "http://2130706433", "http://0x7f000001", "http://localhost.evil.example",
]  # fmt: skip


async def reached(
    *origins: str | None, scheme: str = "wss", host: str = GOOD, more: Sequence[Any] = ()
) -> bool:
    """Whether a socket of a page with this origin comes through, to the server of this name."""

    async def inside(scope, receive, send):
        await send({"type": "websocket.accept"})

    headers = [(b"origin", origin.encode()) for origin in origins if origin is not None]
    headers += [(b"host", host.encode()), *more]
    communicator = WebsocketCommunicator(KnownOrigins(inside), "/ws/chat/", headers=headers)
    communicator.scope["scheme"] = scheme
    connected, _code = await communicator.connect(timeout=5)
    communicator.stop(exceptions=False)
    return connected


async def test_a_foreign_origin_is_refused_before_anything(transactional_db, settings):
    settings.ALLOWED_HOSTS = [GOOD]

    assert [origin for origin in FOREIGN_ORIGINS if await reached(origin)] == []


async def test_a_socket_with_two_origins_has_none(transactional_db, settings):
    settings.ALLOWED_HOSTS = [GOOD]

    assert not await reached(f"https://{GOOD}", "https://evil.example")


async def test_our_own_pages_come_through(transactional_db, settings):
    settings.ALLOWED_HOSTS = [GOOD]

    assert await reached(f"https://{GOOD}")
    assert await reached(f"http://{GOOD}:8000", scheme="ws", host=f"{GOOD}:8000")


async def test_another_port_or_scheme_is_somebody_elses_page(transactional_db, settings):
    settings.ALLOWED_HOSTS = [GOOD, "localhost"]

    assert not await reached("https://localhost")
    assert not await reached(f"http://{GOOD}") and not await reached(f"https://{GOOD}:8443")
    assert not await reached("http://localhost:3000", scheme="ws", host="localhost:8000")


@pytest.mark.parametrize("told", [b"https", b"wss"])
async def test_our_own_pages_come_through_a_proxy(transactional_db, settings, told):
    settings.ALLOWED_HOSTS = [GOOD]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    forwarded = (b"x-forwarded-proto", told)

    assert await reached(f"https://{GOOD}", scheme="ws", more=[forwarded])


async def test_a_name_that_is_not_ours_reaches_nothing(transactional_db, settings):
    settings.ALLOWED_HOSTS = [GOOD]

    assert not await reached("https://rebound.example", host="rebound.example")


async def test_pages_of_a_key_come_through_until_it_is_revoked(corpus, settings):
    settings.ALLOWED_HOSTS = [GOOD]
    await in_database_thread(ApiKey.objects.create_key)(name="w", origins="https://shop.example")
    before = await reached("https://shop.example")

    key = await ApiKey.objects.aget(name="w")
    key.revoked = True
    await key.asave()

    assert before and not await reached("https://shop.example")


def test_the_application_puts_that_guard_first():
    assert isinstance(application.application_mapping["websocket"].application, KnownOrigins)


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


async def test_events_of_what_was_withdrawn_since_are_not_told_again(corpus):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=LAMP, key="once")
        done = (await socket.until_the_end())[-1]
        await Document.objects.aupdate(status=Document.Status.WITHDRAWN)
        await socket.send("resume", message=done["message_id"])
        resumed = await socket.until_the_end()
        await socket.send("ask", corpus="lighthouse", question=LAMP, key="once")
        again = await socket.until_the_end()

    assert {citation["quote"] for citation in done["citations"]} != {""}
    for (event,) in (resumed, again):
        assert {citation["quote"] for citation in event["citations"]} == {""}
