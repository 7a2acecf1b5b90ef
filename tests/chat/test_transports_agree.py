"""One pipeline, four transports: the same question, the same answer, the same citations."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import AsyncClient

from documents.models import Corpus
from documents.threads import in_database_thread
from tests.chat.clients import Socket, ask_json, ask_sse, sse_events, start_conversation

QUESTION = "How do I restore a backup?"
CITED = ("number", "chunk_id", "url", "link", "quote", "quote_start", "quote_end", "heading_path")


def told(answer: dict) -> tuple:
    """What must not depend on how it was asked."""
    citations = [tuple(map(str, (c[name] for name in CITED))) for c in answer["citations"]]
    claims = [(c["start"], c["end"], c["verdict"], c["citation"]) for c in answer["claims"]]
    return answer["text"], answer["outcome"], citations, claims, answer["degraded"]


def asked_in_the_terminal(question: str, *options: str) -> dict:
    out = io.StringIO()
    call_command("ask", question, "--json", *options, stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


async def test_the_answer_does_not_depend_on_the_transport(corpus):
    client = AsyncClient()
    by_json = (await ask_json(client, await start_conversation(client), QUESTION)).json()
    stream = await ask_sse(client, await start_conversation(client), QUESTION)
    by_sse = (await sse_events(stream))[-1]
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=QUESTION)
        by_socket = (await socket.until_the_end())[-1]
    by_terminal = await in_database_thread(asked_in_the_terminal)(QUESTION)

    assert told(by_json) == told(by_sse) == told(by_socket) == told(by_terminal)
    assert by_json["citations"]


PAGE = "https://docs.example.org/guide/lamp?from=search#timing"
SELECTED = "A full turn\nshows three flashes"


async def test_page_and_selection_mean_the_same_in_every_transport(corpus):
    client, around = AsyncClient(), {"page": PAGE, "selection": {"text": SELECTED, "mode": "only"}}
    question = "How many flashes does it show?"
    by_json = (await ask_json(client, await start_conversation(client), question, **around)).json()
    stream = await ask_sse(client, await start_conversation(client), question, **around)
    by_sse = (await sse_events(stream))[-1]
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=question, **around)
        by_socket = (await socket.until_the_end())[-1]
    options = ["--page", PAGE, "--selection", SELECTED]
    by_terminal = await in_database_thread(asked_in_the_terminal)(question, *options)

    assert told(by_json) == told(by_sse) == told(by_socket) == told(by_terminal)
    assert {c["url"] for c in by_json["citations"]} == {
        "https://docs.example.org/guide/lamp#timing"
    }


async def test_a_selection_that_is_nowhere_is_refused_in_every_transport(corpus):
    client, around = AsyncClient(), {"selection": {"text": "The lamp is blue.", "mode": "only"}}
    by_json = await ask_json(client, await start_conversation(client), QUESTION, **around)
    by_sse = await ask_sse(client, await start_conversation(client), QUESTION, **around)
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=QUESTION, **around)
        by_socket = (await socket.until_the_end())[-1]

    assert [r.status_code for r in (by_json, by_sse)] == [by_socket["status"], 422] == [422, 422]
    for reply in (by_json.json(), by_sse.json(), by_socket):
        assert reply["code"] == "selection_not_found"
        assert "Select text of a published page" in reply["detail"]
    with pytest.raises(CommandError, match="selection_not_found"):
        await in_database_thread(asked_in_the_terminal)(
            QUESTION, "--selection", "The lamp is blue."
        )


async def test_a_selection_as_boost_leaves_other_sections_in(corpus):
    client = AsyncClient()
    around = {"selection": {"text": SELECTED, "mode": "boost"}}
    reply = await ask_json(client, await start_conversation(client), QUESTION, **around)
    told_in_terminal = await in_database_thread(asked_in_the_terminal)(
        QUESTION, "--selection", SELECTED, "--boost"
    )

    assert "lighthouse restore" in reply.json()["text"]
    assert told(reply.json()) == told(told_in_terminal)


@pytest.mark.parametrize(
    "around",
    [
        {"selection": "the lamp"},
        {"selection": {"text": "the lamp"}},
        {"selection": {"text": "the lamp", "mode": "must"}},
        {"selection": {"text": "", "mode": "only"}},
        {"selection": {"text": "**", "mode": "only"}},
        {"selection": {"text": "x" * 4001, "mode": "only"}},
        {"page": "x" * 1001},
        {"page": ["x"]},
    ],
)
async def test_what_cannot_be_a_page_or_a_selection_is_refused(corpus, around):
    client = AsyncClient()
    reply = await ask_json(client, await start_conversation(client), QUESTION, **around)
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=QUESTION, **around)
        by_socket = await socket.receive()

    assert (reply.status_code, reply.json()["code"], by_socket["code"]) == (400, *["invalid"] * 2)
    assert reply.json()["errors"].keys() == around.keys()


def test_the_terminal_shows_the_answer_and_where_it_stands(corpus):
    out = io.StringIO()

    call_command("ask", QUESTION, stdout=out)

    assert "lighthouse restore" in out.getvalue()
    assert "https://docs.example.org/operate/backup#restore" in out.getvalue()
    assert "(answered, extractive)" in out.getvalue()


def test_the_terminal_says_when_there_is_no_answer(corpus):
    out = io.StringIO()

    call_command("ask", "What is the capital of Australia?", stdout=out)

    assert "does not hold an answer" in out.getvalue()
    assert "Nearest sections:" in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["🙂"], "no words"),
        (["x" * 5000], "at most 4,000"),
        (["why", "--selection", "x" * 5000], "at most 4,000 are allowed. Select less"),
        (["why", "--corpus", "missing"], 'no corpus "missing". There are: lighthouse'),
    ],
)
def test_a_mistake_in_the_terminal_is_told(corpus, arguments, says):
    with pytest.raises(CommandError, match=says):
        call_command("ask", *arguments)


def test_the_terminal_wants_to_know_which_corpus(corpus):
    Corpus.objects.create(slug="other", name="Other")

    with pytest.raises(CommandError, match="Say which corpus, with --corpus"):
        call_command("ask", QUESTION)


def test_the_terminal_says_what_to_do_when_nothing_was_ingested(transactional_db):
    with pytest.raises(CommandError, match=r"manage\.py ingest"):
        call_command("ask", QUESTION)
