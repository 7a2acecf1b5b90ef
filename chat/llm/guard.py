"""Whom to ask of a provider's models now, and what each call has taught about them.

A provider has one circuit, its free models share another, each model has its own
(documents/upstream/breaker.py). Open ones are left out of a call: a reader does not wait for what
has just failed others. What a call used is counted, whether it succeeded or not.
"""

import logging
from collections.abc import Callable, Sequence

from chat.llm.base import ChatModelError, Completion
from documents.budgets import is_free
from documents.upstream.breaker import Breaker
from documents.upstream.metering import BudgetExhausted, Meter, Spent, Unmetered
from documents.upstream.moments import Memory, Moments

logger = logging.getLogger(__name__)

MAX_MODELS = 3  # in one call: OpenRouter answers 400 to a fourth
# Seconds to leave a provider alone that refuses our key or has no credit left: a hand is needed.
REFUSED_REST = 60.0
LONGEST_TOLD = 86_400.0  # seconds that a provider's "come back later" is believed


class Guard:
    """Of one group of models that are asked in one call. Everything but `admitted` is immediate."""

    def __init__(
        self,
        provider: str,
        models: Sequence[str],
        breaker: Callable[[str], Breaker] | None = None,
        meter: Meter | None = None,
    ):
        self.models, self.meter = tuple(models), meter or Unmetered()
        if breaker is None:
            moments = Moments(Memory(), "", remote=False)
            known: dict[str, Breaker] = {}
            breaker = lambda name: known.setdefault(name, Breaker(name, moments))  # noqa: E731
        self.provider, self.free = breaker(provider), breaker(f"{provider}/:free")
        self.circuits = {model: breaker(f"{provider}/{model}") for model in models}

    async def admitted(self) -> list[str]:
        """Those of the models that may be asked now, at least one; raises ChatModelError."""
        if not self.provider.allows():
            raise self._left_alone(self.provider)
        asked = [
            model
            for model in self.models
            if (not is_free(model) or self.free.allows()) and self.circuits[model].allows()
        ]
        if not asked:
            self.left(asked)
            raise self._left_alone(min(self.circuits.values(), key=lambda one: one.retry_after))
        try:
            await self.meter.admit_soon("chat", model=asked[0])
        except BudgetExhausted as error:
            self.left(asked)
            logger.warning("%s", error)  # for operators: it names their settings
            raise ChatModelError(
                "No calls are left for now",
                code="rate_limited",
                retry_after=error.retry_after,
                called=False,
            ) from None
        return asked

    def answered(self, asked: Sequence[str], completion: Completion) -> None:
        """The one that served works; those before it in the list do not, just now."""
        served = _served(asked, completion.model)
        for model in asked[: asked.index(served)]:
            self.circuits[model].failed()
        self._passed(served)
        self.left(asked)
        used = Spent(
            tokens_in=completion.prompt_tokens,
            tokens_out=completion.completion_tokens,
            cost=completion.cost,
        )
        self.meter.record("chat", served, used)

    def failed(self, asked: Sequence[str], error: ChatModelError, served: str | None) -> None:
        """`served`: whose stream it was that failed; None: none of them had begun."""
        told = min(error.retry_after, LONGEST_TOLD) if error.retry_after else None
        blamed = list(asked) if served is None else [_served(asked, served)]
        if error.code == "refused":
            self._passed(blamed[0])
        elif error.reach == "provider":
            self.provider.failed(rest=told or REFUSED_REST)
        elif error.reach == "free":
            self.free.failed(rest=told or REFUSED_REST)
        elif error.code not in ("overlong", "rejected"):  # what was asked, not who was asked
            for model in blamed:
                self.circuits[model].failed(rest=told)
        self.left(asked)
        self.meter.record("chat", blamed[0], Spent(failed=True))

    def cancelled(self, asked: Sequence[str], served: str) -> None:
        """The reader left: nothing was learned, but the call was made."""
        self.left(asked)
        self.meter.record("chat", _served(asked, served), Spent())

    def left(self, asked: Sequence[str]) -> None:
        """Others may try whoever was let through to be tried."""
        for circuit in (self.provider, self.free, *(self.circuits[model] for model in asked)):
            circuit.gave_up()

    def _passed(self, model: str) -> None:
        self.provider.succeeded()
        self.circuits[model].succeeded()
        if is_free(model):
            self.free.succeeded()

    def _left_alone(self, circuit: Breaker) -> ChatModelError:
        return ChatModelError(
            f"{circuit.name} keeps failing and is left alone",
            retry_after=circuit.retry_after or None,
            called=False,
        )


def _served(asked: Sequence[str], name: str) -> str:
    """As we call it: a reply may name a dated version of what was asked for. "v/one-mini" is none
    of "v/one" where both were asked, and "v/one:free" is not "v/one"."""

    def likeness(model: str) -> tuple[bool, int, bool]:
        stem = model.partition(":")[0]
        return model == name, len(stem) if name.startswith(stem) else 0, is_free(model) is free

    free = is_free(name)
    return max(asked, key=likeness)
