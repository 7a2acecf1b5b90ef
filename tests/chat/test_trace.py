"""How an answer came about: what is kept of it, how much room it takes, and who can read it."""

import json
from dataclasses import replace
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.urls import reverse

from chat import trace
from chat.context import Surroundings
from chat.evidence import Evidence, Signals
from chat.llm.base import ChatModelError, Prompt, PromptMessage
from chat.llm.fallback import FallbackModel
from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline
from chat.prompting import version
from chat.retrieval import Found, Retriever
from documents.models import Chunk
from documents.scope import Scope
from documents.threads import in_database_thread
from tests.chat.passages import passage
from tests.chat.turns import events_of, new_turn

LAMP = "How often does the lamp turn?"
JUDGED = Evidence(True, 0.9123, Signals(1.0, 0.25, 0.4, 0.0, 0.7123, None), ("Lambda",))


def candidates(count):
    return [
        replace(passage(f"text {n}"), chunk_id=uuid4(), score=1 / (n + 1), similarity=0.5)
        for n in range(count)
    ]


def test_each_candidate_tells_its_ranks_and_why_it_went():
    fused = candidates(4)
    reranked = [replace(fused[2], score=0.9), replace(fused[0], score=0.4)]
    gone = uuid4()
    found = Found("lamp", candidates=fused, reranked=reranked, passages=reranked[:1])
    found.dropped = {gone: trace.NOT_LIVE, fused[3].chunk_id: trace.DUPLICATE}

    rows = trace.candidates(trace.trace_of("lamp", found, JUDGED))

    assert [row["id"] for row in rows] == [*(p.chunk_id.hex for p in fused), gone.hex]
    assert [row["rerank_rank"] for row in rows] == [2, None, 1, None, None]
    assert [row["rank"] for row in rows] == [None, None, 1, None, None]
    assert [row["dropped"] for row in rows] == [
        "over_top_k", "over_top_k", None, "duplicate", "not_live",
    ]  # fmt: skip
    assert rows[0]["fused"] == 1 and rows[0]["similarity"] == 0.5


def test_what_nothing_was_said_of_has_no_column():
    fused = candidates(2)
    found = Found("lamp", candidates=fused, reranked=fused, passages=fused)
    table = trace.trace_of("lamp", found, JUDGED)["candidates"]
    assert table["columns"] == ["id", "fused", "similarity", "rank", "score"]


def test_pages_that_were_weighed_are_told_and_are_no_reranking():
    fused = candidates(2)
    found = Found("lamp", candidates=fused, ordered=[replace(fused[1], score=1.1), fused[0]])
    found.reranked = found.passages = found.ordered

    rows = trace.candidates(trace.trace_of("lamp", found, JUDGED))

    assert [row["page"] for row in rows] == [1, 1.1]
    assert "rerank" not in rows[0]


def test_a_neighbour_is_told_with_what_it_stands_beside():
    fused = candidates(3)
    found = Found("lamp", candidates=fused, reranked=fused, passages=fused[:2])
    known, unknown = fused[2], passage("text behind")
    found.neighbours = {fused[0].chunk_id: known, fused[1].chunk_id: unknown}

    rows = trace.candidates(trace.trace_of("lamp", found, JUDGED))

    assert [(row["rank"], row["beside"]) for row in rows] == [(1, None), (2, None), (3, 1), (4, 2)]
    assert rows[3]["id"] == unknown.chunk_id.hex
    assert "dropped" not in rows[0]


def test_a_trace_is_small():
    fused = candidates(200)
    reranked = [replace(found, score=found.score * 0.77) for found in fused]
    found = Found("lamp " * 20, candidates=fused, reranked=reranked, passages=reranked[:6])
    found.ordered = [replace(found, score=found.score * 1.23) for found in fused]

    kept = trace.trace_of("another question", found, JUDGED)

    assert len(json.dumps(kept)) < 6000
    assert kept["candidates"]["more"] == 150
    assert len([row for row in trace.candidates(kept) if row["rank"]]) == 6


def test_the_size_of_a_prompt_is_told_without_its_text():
    messages = tuple(PromptMessage(role, "12345") for role in ("system", "user", "user"))
    prompt = Prompt(messages=messages, question="12345", passages=())
    assert trace.prompt_size(prompt) == {
        "messages": 3, "characters": 15, "passages": 0, "history": 1,
    }  # fmt: skip


async def test_an_answer_keeps_its_trace(corpus):
    first = await new_turn(corpus, LAMP)
    await events_of(first)
    second = await new_turn(corpus, "And which colours does it have?", first.conversation)

    await events_of(second)

    kept = (await Message.objects.aget(pk=second.message_id)).trace
    assert (kept["question"], kept["query"]) == (
        second.question,
        f"{second.question} (lamp turn)",
    )
    assert kept["evidence"]["enough"] is True
    assert kept["prompt"]["history"] == 2
    assert kept["prompt"]["wording"] == version("answer")
    shown = [row["id"] for row in trace.candidates(kept) if row.get("rank")]
    assert sorted(shown) == sorted(chunk.replace("-", "") for chunk in second.passages)


async def test_the_models_that_could_not_answer_are_told(corpus):
    pipeline = replace(
        AnswerPipeline.from_settings(),
        model=FallbackModel(
            [
                ScriptedModel([ChatModelError("away", code="timeout")], name="first"),
                ScriptedModel(["Once in twelve seconds [{marker:1}]."], name="second"),
            ]
        ),
    )
    turn = await new_turn(corpus, LAMP)

    await events_of(turn, pipeline)

    ((tried),) = turn.trace["attempts"]
    assert (tried["model"], tried["error"], turn.model) == ("first", "timeout", "second")


async def test_when_no_model_answers_all_are_told(corpus):
    away = [ScriptedModel([ChatModelError("away", code="timeout")], name=name) for name in "ab"]
    turn = await new_turn(corpus, LAMP)

    await events_of(turn, replace(AnswerPipeline.from_settings(), model=FallbackModel(away)))

    kept = (await Message.objects.aget(pk=turn.message_id)).trace
    assert [attempt["model"] for attempt in kept["attempts"]] == ["a", "b"]


async def test_a_hit_without_a_live_row_is_told(corpus):
    retriever, scope = Retriever.from_settings(), Scope(frozenset([corpus.pk]))
    await retriever.search(LAMP, scope)
    lamp = await in_database_thread(Chunk.objects.get)(text__contains="twelve seconds")
    # Withdrawn behind the index's back: no outbox row says so.
    await in_database_thread(Chunk.objects.filter(pk=lamp.pk).update)(enabled=False)

    found = await retriever.search(LAMP, scope)

    assert found.dropped == {lamp.pk: trace.NOT_LIVE}


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser("eve"))
    return client


async def ask(corpus):
    turn = await new_turn(corpus, LAMP)
    await events_of(turn)
    return turn


def test_a_curator_reads_the_trace_as_a_table(corpus, admin):
    turn = async_to_sync(ask)(corpus)
    page = admin.get(reverse("admin:chat_message_change", args=[turn.message_id])).content.decode()

    assert '<th scope="col">fused</th>' in page
    assert "The lamp › Timing" in page
    assert page.index("The lamp › Timing") < page.index("Backups")  # the best stands first
    assert "Searched for the question as it is." in page
    assert "over_top_k" not in page  # in words, not in codes


def test_a_curator_reads_how_a_query_was_made_and_what_surrounded_the_question(corpus, admin):
    turn = async_to_sync(ask)(corpus)
    second = async_to_sync(new_turn)(corpus, "Why?", turn.conversation)
    second.surroundings = Surroundings(page="https://docs.example.org/guide/lamp")
    async_to_sync(events_of)(second)

    address = reverse("admin:chat_message_change", args=[second.message_id])
    page = admin.get(address).content.decode()

    assert "Searched for: “Why? (lamp turn)”." in page
    assert "The query was made by: rules." in page
    assert "Context: page known, cited " in page
    assert '<th scope="col">context</th>' in page


@pytest.mark.parametrize("old", [{}, {"query": "x", "fetched": ["y"]}, {"candidates": {}}])
def test_a_message_of_another_time_can_be_read(corpus, admin, old):
    turn = async_to_sync(ask)(corpus)
    Message.objects.filter(pk=turn.message_id).update(trace=old)
    page = admin.get(reverse("admin:chat_message_change", args=[turn.message_id]))
    assert page.status_code == 200
