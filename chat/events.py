"""What happens while a question is answered. Every transport sends these, in this order.

start, then stage and sources, then delta and citation as the text grows, then claims; at the end
exactly one of done and error. A restart begins the text anew: delta and citation follow again.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

# What a question had to do without, as `degraded` says it.
NOT_RERANKED = "not_reranked"  # the reranker failed; the fused order stands
NO_VECTORS = "no_vectors"  # words alone were compared
NO_MODEL = "no_model"  # no model could write: sentences are quoted instead
DEGRADED = (NOT_RERANKED, NO_VECTORS, NO_MODEL)


@dataclass(frozen=True)
class Start:
    type: ClassVar = "start"
    conversation_id: str
    message_id: str


@dataclass(frozen=True)
class Stage:
    """`stage`: queued, searching, writing, rewriting, checking."""

    type: ClassVar = "stage"
    stage: str
    query: str | None = None  # what was searched for, if it differs from the question
    position: int | None = None  # while queued: 1 is next


@dataclass(frozen=True)
class Sources:
    """What was retrieved, best first. Being here does not mean being cited."""

    type: ClassVar = "sources"
    sources: list[dict[str, Any]]
    degraded: list[str]


@dataclass(frozen=True)
class Delta:
    type: ClassVar = "delta"
    text: str


@dataclass(frozen=True)
class Cited:
    """A marker in the text was verified; sent right after the delta that ends with [number]."""

    type: ClassVar = "citation"
    number: int
    chunk_id: str
    title: str
    heading_path: list[str]
    url: str
    link: str  # the same, and the sentence for the browser to scroll to
    quote: str
    quote_start: int
    quote_end: int
    trust_tier: str
    peer_reviewed: bool


@dataclass(frozen=True)
class Restart:
    """Forget the text and the citations so far: what follows is a whole new answer."""

    type: ClassVar = "restart"
    # "copied": the first one repeated its sources word for word; "model_failed": the model died in
    # mid-sentence; "refused": it was refused in mid-sentence.
    reason: str


@dataclass(frozen=True)
class Claims:
    type: ClassVar = "claims"
    claims: list[dict[str, Any]]
    copied: list[dict[str, Any]]


@dataclass(frozen=True)
class Done:
    """The whole answer once more, as it was saved."""

    type: ClassVar = "done"
    conversation_id: str
    message_id: str
    status: str
    outcome: str
    text: str
    citations: list[dict[str, Any]]
    claims: list[dict[str, Any]]
    copied: list[dict[str, Any]]
    nearest: list[dict[str, Any]]  # sections to look at when the content holds no answer
    degraded: list[str]
    model: str
    extractive: bool
    cached: bool  # it was given before, and nothing has changed since
    usage: dict[str, Any]
    timings: dict[str, float]  # milliseconds by stage


@dataclass(frozen=True)
class Error:
    """`status` is what HTTP would say; `message_id` is null when nothing was saved."""

    type: ClassVar = "error"
    code: str
    detail: str
    status: int
    retry_after: float | None = None
    message_id: str | None = None


Event = Start | Stage | Sources | Delta | Cited | Restart | Claims | Done | Error


_TYPES: dict[str, Any] = {
    kind.type: kind for kind in (Start, Stage, Sources, Delta, Cited, Restart, Claims, Done, Error)
}


def as_json(event: Event) -> dict[str, Any]:
    return {"type": event.type, **asdict(event)}


def from_json(told: dict[str, Any]) -> Event:
    """What `as_json` made; raises KeyError and TypeError for anything else.

    Fields that this version does not know, as a newer process tells them, are left out.
    """
    kind = _TYPES[told["type"]]
    known = {field.name for field in fields(kind)}
    event: Event = kind(**{name: value for name, value in told.items() if name in known})
    return event
