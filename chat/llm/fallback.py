"""The first model that starts: others are tried in turn as long as nobody has read a word."""

import logging
from collections.abc import AsyncGenerator, Sequence
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
    TextPart,
)

logger = logging.getLogger(__name__)

MAX_CALLS = 3  # upstream calls a turn: a question must not wait for, or pay for, more


class FallbackModel:
    """Tries its models in order, which cannot be seen until the first word.

    - After the first word an error is raised as it is: two half answers make no whole one.
    - `refused` is a verdict on the question, not on the provider: no other model is asked.
    - `rejected` (key, credit, a request of ours that is wrong) would repeat itself: the other
      models of the same provider are passed over, the next provider's are tried.
    - Anything else: the next model.
    """

    writes_prose = True

    def __init__(self, models: Sequence[ChatModel]):
        if not models:
            raise ValueError("A fallback needs at least one model.")
        self.models = tuple(models)
        self.name = self.models[0].name

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelOutput, None]:
        failures: list[ChatModelError] = []
        attempts: tuple[Attempt, ...] = ()
        rejected_by: set[str] = set()
        for model in self.models:
            provider = _provider(model)
            if len(failures) == min(MAX_CALLS, prompt.max_calls) or provider in rejected_by:
                continue
            started, began = False, perf_counter()
            try:
                async with aclosing(model.stream(prompt)) as outputs:
                    async for output in outputs:
                        started = started or isinstance(output, TextPart)
                        if isinstance(output, Completion):
                            output = replace(output, failed=attempts)
                        yield output
            except ChatModelError as error:
                spent = round((perf_counter() - began) * 1000, 2)
                attempts = error.attempts = (*attempts, Attempt(model.name, error.code, spent))
                if started or error.code == "refused":
                    raise
                if error.code == "rejected":
                    rejected_by.add(provider)
                failures.append(error)
                logger.warning("%s could not answer (%s)", model.name, error.code)
            else:
                return
        raise _summary(failures)


def _provider(model: ChatModel) -> str:
    """Whose key and credit it uses; models that do not say stand for themselves."""
    return getattr(model, "provider", "") or model.name


def _summary(failures: Sequence[ChatModelError]) -> ChatModelError:
    last = failures[-1]
    if len(failures) == 1:
        return last
    waits = [error.retry_after for error in failures if error.retry_after is not None]
    summary = ChatModelError(
        f"{len(failures)} models could not answer, the last one: {last}",
        code=last.code,
        retry_after=min(waits, default=None),
    )
    summary.attempts = last.attempts
    return summary
