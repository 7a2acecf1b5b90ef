"""Answers given before: never of another content, and never to somebody of another scope."""

from dataclasses import replace
from uuid import uuid4

import pytest
from django.core.management import call_command

from chat.answer_cache import _recall, key_of
from chat.auth.principal import Principal
from chat.context import Surroundings
from chat.events import Delta
from chat.llm.base import ChatModelError
from chat.llm.scripted import ScriptedModel
from chat.models import Conversation, Message
from chat.pipeline import AnswerPipeline
from documents.ledger import this_process
from documents.models import Corpus, Document, IndexChange, TrustTier
from documents.quotas import Lookups, lookups
from documents.threads import in_database_thread
from tests.chat.turns import events_of, new_turn

LAMP = "How often does the lamp turn?"
SAID = "The lamp turns once in twelve seconds [{marker:1}]."

ingest = in_database_thread(call_command)


@pytest.fixture(autouse=True)
def switched_on(settings) -> None:
    settings.ANSWER_CACHE_SECONDS = 60


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel([SAID])


@pytest.fixture
def pipeline(model) -> AnswerPipeline:
    return replace(AnswerPipeline.from_settings(), model=model)


async def ask(corpus, pipeline, question=LAMP, **more):
    turn = await new_turn(corpus, question)
    for name, value in more.items():
        setattr(turn, name, value)
    return (await events_of(turn, pipeline))[-1]


async def test_the_same_question_gets_the_same_answer_without_a_call(corpus, pipeline, model):
    first = await ask(corpus, pipeline)
    again = await ask(corpus, pipeline, "  how often does\nthe lamp turn? ")

    assert (first.cached, again.cached, len(model.prompts)) == (False, True, 1)
    for name in ("text", "outcome", "citations", "claims", "copied", "model", "extractive"):
        assert getattr(again, name) == getattr(first, name)


@pytest.mark.parametrize(("one", "other"), [("-v", "-V"), ("`Lamp`", "`lamp`")])
async def test_upper_and_lower_case_ask_different_questions(corpus, pipeline, one, other):
    keys = {
        key_of(await new_turn(corpus, f"What does {name} do?"), pipeline.retriever, pipeline.model)
        for name in (one, other)
    }
    assert len(keys) == 2


async def test_it_is_told_and_saved_like_a_new_one(corpus, pipeline):
    first = await ask(corpus, pipeline)
    turn = await new_turn(corpus, LAMP)
    events = await events_of(turn, pipeline)

    kinds = [event.type for event in events]
    assert kinds == ["start", "sources", "delta", "citation", "delta", "claims", "done"]
    assert "".join(event.text for event in events if isinstance(event, Delta)) == first.text
    message = await Message.objects.aget(pk=turn.message_id)
    assert (message.text, message.status, message.outcome) == (first.text, "complete", "answered")
    assert await message.citations.acount() == await message.claims.acount() == 1
    assert message.trace["answer_cache"] == first.message_id


async def test_whoever_leaves_while_it_is_told_leaves_what_was_shown(corpus, pipeline):
    await ask(corpus, pipeline)
    turn = await new_turn(corpus, LAMP)
    stream = pipeline.answer(turn)
    async for event in stream:
        if event.type == "delta":
            break
    await stream.aclose()

    message = await Message.objects.aget(pk=turn.message_id)
    assert (message.status, message.text) == ("interrupted", event.text)


async def test_that_the_content_holds_no_answer_is_remembered_too(corpus, pipeline):
    question = "Which football club won the cup in 1987?"
    first, again = [await ask(corpus, pipeline, question) for _ in range(2)]

    assert (again.cached, again.outcome) == (True, "not_in_content")
    assert again.nearest == first.nearest != []


@in_database_thread
def change(corpus: Corpus, what: str) -> None:
    documents = Document.objects.filter(corpus=corpus)
    other = documents.get(key="operate/backup.md")
    match what:
        case "withdrawn":
            documents.filter(pk=other.pk).set_status(Document.Status.WITHDRAWN)
        case "trust":
            documents.filter(pk=other.pk).set_trust_tier(TrustTier.PREPRINT, "test")
        case "deleted":
            other.delete()
        case "verified":
            other.mark_indexed(other.space)


@pytest.mark.parametrize("what", ["withdrawn", "trust", "deleted", "verified", "ingested"])
async def test_any_change_of_the_corpus_makes_it_answer_anew(
    corpus, pipeline, site, what, write_pages
):
    await ask(corpus, pipeline)
    if what == "ingested":
        write_pages({"new.md": "# New\n\nA page that is new.\n"})
        await ingest("ingest", str(site), corpus="lighthouse", json=True)
    else:
        await change(corpus, what)

    assert not (await ask(corpus, pipeline)).cached


async def test_a_run_that_changes_nothing_leaves_it(corpus, pipeline, site):
    await ask(corpus, pipeline)
    await ingest("ingest", str(site), corpus="lighthouse", json=True)

    assert (await ask(corpus, pipeline)).cached


async def test_a_change_in_another_corpus_leaves_it(corpus, pipeline, write_pages):
    await ask(corpus, pipeline)
    folder = write_pages({"other.md": "# Other\n\nSomething else.\n"})
    await ingest("ingest", str(folder), corpus="other", json=True)

    assert (await ask(corpus, pipeline)).cached


async def test_what_was_narrowed_otherwise_is_answered_anew(corpus, pipeline):
    await ask(corpus, pipeline)
    turn = await new_turn(corpus, LAMP)
    narrowed = replace(turn.scope, sections=frozenset(["Timing"]))

    assert not (await ask(corpus, pipeline, scope=narrowed)).cached


async def test_another_corpus_with_the_same_pages_answers_for_itself(corpus, pipeline, site):
    await ask(corpus, pipeline)
    await ingest("ingest", str(site), corpus="twin", json=True)
    twin = await Corpus.objects.aget(slug="twin")

    assert not (await ask(twin, pipeline)).cached


async def test_an_answer_under_a_foreign_key_is_not_told_to_who_may_not_read_it(corpus, pipeline):
    """Whatever a key says, the rows decide."""
    await ask(corpus, pipeline)
    asked = await new_turn(corpus, LAMP)
    asked.revision = (await Corpus.objects.aget(pk=corpus.pk)).revision
    key = key_of(asked, pipeline.retriever, pipeline.model)
    stranger = replace(asked, scope=Principal("user", "8", frozenset()).scope)

    assert await _recall(asked, key) is not None
    assert await _recall(stranger, key) is None


@pytest.mark.parametrize(
    "around",
    [
        {"surroundings": Surroundings(page="/read/site/guide/lamp")},
        {"surroundings": Surroundings(selection="The lamp turns once in twelve seconds.")},
        {"anew": True},
    ],
)
async def test_what_more_than_the_question_shapes_is_answered_anew(corpus, pipeline, around):
    await ask(corpus, pipeline)

    assert not (await ask(corpus, pipeline, **around)).cached


async def test_a_question_inside_a_conversation_is_answered_anew(corpus, pipeline):
    first = await new_turn(corpus, LAMP)
    await events_of(first, pipeline)
    second = await new_turn(corpus, LAMP, first.conversation)

    assert not (await events_of(second, pipeline))[-1].cached


@pytest.mark.parametrize("said", ["The lamp turns once in five seconds [{marker:1}].", "died"])
async def test_only_answers_that_nothing_is_wrong_with_are_kept(corpus, pipeline, said):
    script = [ChatModelError("away")] if said == "died" else [said]
    quotes = AnswerPipeline.from_settings().model
    broken = replace(pipeline, model=ScriptedModel(script), quotes=quotes)
    first = await ask(corpus, broken)

    assert first.outcome in ("partial", "degraded")
    assert not (await ask(corpus, pipeline)).cached


async def test_nothing_is_kept_while_qdrant_has_not_been_told_of_a_change(
    corpus, settings, pipeline
):
    settings.QDRANT_URL = ":memory:"  # what an index there is owed, stands in the outbox
    await in_database_thread(IndexChange.objects.record)([uuid4()])
    await ask(corpus, pipeline)

    assert not (await ask(corpus, pipeline)).cached


async def test_what_was_answered_before_needs_no_index(corpus, pipeline, monkeypatch):
    await ask(corpus, pipeline)
    monkeypatch.setattr(pipeline.retriever.index, "search", None)

    assert (await ask(corpus, pipeline)).cached


async def test_what_is_kept_holds_no_text_and_goes_with_its_conversation(
    corpus, pipeline, monkeypatch
):
    kept = []
    monkeypatch.setattr("chat.answer_cache.cache.set", lambda key, value, _t: kept.append(value))
    await ask(corpus, pipeline)
    monkeypatch.undo()
    assert "twelve" not in str(kept)

    first = await ask(corpus, pipeline)
    await Conversation.objects.filter(pk=first.conversation_id).adelete()

    assert not (await ask(corpus, pipeline)).cached


async def test_how_often_it_helped_is_counted(corpus, pipeline):
    for _ in range(3):
        await ask(corpus, pipeline)
    await in_database_thread(this_process.flush)()

    assert await in_database_thread(lookups)() == [Lookups("answers", asked=3, found=2)]


async def test_it_can_be_switched_off(corpus, pipeline, settings):
    settings.ANSWER_CACHE_SECONDS = 0
    await ask(corpus, pipeline)

    assert not (await ask(corpus, pipeline)).cached
