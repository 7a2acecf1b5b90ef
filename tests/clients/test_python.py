"""The Python client, synchronous and asynchronous, against the running server."""

import inspect
import json
import re
import time
from dataclasses import fields
from typing import get_args

import httpx
import pytest

import ragsite_client
from chat import events
from chat.models import ApiKey, Conversation, Message
from ragsite_client import (
    AsyncClient,
    Client,
    Conflict,
    ConnectionLost,
    Delta,
    Done,
    NotFound,
    Restart,
    Start,
    Unauthorized,
)  # fmt: skip
from ragsite_client.events import KINDS, event_of
from tests.chat.auth.keys import PAGE, publishable
from tests.clients.models import Gate, says, slowly
from tests.processes import ROOT
from tests.standins.proxy import Trouble

LAMP = "How often does the lamp turn?"
FAILED = {"type": "error", "code": "internal", "detail": "…", "status": 500}
SSE = {"Content-Type": "text/event-stream"}
LONG = "The lamp turns once in twelve seconds, as it has done for years [{marker:1}]."


@pytest.fixture
def client(corpus, network):
    with Client(network.url) as client:
        yield client


def text_of(told) -> str:
    """As somebody would put it together who looks at nothing but text and restarts."""
    text = ""
    for event in told:
        if isinstance(event, Restart):
            text = ""
        if isinstance(event, Delta):
            text += event.text
    return text


# The types


def test_its_events_are_those_of_the_server():
    ours = {kind.type: kind for kind in get_args(events.Event)}

    assert KINDS.keys() == ours.keys()
    for name, kind in ours.items():
        theirs = {field.name: field.default for field in fields(KINDS[name])}
        assert theirs == {field.name: field.default for field in fields(kind)}, name
        assert KINDS[name].__name__ == kind.__name__


def test_kinds_and_fields_of_a_newer_server_are_left_out():
    assert event_of({"type": "applause", "hands": 2}) is None
    assert event_of({"type": "delta", "text": "a", "mood": "fine"}) == Delta("a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ragsite_client.Client, ragsite_client.AsyncClient),
        (ragsite_client.Stream, ragsite_client.AsyncStream),
        (ragsite_client.client.Conversations, ragsite_client.async_client.AsyncConversations),
    ],
)
def test_both_clients_can_do_the_same(one, other):
    def methods(kind):
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("_")
        }

    assert methods(one) == methods(other)


# Its main job


def test_a_question_is_asked_and_answered(client):
    done = client.ask(LAMP, corpus="lighthouse")

    assert isinstance(done, Done)
    assert "twelve seconds" in done.text
    assert done.citations[0]["link"].startswith("https://docs.example.org/guide/lamp#timing")
    assert client.chunk(done.citations[0]["chunk_id"])["document"]["title"] == "The lamp"


def test_a_stream_tells_the_events_and_adds_them_up(client):
    with client.stream(LAMP, corpus="lighthouse") as stream:
        told = list(stream)

    assert [type(told[0]), type(told[-1])] == [Start, Done]
    assert text_of(told) == stream.answer.text == told[-1].text
    assert stream.answer.citations == told[-1].citations
    assert stream.answer.conversation_id == told[0].conversation_id


def test_the_example_of_the_handbook_works(corpus, server, capsys):
    page = (ROOT / "docs" / "handbook" / "integrate" / "clients.md").read_text()
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    example = example.replace("http://127.0.0.1:8000", server).replace("handbook", "lighthouse")

    exec(example.replace("What is the evidence gate?", LAMP), {})

    assert "twelve seconds" in capsys.readouterr().out


async def test_the_asynchronous_client_does_the_same(corpus, server):
    async with AsyncClient(server) as client:
        done = await client.ask(LAMP, corpus="lighthouse")
        async with client.stream(LAMP, conversation=done.conversation_id) as stream:
            told = [event async for event in stream]
        listed = [one["id"] async for one in client.conversations.list()]
        again = await client.resume(done.message_id).finish()

    assert told[-1].text == done.text == again.text
    assert listed == [done.conversation_id]


def test_conversations_are_kept_by_the_token_of_the_first_one(client, network):
    first = client.conversations.create("lighthouse")
    done = client.ask(LAMP, corpus="lighthouse")
    renamed = client.conversations.rename(first["id"], "The lamp")

    with Client(network.url, visitor_token=client.visitor_token) as later:
        listed = list(later.conversations.list())
        said = list(later.conversations.messages(done.conversation_id))
    client.conversations.delete(first["id"])

    assert renamed["title"] == "The lamp"
    assert {one["id"] for one in listed} == {first["id"], done.conversation_id}
    assert [one["role"] for one in said] == ["user", "assistant"]
    with pytest.raises(NotFound):
        client.conversations.get(first["id"])


def test_it_searches_and_reads_documents(client):
    found = client.search("lamp", corpus="lighthouse", top_k=2)
    documents = list(client.documents())

    assert len(found["passages"]) == 2
    assert {one["title"] for one in documents} >= {"Install", "Backups"}
    assert client.document(documents[0]["id"]) == documents[0]


def test_an_answer_is_cancelled(client, monkeypatch):
    gate = Gate()
    says(monkeypatch, ["Once in ", gate, "twelve seconds [{marker:1}]."])

    with client.stream(LAMP, corpus="lighthouse") as stream:
        while not isinstance(next(stream), Delta):
            pass
        done = stream.cancel()
        answer = stream.finish()

    assert done.status == answer.done.status == "cancelled"
    assert answer.text == "Once in "
    with pytest.raises(Conflict) as refused:
        client.cancel(done.message_id)
    assert refused.value.code == "finished"


# Credentials and refusals


def test_a_key_asks_what_it_may(corpus, server):
    key, secret = ApiKey.objects.create_key(name="shop")
    key.corpora.add(corpus)

    with Client(server, api_key=secret) as client:
        assert "twelve seconds" in client.ask(LAMP, corpus="lighthouse").text
    assert Conversation.objects.get().owner == f"key:{key.prefix}"


def test_a_wrong_key_is_an_exception_with_its_code(corpus, server):
    with Client(server, api_key="wrong") as client, pytest.raises(Unauthorized) as refused:
        client.ask(LAMP, corpus="lighthouse")

    assert (refused.value.status, refused.value.code) == (401, "authentication_failed")
    assert refused.value.detail


def test_a_token_that_was_refused_is_made_once_more(corpus, server):
    made = []

    def token() -> str:
        made.append(1)
        return "none"

    with Client(server, bearer=token) as client, pytest.raises(Unauthorized):
        client.ask(LAMP, corpus="lighthouse")

    assert len(made) == 2


def test_a_publishable_key_makes_tokens_and_renews_them_for_the_same_visitor(
    corpus, server, settings
):
    settings.VISITOR_TOKEN_MINUTES = 0.5  # over so soon that each request has its own
    _, secret = publishable(corpus)

    with Client(server, publishable_key=secret, origin=PAGE) as client:
        done = client.ask(LAMP, corpus="lighthouse")
        first = client.visitor_token
        time.sleep(1.1)  # a token of the same second is the same
        listed = [one["id"] for one in client.conversations.list()]

    assert "twelve seconds" in done.text
    assert listed == [done.conversation_id]
    assert client.visitor_token != first


# Connections that are lost


def test_a_stream_that_is_cut_again_and_again_tells_each_event_once(client, network, monkeypatch):
    says(monkeypatch, slowly(LONG))
    conversation = client.conversations.create("lighthouse")["id"]
    network.cut_all()  # what follows is not on a connection that was kept
    network.next(*[Trouble("reset", after=size) for size in (3300, 1300, 1, 1250, 1240)])

    with client.stream(LAMP, conversation=conversation) as stream:
        numbers = []
        told = [(numbers.append(stream.answer.last_event_id), event)[1] for event in stream]

    assert network.accepted >= 6
    assert numbers == sorted(set(numbers))
    assert text_of(told) == told[-1].text
    assert [type(event).__name__ for event in told].count("Start") == 1
    assert Message.objects.filter(role="assistant").count() == 1


def test_a_number_that_was_told_before_is_left_out():
    """Whatever stands between may send again what it has kept."""
    begin = {"type": "start", "conversation_id": "c", "message_id": "m"}
    told = [begin, {"type": "delta", "text": "one "}, {"type": "delta", "text": "two"}, FAILED]
    frames = [f"id: {n}\ndata: {json.dumps(event)}\n\n" for n, event in enumerate(told, 1)]
    parts = iter(["".join(frames[:3]), "".join(frames[1:])])
    server = httpx.MockTransport(
        lambda _request: httpx.Response(200, text=next(parts), headers=SSE)
    )

    with Client("http://server", http=httpx.Client(transport=server)) as client:
        stream = client.stream(LAMP, conversation="c")
        kinds = [event.type for event in stream]

    assert kinds == ["start", "delta", "delta", "error"]
    assert stream.answer.text == "one two"


def test_comments_are_no_events():
    text = ': hello\n\nid: 1\ndata: {"type": "delta", "text": "ä"}\n\n: keep-alive\n\n'
    end = f"id: 2\ndata: {json.dumps(FAILED)}\n\n"
    server = httpx.MockTransport(lambda _request: httpx.Response(200, text=text + end, headers=SSE))

    with Client("http://server", http=httpx.Client(transport=server)) as client:
        answer = client.resume("m").finish()

    assert answer.text == "ä"


def test_a_question_whose_answer_was_lost_is_sent_again_with_the_same_key(monkeypatch):
    monkeypatch.setattr("ragsite_client.attempts.FIRST", 0.01)
    keys = []

    def server(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("reset")
        code = "idempotency_in_progress" if len(keys) == 2 else "interrupted"
        return httpx.Response(409 if len(keys) == 2 else 502, json={"code": code, "detail": "…"})

    monkeypatch.setattr("ragsite_client.wires.time.sleep", lambda seconds: None)
    with (
        Client("http://s", http=httpx.Client(transport=httpx.MockTransport(server))) as client,
        pytest.raises(ragsite_client.Unavailable),
    ):
        client.ask(LAMP, conversation="c")

    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_a_restart_before_the_cut_and_after_it_leaves_one_text(client, network, monkeypatch):
    copy = "The log is written to a second disk every night at three o'clock [{marker:1}]."
    own = "Every night at three, the log goes to a second disk [{marker:1}]."
    says(monkeypatch, slowly(copy), slowly(own))
    conversation = client.conversations.create("lighthouse")["id"]
    network.cut_all()
    network.next(Trouble("truncate", after=3300))

    with client.stream("When is the log written to a second disk?", conversation=conversation) as s:
        told = [(event, s.answer.text, len(s.answer.citations)) for event in s]

    (restart,) = [place for place, one in enumerate(told) if isinstance(one[0], Restart)]
    assert told[restart][1:] == ("", 0)
    assert told[-2][1] == told[-1][1] == "Every night at three, the log goes to a second disk [1]."
    assert told[-2][2] == 1


def test_an_answer_is_resumed_by_somebody_who_has_its_number(client, network, monkeypatch):
    gate = Gate()
    says(monkeypatch, ["Once in ", gate, "twelve seconds [{marker:1}]."])
    stream = client.stream(LAMP, corpus="lighthouse")
    while not isinstance(next(stream), Delta):
        pass
    message, number = stream.answer.message_id, stream.answer.last_event_id
    stream.close()

    gate.open()
    with Client(network.url, visitor_token=client.visitor_token) as later:
        told = list(later.resume(message, after=number))

    assert text_of(told) == "twelve seconds [1]."
    assert told[-1].text == "Once in twelve seconds [1]."


def test_a_server_that_stays_away_is_an_exception_in_the_end(corpus, network, monkeypatch):
    monkeypatch.setattr("ragsite_client.attempts.FIRST", 0.01)
    network.always = Trouble("refuse")

    with Client(network.url, attempts=3) as client, pytest.raises(ConnectionLost):
        client.ask(LAMP, corpus="lighthouse")

    assert network.accepted == 3


def test_a_time_that_the_server_named_is_waited_for(
    corpus, server, settings, monkeypatch, early_in_a_minute
):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 1
    waits = []
    monkeypatch.setattr("ragsite_client.wires.time.sleep", waits.append)

    with Client(server, patience=90, attempts=2) as client:
        client.search("lamp", corpus="lighthouse")
        with pytest.raises(ragsite_client.RateLimited) as refused:
            client.search("lamp", corpus="lighthouse")

    assert waits
    assert refused.value.retry_after
    assert waits[0] >= refused.value.retry_after - 1
