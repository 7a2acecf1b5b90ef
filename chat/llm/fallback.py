"""Several models as one: unseen before the first word, and openly after it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter

from chat.llm.base import (
    Attempt,
    ChatModel,
    ChatModelError,
    Completion,
    ModelOutput,
    Prompt,
    Restarted,
    TextPart,
)

logger = logging.getLogger(__name__)

MAX_CALLS = 3  # upstream calls a turn: a question must not wait for, or pay for, more
PATIENCE = 20.0  # seconds after which nobody else is asked: the reader has waited long enough
MAY_PASS = ("unavailable", "incomplete")  # asked once more where nobody else is left
PAUSE = 0.3  # seconds before that


class FallbackModel:
    """Tries its models in order.

    - Before the first word the next one takes over, which cannot be seen. After it, Restarted
      says that a whole new answer follows: two half answers make no whole one.
    - `refused` is a verdict on the question, not on the provider: no other model is asked.
    - `rejected` (key, credit, a request of ours that is wrong) would repeat itself: the other
      models of the same provider are passed over, the next provider's are tried.
    - Anything else: the next model; after the last one, those whose failure may pass once more.
    """

    writes_prose = True

    def __init__(self, models: Sequence[ChatModel]):
        if not models:
            raise ValueError("A fallback needs at least one model.")
        self.models = tuple(models)
        self.name = self.models[0].name

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelOutput, None]:
        failures = Failures(min(MAX_CALLS, prompt.max_calls))
        for model in self._order(failures):
            if failures.again(model):
                await asyncio.sleep(PAUSE)
            started, began = False, perf_counter()
            try:
                async with aclosing(model.stream(prompt)) as outputs:
                    async for output in outputs:
                        if isinstance(output, TextPart) and failures.told_text and not started:
                            yield Restarted(failures.last.code)
                        started = started or isinstance(output, TextPart)
                        if isinstance(output, Completion):
                            output = replace(output, failed=failures.attempts)
                        yield output
            except ChatModelError as error:
                failures.add(model, error, started, began)
                if error.code == "refused":
                    break
                logger.warning("%s could not answer (%s)", model.name, error.code)
            else:
                return
        raise failures.summary()

    def _order(self, failures: "Failures") -> Iterator[ChatModel]:
        """Whom to ask next: it is looked at after each failure."""
        for model in self.models:
            if failures.may_ask(model):
                yield model
        while again := [model for model in self.models if failures.may_ask_again(model)]:
            yield again[0]


class Failures:
    """Of one answer: who failed, how, and whether anybody else may be asked."""

    def __init__(self, calls: int):
        self.calls_left = calls
        self.attempts: tuple[Attempt, ...] = ()
        self.told_text = False  # somebody has read the beginning of an answer
        self._errors: dict[int, ChatModelError] = {}  # the last one of each model
        self._rejected_by: set[str] = set()
        self._began = perf_counter()

    def add(self, model: ChatModel, error: ChatModelError, started: bool, began: float) -> None:
        spent = round((perf_counter() - began) * 1000, 2)
        self.attempts = (*self.attempts, Attempt(model.name, error.code, spent, error.called))
        self.calls_left -= error.called
        self.told_text = self.told_text or started
        self._errors.pop(id(model), None)
        self._errors[id(model)] = error  # the last one is the last that failed
        if error.code == "rejected":
            self._rejected_by.add(_provider(model))

    def may_ask(self, model: ChatModel) -> bool:
        late = self._errors and perf_counter() - self._began > PATIENCE
        return self.calls_left > 0 and not late and _provider(model) not in self._rejected_by

    def may_ask_again(self, model: ChatModel) -> bool:
        error = self._errors.get(id(model))
        passes = error is not None and error.code in MAY_PASS and error.called
        return bool(passes and error and not error.retry_after) and self.may_ask(model)

    def again(self, model: ChatModel) -> bool:
        return id(model) in self._errors

    @property
    def last(self) -> ChatModelError:
        return [*self._errors.values()][-1]

    def summary(self) -> ChatModelError:
        if not self._errors:
            return ChatModelError("No model may be asked", called=False)
        last, errors = self.last, [*self._errors.values()]
        if len(errors) > 1 and last.code != "refused":
            waits = [error.retry_after for error in errors if error.retry_after is not None]
            last = ChatModelError(
                f"{len(errors)} models could not answer, the last one: {last}",
                code=last.code,
                retry_after=min(waits, default=None),
                called=any(error.called for error in errors),
            )
        last.attempts = self.attempts
        return last


def _provider(model: ChatModel) -> str:
    """Whose key and credit it uses; models that do not say stand for themselves."""
    return getattr(model, "provider", "") or model.name
