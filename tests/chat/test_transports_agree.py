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
CITED = ("number", "chunk_id", "url", "quote", "quote_start", "quote_end", "heading_path")


def told(answer: dict) -> tuple:
    """What must not depend on how it was asked."""
    citations = [tuple(map(str, (c[name] for name in CITED))) for c in answer["citations"]]
    claims = [(c["start"], c["end"], c["verdict"], c["citation"]) for c in answer["claims"]]
    return answer["text"], answer["outcome"], citations, claims, answer["degraded"]


def asked_in_the_terminal(question: str) -> dict:
    out = io.StringIO()
    call_command("ask", question, "--json", stdout=out)
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
