"""What calls to a provider use, and who may refuse them before they are made."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

DEAREST = 1e6  # US dollars that one call could cost
Operation = Literal["embed", "rerank", "chat", "check"]


class BudgetExhausted(Exception):
    """The call was not made: a hard budget, or the provider's own limit, is used up.

    `retry_after`: seconds until there is room again, where that is known.
    """

    def __init__(self, message: str, *, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Spent:
    """Of one call that was made, as its reply said. Failed ones count too: providers count them."""

    inputs: int = 0  # texts embedded, documents reranked
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None  # US dollars; None: the reply did not say
    failed: bool = False

    @property
    def dollars(self) -> Decimal:
        """Replies are not ours: what is no sensible price counts as none."""
        cost = self.cost
        return Decimal(str(cost)) if cost is not None and 0 <= cost < DEAREST else Decimal(0)


class Meter(Protocol):
    """Of one provider and one key of it.

    `model` is the one that was asked for, also where another one answered. Each call that was
    admitted is recorded once, whatever became of it.
    """

    def admit(self, operation: Operation, *, model: str = "", inputs: int = 0) -> None:
        """Asked before each call; raises BudgetExhausted. It may ask a database: the synchronous
        side's, which leaves a part of each minute to the readers."""
        ...

    async def admit_soon(self, operation: Operation, *, model: str = "", inputs: int = 0) -> None:
        """The same for a reader's call, without holding up the event loop."""
        ...

    def record(self, operation: Operation, model: str, spent: Spent) -> None:
        """Told after each call. Never raises, and never waits for anything."""
        ...

    def used_up(self, operation: Operation, *, model: str = "") -> None:
        """Told when the provider itself says that its month or day is used up; as `record`."""
        ...


class Unmetered:
    """Everything is allowed and nothing is counted."""

    def admit(self, operation: Operation, *, model: str = "", inputs: int = 0) -> None:
        return None

    async def admit_soon(self, operation: Operation, *, model: str = "", inputs: int = 0) -> None:
        return None

    def record(self, operation: Operation, model: str, spent: Spent) -> None:
        return None

    def used_up(self, operation: Operation, *, model: str = "") -> None:
        return None
