"""The answer as it is written: text, what it cites, and who takes over when a model fails."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from chat.answer_stream import AnswerStream
from chat.events import NO_MODEL, Event, Restart
from chat.llm.base import ChatModel, ChatModelError, Completion, Prompt, Restarted
from chat.models import Message
from chat.turns import Turn

logger = logging.getLogger(__name__)

MODEL_FAILED, REFUSED = "model_failed", "refused"  # reasons of a Restart


async def write(
    turn: Turn, prompt: Prompt, model: ChatModel, quotes: ChatModel | None
) -> AsyncGenerator[Event, None]:
    """Delta and Cited events, and a Restart wherever a whole new answer begins.

    Whatever happens, `turn` holds what was shown since the last Restart. If no model can write,
    `quotes` quotes; without it ChatModelError is raised. No database is touched here.
    """
    turn.extractive = not model.writes_prose
    try:
        async with aclosing(_written_by(model, turn, prompt)) as events:
            async for event in events:
                yield event
    except ChatModelError as error:
        turn.tried(error.attempts)
        if error.code == "refused":  # that is an answer, too
            if turn.text:
                turn.forget()
                yield Restart(REFUSED)
            turn.outcome = Message.Outcome.REFUSED
            return
        if quotes is None:
            raise
        failure = error
    else:
        return
    logger.warning("No model could write, so sentences are quoted (%s): %s", failure.code, failure)
    turn.extractive, turn.degraded = True, [*turn.degraded, NO_MODEL]
    turn.trace["degraded"] = turn.degraded
    try:
        async with aclosing(_written_by(quotes, turn, prompt, anew=bool(turn.text))) as events:
            async for event in events:
                yield event
    except ChatModelError:
        raise failure from None  # there is nothing to quote: what was shown stays


async def _written_by(
    model: ChatModel, turn: Turn, prompt: Prompt, *, anew: bool = False
) -> AsyncGenerator[Event, None]:
    """What the model marks becomes citations. `anew`: in place of what was shown, which is
    forgotten once there is something better."""
    stream = AnswerStream(prompt.passages, turn.retraction_notice)
    async with aclosing(model.stream(prompt)) as outputs:
        async for output in outputs:
            if anew or isinstance(output, Restarted):
                anew = False
                turn.forget()
                stream = AnswerStream(prompt.passages, turn.retraction_notice)
                yield Restart(MODEL_FAILED)
            if isinstance(output, Restarted):
                continue
            if isinstance(output, Completion):
                turn.model = output.model
                turn.tried(output.failed)
                turn.calls_left -= model.writes_prose
                turn.add_usage(output)
                turn.usage["finish_reason"] = output.finish_reason
                parts = stream.finish()
            else:
                parts = stream.feed(output.text)
            for part in parts:
                yield turn.show(part)
    turn.trace |= {**stream.counts, "says_nothing_found": stream.says_nothing_found}
