"""THE PATH OF ONE QUESTION. Every transport consumes `answer()`: REST, SSE, websocket, /v1, /mcp
and `manage.py ask`."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import perf_counter

from django.conf import settings
from django.db import DatabaseError

from chat import evidence
from chat.answer_cache import keep, recall
from chat.context import NOTHING, SelectionNotFound, cited_before, gather
from chat.events import Delta, Error, Event, Sources, Stage, Start
from chat.limits import TooManyQuestions, admit
from chat.llm.base import ChatModel, ChatModelError
from chat.models import Message
from chat.phrases import NOT_IN_CONTENT, REFUSED, phrase
from chat.places import Overloaded, places
from chat.prompting import build_prompt, version
from chat.providers import follow_the_curator, get_chat_model, get_quotes
from chat.retrieval import Found, Retriever
from chat.review import review
from chat.rewriting import Rewritten, rewrite
from chat.trace import prompt_size, trace_of
from chat.turns import Turn, passage_json, recorded
from chat.writing import write
from documents.index.base import IndexUnavailable
from documents.passages import Passage

logger = logging.getLogger(__name__)

SELECTION_NOT_FOUND = (
    "The selected text is not in the content that you may read. Select text of a published page, "
    'or send the question without it, or with the mode "boost".'
)


async def answer(turn: Turn) -> AsyncGenerator[Event, None]:
    """What every transport calls: the configured pipeline's answer, or an error that says why.

    A turn that has to wait for its place says where in the queue it is; it is not saved before it
    has one.
    """
    try:
        await admit(turn.principal)
        async with places().take(turn.principal) as place:
            async for position in place:
                yield Stage("queued", position=position)
            await follow_the_curator()
            try:
                pipeline = AnswerPipeline.from_settings()
            except Exception:
                logger.exception("The answer pipeline could not be built")
                yield Error("not_configured", "The server is not set up to answer questions.", 503)
                return
            async with aclosing(pipeline.answer(turn)) as events:
                async for event in events:
                    yield event
    except TooManyQuestions as error:
        yield Error("rate_limited", str(error), 429, error.retry_after)
    except Overloaded as error:
        yield Error("overloaded", str(error), 503, error.retry_after)


@dataclass(frozen=True)
class AnswerPipeline:
    retriever: Retriever
    model: ChatModel
    quotes: ChatModel | None = None  # takes over when the model fails

    @classmethod
    def from_settings(cls) -> "AnswerPipeline":
        return cls(Retriever.from_settings(), get_chat_model(), get_quotes())

    async def answer(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """The events of one turn; the last is Done or Error, unless the caller stops listening."""
        try:
            await self._look_around(turn)
            async with recorded(turn):
                began = perf_counter()
                yield Start(str(turn.conversation.pk), str(turn.message_id))

                if (known := await recall(turn, self.retriever, self.model)) is not None:
                    for told in known.told_to(turn):
                        yield told
                else:
                    async with aclosing(self._answer_anew(turn, began)) as events:
                        async for event in events:
                            yield event
                    await keep(turn, self.retriever, self.model)
                turn.took("total", began)
        except SelectionNotFound:
            yield Error("selection_not_found", SELECTION_NOT_FOUND, 422)
        except IndexUnavailable as error:
            logger.warning("Search failed: %s", error)
            yield self._failed(
                turn, "search_unavailable", "Search is unavailable; try again.", 503,
                error.retry_after,
            )  # fmt: skip
        except ChatModelError as error:
            logger.warning("No model answered (%s): %s", error.code, error)
            yield self._failed(turn, f"model_{error.code}", str(error), 502, error.retry_after)
        except (GeneratorExit, asyncio.CancelledError):
            raise  # nobody listens any more; what was shown is saved
        except DatabaseError as error:
            # Not the whole error: the database's may quote what was to be saved.
            logger.error("The database failed during a turn: %s", type(error).__name__)
            if isinstance(error.__context__, (GeneratorExit, asyncio.CancelledError)):
                return  # it failed while saving for a reader who has left
            yield self._failed(
                turn, "database_unavailable", "The database is busy or away.", 503, 2
            )
        except Exception:
            logger.exception("A turn failed in a way nobody expected")
            yield self._failed(turn, "internal", "Something went wrong on our side.", 500)
        else:
            yield turn.done()

    async def _answer_anew(self, turn: Turn, began: float) -> AsyncGenerator[Event, None]:
        rewritten = await self._stand_alone(turn)
        query = rewritten.query
        yield Stage("searching", query if query != turn.question else None)
        found = await self._search(turn, rewritten)
        if found.query != query:
            yield Stage("searching", found.query)
        yield Sources([passage_json(p) for p in found.shown], found.degraded)

        judged = await asyncio.to_thread(
            evidence.weigh, found.query, found.passages, found.candidates, turn.language,
            self.retriever.index.space.vectors, settings.EVIDENCE_THRESHOLD,
        )  # fmt: skip
        turn.trace |= trace_of(turn.question, found, judged)
        # A reader who points at a text has judged that it is about it.
        pointed_at = turn.context.only and (self.model.writes_prose or rewritten.method)
        if judged.enough or pointed_at:
            yield Stage("writing")
            async with aclosing(self._write(turn, found)) as written:
                async for event in written:
                    turn.took("first_event", began)
                    yield event
        if turn.outcome == Message.Outcome.REFUSED:
            turn.text = phrase(REFUSED, turn.question, turn.language)
            yield Delta(turn.text)
        elif turn.text.strip():
            async with aclosing(review(turn, self.model)) as reviewed:
                async for event in reviewed:
                    yield event
        else:
            yield self._abstain(turn, found.passages)

    async def _look_around(self, turn: Turn) -> None:
        """Before anything is saved: a selection that is nowhere is no question of ours."""
        began, told = perf_counter(), turn.surroundings
        turn.context = await gather(told, turn.scope, self.retriever.index, turn.language)
        if turn.context is not NOTHING:
            turn.took("context", began)

    async def _stand_alone(self, turn: Turn) -> Rewritten:
        """A query that stands alone; how it was made is kept in the trace."""
        began, context = perf_counter(), turn.context
        rewritten = await rewrite(
            turn.question, turn.history, self.model,
            language=turn.language, deadline=settings.CONDENSE_DEADLINE_MS / 1000,
            selected=turn.surroundings.selection if context.selected else "", page=context.title,
        )  # fmt: skip
        if rewritten.method:
            turn.trace["rewrite"] = rewritten.trace
            turn.took("rewrite", began)
        turn.calls_left -= rewritten.calls
        return rewritten

    async def _search(self, turn: Turn, rewritten: Rewritten) -> Found:
        if rewritten.follows_up:
            cited = await cited_before(turn.conversation, turn.scope)
            turn.context = replace(turn.context, cited=cited)
        turn.trace |= turn.context.trace
        found = await self.retriever.search(
            rewritten.query, turn.scope, language=turn.language, context=turn.context, read_on=True
        )
        turn.degraded, turn.timings = found.degraded, {**turn.timings, **found.timings}
        turn.passages = {str(p.chunk_id): p for p in found.shown}
        return found

    async def _write(self, turn: Turn, found: Found) -> AsyncGenerator[Event, None]:
        # What a caller tells of the talk before has its place in the query alone.
        told = bool(turn.told_before)
        prompt = build_prompt(
            found.query if told else turn.question,
            found.in_reading_order,
            () if told else turn.history,
            seed=str(turn.message_id),
        )
        # Who quotes looks for sentences: "Why?" has no words to find any by, its query has.
        prompt = replace(prompt, question=found.query, max_calls=turn.calls_left)
        turn.trace["prompt"] = {"wording": version("answer"), **prompt_size(prompt)}
        turn.prompt = prompt
        async with aclosing(write(turn, prompt, self.model, self.quotes)) as written:
            async for event in written:
                yield event

    def _abstain(self, turn: Turn, passages: Sequence[Passage]) -> Delta:
        """Say so, cite nothing, and name the nearest sections."""
        turn.outcome = Message.Outcome.NOT_IN_CONTENT
        turn.nearest = passages[:3]
        turn.trace["nearest"] = [str(passage.chunk_id) for passage in turn.nearest]
        turn.text = phrase(NOT_IN_CONTENT, turn.question, turn.language)
        return Delta(turn.text)

    def _failed(
        self, turn: Turn, code: str, detail: str, status: int, retry_after: float | None = None
    ) -> Error:
        saved = str(turn.message_id) if turn.message_id and turn.stored else None
        return Error(code, detail, status, retry_after, saved)
