"""What happens while a question is answered, as the server tells it: docs/api.md, "Events".

The union is closed. A server that is newer may tell kinds and fields that are not here yet; those
are left out, so that a client goes on working.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from ragsite_client.shapes import Citation, Claim, CopiedRun, Place


@dataclass(frozen=True)
class Start:
    type: ClassVar = "start"
    conversation_id: str
    message_id: str


@dataclass(frozen=True)
class Stage:
    type: ClassVar = "stage"
    stage: str
    query: str | None = None  # what was searched for, if it differs from the question
    position: int | None = None  # while queued: 1 is next


@dataclass(frozen=True)
class Sources:
    """What was retrieved, best first; not necessarily cited."""

    type: ClassVar = "sources"
    sources: list[Place]
    degraded: list[str]


@dataclass(frozen=True)
class Delta:
    type: ClassVar = "delta"
    text: str


@dataclass(frozen=True)
class Cited:
    """The marker [number], with which the text ends so far, was verified."""

    type: ClassVar = "citation"
    number: int
    chunk_id: str
    title: str
    heading_path: list[str]
    url: str
    link: str
    quote: str
    quote_start: int
    quote_end: int
    trust_tier: str
    peer_reviewed: bool


@dataclass(frozen=True)
class Restart:
    """Forget the text and the citations so far: a whole new answer follows."""

    type: ClassVar = "restart"
    reason: str


@dataclass(frozen=True)
class Claims:
    type: ClassVar = "claims"
    claims: list[Claim]
    copied: list[CopiedRun]


@dataclass(frozen=True)
class Done:
    """The whole answer once more, as it was saved."""

    type: ClassVar = "done"
    conversation_id: str
    message_id: str
    status: str
    outcome: str
    text: str
    citations: list[Citation]
    claims: list[Claim]
    copied: list[CopiedRun]
    nearest: list[Place]
    degraded: list[str]
    model: str
    extractive: bool
    cached: bool
    usage: dict[str, Any]
    timings: dict[str, float]


@dataclass(frozen=True)
class Error:
    """The end of an answer that failed."""

    type: ClassVar = "error"
    code: str
    detail: str
    status: int
    retry_after: float | None = None
    message_id: str | None = None


Event = Start | Stage | Sources | Delta | Cited | Restart | Claims | Done | Error
KINDS: dict[str, type[Event]] = {
    kind.type: kind for kind in (Start, Stage, Sources, Delta, Cited, Restart, Claims, Done, Error)
}


def event_of(told: dict[str, Any]) -> Event | None:
    """None for a kind that this version does not know."""
    kind = KINDS.get(str(told.get("type")))
    if kind is None:
        return None
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in told.items() if name in known})
