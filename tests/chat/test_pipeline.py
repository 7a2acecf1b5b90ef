"""The path of one question, from the events it sends to the rows it leaves."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from django.db import OperationalError, connections

import chat.providers
from chat import turns
from chat.events import Cited, Claims, Delta, Done, Error, Restart, Sources, Stage, Start
from chat.llm.base import ChatModelError
from chat.llm.scripted import ScriptedModel
from chat.models import Citation, Claim, Conversation, Message
from chat.pipeline import AnswerPipeline, answer
from chat.retrieval import Retriever
from chat.running import running
from chat.turns import recorded
from documents.embedding.base import EmbeddingError
from documents.index.base import IndexUnavailable
from documents.models import Chunk
from documents.threads import in_database_thread
from tests.chat.turns import events_of, new_turn

LAMP = "How often does the lamp turn?"


def scripted(*script, **options) -> AnswerPipeline:
    return replace(AnswerPipeline.from_settings(), model=ScriptedModel(list(script), **options))


async def saved(turn) -> Message:
    return await Message.objects.aget(pk=turn.message_id)


async def test_events_come_in_the_documented_order(corpus):
    turn = await new_turn(corpus, LAMP)

    events = await events_of(turn, scripted("The lamp turns once in twelve seconds [{marker:1}]."))

    kinds = [type(event) for event in events]
    assert kinds[:4] == [Start, Stage, Sources, Stage]
    assert set(kinds[4:-2]) == {Delta, Cited}
    assert kinds[-2:] == [Claims, Done]


async def test_the_streamed_text_is_the_saved_text(corpus):
    turn = await new_turn(corpus, LAMP)

    events = await events_of(turn, scripted("Once in twelve ", "seconds [{marker:1}]", "."))

    streamed = "".join(event.text for event in events if isinstance(event, Delta))
    message = await saved(turn)
    assert streamed == message.text == events[-1].text == "Once in twelve seconds [1]."
    assert (message.status, message.outcome) == ("complete", "answered")


async def test_an_answer_is_saved_once_though_nobody_heard_that_it_was(corpus):
    """Whoever saw the connection break saves again."""
    turn = await new_turn(corpus, LAMP)
    await events_of(turn)

    await in_database_thread(turns._close_turn)(replace(turn, text="Something else."))

    message = await saved(turn)
    assert message.text == turn.text
    assert await message.citations.acount() == len(turn.cited)


async def test_a_citation_is_stored_with_what_stood_there(corpus):
    turn = await new_turn(corpus, LAMP)

    await events_of(turn, scripted("The lamp turns once in twelve seconds [{marker:1}]."))

    citation = await Citation.objects.aget(message_id=turn.message_id)
    chunk = await Chunk.objects.aget(pk=citation.chunk_id)
    assert citation.quote == chunk.text[citation.quote_start : citation.quote_end]
    assert "twelve seconds" in citation.quote
    assert citation.url == "https://docs.example.org/guide/lamp#timing"
    assert citation.text_hash == chunk.text_hash


async def test_an_invented_sentence_makes_the_answer_partial(corpus):
    turn = await new_turn(corpus, LAMP)
    invented = "The lamp was built by Ada Lovelace in 1843 [{marker:1}]."

    await events_of(turn, scripted("It turns once in twelve seconds [{marker:1}]. ", invented))

    verdicts = [c.verdict async for c in Claim.objects.filter(message_id=turn.message_id)]
    assert verdicts == ["supported", "unsupported"]
    assert turn.outcome == Message.Outcome.PARTIAL


async def test_words_copied_without_quotation_marks_are_reported(corpus):
    turn = await new_turn(corpus, "Where is the log written?")
    copied = "The log is written to a second disk every night at three o'clock [{marker:1}]."

    events = await events_of(turn, scripted(copied))

    assert [run["words"] for run in events[-1].copied] == [14]


async def test_an_abstention_calls_no_model_and_cites_nothing(corpus):
    turn = await new_turn(corpus, "What is the capital of Australia?")
    pipeline = scripted("Canberra.")

    done = (await events_of(turn, pipeline))[-1]

    assert (done.outcome, done.citations, done.model) == ("not_in_content", [], "")
    assert pipeline.model.prompts == []
    assert done.nearest
    assert (await saved(turn)).outcome == "not_in_content"


async def test_a_model_that_finds_nothing_in_the_passages_abstains(corpus):
    turn = await new_turn(corpus, LAMP)

    done = (await events_of(turn, scripted("[none]")))[-1]

    assert (done.outcome, done.citations) == ("not_in_content", [])
    assert turn.trace["says_nothing_found"]


async def test_a_follow_up_is_searched_with_the_question_before_it(corpus):
    first = await new_turn(corpus, LAMP)
    await events_of(first)
    second = await new_turn(corpus, "And which colours does it have?", first.conversation)

    events = await events_of(second)

    stage = next(event for event in events if isinstance(event, Stage))
    assert stage.query == "And which colours does it have? (lamp turn)"


async def test_a_model_may_condense_a_follow_up_and_has_one_call_less_for_its_answer(corpus):
    first = await new_turn(corpus, LAMP)
    await events_of(first)
    second = await new_turn(corpus, "And its colours?", first.conversation)
    pipeline = replace(
        AnswerPipeline.from_settings(),
        model=ScriptedModel(["Which colours does the lamp have?"], ["White and red [{marker:1}]."]),
    )

    events = await events_of(second, pipeline)

    stage = next(event for event in events if isinstance(event, Stage))
    assert stage.query == "Which colours does the lamp have?"
    assert second.trace["rewrite"]["method"] == "model"
    assert second.trace["query"] == stage.query
    assert [prompt.max_calls for prompt in pipeline.model.prompts] == [1, 2]


async def test_who_quotes_goes_by_the_query_and_who_writes_reads_the_question(corpus):
    first = await new_turn(corpus, LAMP)
    await events_of(first)
    second = await new_turn(corpus, "Why?", first.conversation)
    pipeline = scripted("The lamp turns once in twelve seconds [{marker:1}].")
    pipeline.model.writes_prose = False  # no call to condense it

    await events_of(second, pipeline)

    prompt = pipeline.model.prompts[0]
    assert (prompt.question, prompt.messages[-1].content) == ("Why? (lamp turn)", "Why?")


async def test_a_question_that_stands_alone_costs_no_call_to_condense_it(corpus):
    first = await new_turn(corpus, LAMP)
    await events_of(first)
    pipeline = scripted("White and red [{marker:1}].")

    await events_of(
        await new_turn(corpus, "Where is the log written?", first.conversation), pipeline
    )

    assert [prompt.max_calls for prompt in pipeline.model.prompts] == [3]


async def test_history_reaches_the_model_in_order(corpus):
    first = await new_turn(corpus, LAMP)
    await events_of(first, scripted("Every twelve seconds [{marker:1}]."))
    pipeline = scripted("Red and white [{marker:1}].")

    await events_of(await new_turn(corpus, "Its colours?", first.conversation), pipeline)

    roles = [message.role for message in pipeline.model.prompts[-1].messages]
    assert roles == ["system", "user", "assistant", "user"]


class BrokenEmbedder:
    space = languages = None

    async def embed_query(self, text):
        raise EmbeddingError("out of order")


async def test_without_an_embedder_words_alone_answer_and_say_so(corpus):
    pipeline = AnswerPipeline.from_settings()
    retriever = replace(pipeline.retriever, embedder=BrokenEmbedder())
    turn = await new_turn(corpus, LAMP)

    done = (await events_of(turn, replace(pipeline, retriever=retriever)))[-1]

    assert (done.outcome, done.degraded) == ("degraded", ["no_vectors"])
    assert "twelve seconds" in done.text


class BrokenIndex:
    async def search(self, query, *, limit):
        raise IndexUnavailable("gone")


async def test_a_dead_index_is_an_error_and_the_question_is_kept(corpus):
    pipeline = AnswerPipeline.from_settings()
    retriever = replace(pipeline.retriever, index=BrokenIndex())
    turn = await new_turn(corpus, LAMP)

    events = await events_of(turn, replace(pipeline, retriever=retriever))

    assert isinstance(events[-1], Error)
    assert events[-1].code == "search_unavailable"
    assert (await saved(turn)).status == "failed"
    assert await Message.objects.filter(text=LAMP).aexists()


@pytest.mark.parametrize("heard", [[], ["Once in ", "twelve "]])
async def test_a_model_that_fails_ends_in_one_error(corpus, heard):
    turn = await new_turn(corpus, LAMP)
    failure = ChatModelError("the provider is down", code="unavailable")

    events = await events_of(turn, scripted(*heard, failure))

    ends = [event for event in events if isinstance(event, (Done, Error))]
    assert [end.code for end in ends] == ["model_unavailable"]
    message = await saved(turn)
    assert (message.status, message.text) == (
        "failed",
        "".join(heard).rstrip() and "Once in twelve ",
    )


async def test_what_was_shown_stays_when_nobody_can_quote_in_its_place(corpus):
    died = ChatModelError("the provider is down", code="incomplete")
    nothing = ScriptedModel([ChatModelError("There is no sentence to quote")])
    turn = await new_turn(corpus, LAMP)

    events = await events_of(turn, replace(scripted("Once in ", died), quotes=nothing))

    assert [event for event in events if isinstance(event, (Delta, Restart))] == [Delta("Once in ")]
    assert events[-1].code == "model_incomplete"
    message = await saved(turn)
    assert (message.status, message.text) == ("failed", "Once in ")


async def test_a_surprise_ends_in_one_error_that_says_nothing_of_it(corpus, caplog):
    turn = await new_turn(corpus, LAMP)

    events = await events_of(turn, scripted(ZeroDivisionError("secret detail")))

    assert [event.code for event in events if isinstance(event, Error)] == ["internal"]
    assert "secret" not in events[-1].detail
    assert "ZeroDivisionError" in caplog.text


async def test_a_reader_who_hangs_up_leaves_an_interrupted_answer(corpus):
    turn = await new_turn(corpus, LAMP)

    async with aclosing(scripted("Once in ", "twelve").answer(turn)) as events:
        async for event in events:
            if isinstance(event, Delta):
                break

    message = await saved(turn)
    assert (message.status, message.text) == ("interrupted", "Once in ")


async def test_a_stop_keeps_what_was_shown_as_cancelled(corpus):
    turn = await new_turn(corpus, LAMP)
    heard = asyncio.Event()

    async def listen():
        async for event in scripted("Once in ", asyncio.Event(), "twelve").answer(turn):
            if isinstance(event, Delta):
                heard.set()

    task = asyncio.create_task(listen())
    await heard.wait()
    turn.stop_requested = True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    message = await saved(turn)
    assert (message.status, message.text) == ("cancelled", "Once in ")


async def test_more_answers_stream_at_once_than_there_are_connections(corpus, settings):
    """Thirty answers wait for their model; none of them holds one of the pool's connections."""
    settings.QUESTIONS_PER_MINUTE = 1000
    gate, writing = asyncio.Event(), asyncio.Semaphore(0)
    pipeline = scripted("Once in ", gate, "twelve [{marker:1}].")
    turns = [await new_turn(corpus, LAMP) for _ in range(30)]
    before = await connections_in_use()

    async def listen(turn):
        async for event in pipeline.answer(turn):
            if isinstance(event, Delta):
                writing.release()

    tasks = [asyncio.create_task(listen(turn)) for turn in turns]
    for _ in turns:
        await asyncio.wait_for(writing.acquire(), 60)
    during = await connections_in_use()
    gate.set()
    await asyncio.gather(*tasks)

    assert during == before
    assert {(await saved(turn)).status for turn in turns} == {"complete"}


@in_database_thread
def connections_in_use() -> int:
    """Of the pool; on SQLite there is none, and nobody has to wait for a connection."""
    pool = getattr(connections["default"], "pool", None)
    if pool is None:
        return 0
    stats = pool.get_stats()
    return stats["pool_size"] - stats["pool_available"]


async def test_what_is_withdrawn_is_not_shown_even_if_the_index_lags(corpus):
    pipeline = AnswerPipeline.from_settings()
    await Retriever.from_settings().search(LAMP, (await new_turn(corpus, LAMP)).scope)
    await in_database_thread(
        lambda: corpus.documents.filter(key="guide/lamp.md").update(status="withdrawn")
    )()  # behind the outbox's back

    turn = await new_turn(corpus, LAMP)
    events = await events_of(turn, pipeline)

    shown = next(event for event in events if isinstance(event, Sources)).sources
    assert not [source for source in shown if "lamp" in source["url"]]


async def test_a_save_that_fails_is_an_error_not_an_answer(corpus, monkeypatch):
    turn = await new_turn(corpus, LAMP)

    async def broken(turn):
        raise OperationalError("disk full")

    monkeypatch.setattr("chat.turns._close", broken)
    events = await events_of(turn)

    ends = [event for event in events if isinstance(event, (Done, Error))]
    assert [end.code for end in ends] == ["database_unavailable"]


async def test_a_reader_who_hangs_up_while_the_question_is_saved_leaves_nothing_open(
    corpus, monkeypatch
):
    turn = await new_turn(corpus, LAMP)
    opened, saved_it = turns._open, asyncio.Event()

    async def slowly(turn):
        result = await opened(turn)
        saved_it.set()
        await asyncio.sleep(0.05)
        return result

    monkeypatch.setattr(turns, "_open", slowly)
    task = asyncio.create_task(events_of(turn))
    await saved_it.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.2)

    assert (await Message.objects.aget(role="assistant")).status == "interrupted"


async def test_a_save_that_was_locked_out_once_is_tried_again(corpus, monkeypatch):
    turn = await new_turn(corpus, LAMP)
    closed, tries = turns._close, []

    async def locked_once(turn):
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("database is locked")
        await closed(turn)

    monkeypatch.setattr(turns, "_close", locked_once)
    events = await events_of(turn)

    assert isinstance(events[-1], Done)
    assert (await saved(turn)).status == "complete"


async def test_a_conversation_deleted_meanwhile_takes_its_answer_with_it(corpus):
    turn = await new_turn(corpus, LAMP)

    async for event in scripted("Once in twelve seconds [{marker:1}].").answer(turn):
        if isinstance(event, Delta):
            await Conversation.objects.all().adelete()

    assert isinstance(event, Done)
    assert not await Message.objects.aexists()


async def test_a_locked_database_while_the_reader_leaves_ends_quietly(corpus, monkeypatch):
    turn = await new_turn(corpus, LAMP)

    async def locked(turn):
        raise OperationalError("database is locked")

    monkeypatch.setattr(turns, "_close", locked)
    events = scripted("Once in ", "twelve").answer(turn)
    async for event in events:
        if isinstance(event, Delta):
            break

    await events.aclose()  # raises RuntimeError if the generator goes on talking


async def test_the_answers_of_a_process_that_died_are_ended_at_the_next_start(corpus):
    turn = await new_turn(corpus, LAMP)
    await events_of(turn)
    await Message.objects.aupdate(status="streaming", finished_at=None, process="one that died")

    await running().end_abandoned()

    assert (await saved(turn)).status == "interrupted"


async def test_a_half_configured_model_is_an_error_that_says_so(corpus, settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"  # and no OPENAI_MODEL
    chat.providers.reset()
    turn = await new_turn(corpus, LAMP)

    events = [event async for event in answer(turn)]

    assert [event.code for event in events] == ["not_configured"]


async def test_a_turn_is_saved_even_if_nobody_listens_to_its_end(corpus):
    turn = await new_turn(corpus, LAMP)

    with pytest.raises(asyncio.CancelledError):
        async with recorded(turn):
            turn.text = "half"
            raise asyncio.CancelledError

    assert (await saved(turn)).status == "interrupted"


async def test_a_corrected_query_is_told(corpus):
    turn = await new_turn(corpus, "how to restroe a bakcup")

    events = await events_of(turn)

    told = [event.query for event in events if isinstance(event, Stage) and event.query]
    assert told == ["how to restore a backup"]
    assert turn.trace["query"] == "how to restore a backup"
    assert turn.trace["respelled"] == {"restroe": "restore", "bakcup": "backup"}
