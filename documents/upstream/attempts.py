"""One call to a provider: how it ends is told to the circuit breaker and to the meter, once."""

from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from documents.upstream.breaker import Breaker
from documents.upstream.metering import Meter, Operation, Spent


@dataclass
class Attempt:
    """Filled in by whoever makes the call and understands the reply."""

    spent: Spent = field(default_factory=lambda: Spent(failed=True))
    rest: float | None = None  # seconds to leave the service alone, when that is known
    ours: bool = False  # it failed by what was asked, or how often: the service itself works


@contextmanager
def attempt(breaker: Breaker, meter: Meter, operation: Operation, model: str) -> Iterator[Attempt]:
    """Around a call that both have let through."""
    made = Attempt()
    try:
        yield made
    except (CancelledError, GeneratorExit):
        breaker.gave_up()
        raise
    except Exception:
        made.spent = replace(made.spent, failed=True)
        if made.ours:
            breaker.gave_up()
        else:
            breaker.failed(made.rest)
        raise
    else:
        breaker.succeeded()
    finally:
        meter.record(operation, model, made.spent)
