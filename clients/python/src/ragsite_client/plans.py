"""Plans: what is to be done next, as generators that do none of it themselves.

A plan yields a step and is sent what came of it, so the same plan is carried out by the
synchronous client and by the asynchronous one. `ConnectionLost` is thrown into it.
"""

import json as _json
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

from ragsite_client.errors import ApiError, error_of
from ragsite_client.events import Event

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    json: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False  # an answer is written before it is answered

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # by names in lower case
    body: bytes = b""

    @property
    def error(self) -> ApiError | None:
        return error_of(self.status, self.headers, self.body) if self.status >= 300 else None

    def json(self) -> Any:
        return _json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Send:
    """Answered with a Reply, with its body."""

    request: Request


@dataclass(frozen=True)
class Open:
    """Answered with a Reply; the events of one that is no refusal follow with Read."""

    request: Request


@dataclass(frozen=True)
class Read:
    """Answered with the next (id, data), both text; None at the end."""


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Call:
    """Answered with what it returns, or what that awaits."""

    function: Callable[[], str | Awaitable[str]]


@dataclass(frozen=True)
class Tell:
    """For whoever listens."""

    what: Any


Step = Send | Open | Read | Wait | Call | Tell
Plan = Generator[Step, Any, T]
Telling = Generator[Step, Any, None]
Told = tuple[int, Event]


@dataclass(frozen=True)
class Finished:
    result: Any


def advance(plan: Plan[Any], outcome: Any) -> Step | Finished:
    """The next step, after what came of the last one: a value, or an exception."""
    try:
        return plan.throw(outcome) if isinstance(outcome, Exception) else plan.send(outcome)
    except StopIteration as end:
        return Finished(end.value)
