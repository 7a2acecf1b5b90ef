"""What the API answers with, as it stands in its JSON. Its own description: /api/v1/schema/."""

from typing import Any, Literal, NotRequired, TypedDict


class Place(TypedDict):
    """Where a passage stands."""

    chunk_id: str
    title: str
    heading_path: list[str]
    url: str
    source: str
    version: str
    language: str
    trust_tier: str
    peer_reviewed: bool


class Passage(Place):
    text: str
    line_start: int
    line_end: int


class Found(TypedDict):
    query: str
    degraded: list[str]
    passages: list[Passage]
    timings: dict[str, float]


class Citation(TypedDict):
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


class SavedCitation(Citation):
    """`standing`: whether what it rests on is still so."""

    standing: Literal["current", "moved", "changed", "gone"]
    moved_to: str


class Claim(TypedDict):
    start: int
    end: int
    verdict: str
    citation: int | None
    support_start: int | None
    support_end: int | None
    reason: str


class CopiedRun(TypedDict):
    start: int
    end: int
    words: int


class Conversation(TypedDict):
    id: str
    corpus: str
    title: str
    created_at: str
    updated_at: str
    branched_from: NotRequired[str | None]
    visitor_token: NotRequired[str]


class Feedback(TypedDict):
    rating: Literal["up", "down"]
    comment: str


class Message(TypedDict):
    id: str
    role: Literal["user", "assistant"]
    text: str
    status: str
    outcome: str
    model: str
    created_at: str
    finished_at: str | None
    citations: list[SavedCitation]
    claims: list[Claim]
    question: NotRequired[str | None]
    superseded: NotRequired[bool]
    feedback: NotRequired[Feedback | None]


class Deleted(TypedDict):
    """How many rows went with a conversation."""

    messages: int
    citations: int
    claims: int
    feedback: int


class Document(TypedDict):
    id: str
    corpus: str
    source: str
    key: str
    url: str
    title: str
    language: str
    version: str
    trust_tier: str
    authors: list[str]
    year: int | None
    doi: str
    created_at: str
    updated_at: str
    indexed_at: str | None


class Chunk(TypedDict):
    id: str
    document: Document
    position: int
    heading_path: list[str]
    anchor: str
    url: str
    text: str
    line_start: int
    line_end: int
    char_start: int
    char_end: int
    token_estimate: int
    text_hash: str


class Filters(TypedDict, total=False):
    """Narrow the search. Each list means "one of these"."""

    sources: list[str]
    languages: list[str]
    versions: list[str]
    sections: list[str]
    trust_tiers: list[str]


class Selection(TypedDict):
    """A text that the reader selected."""

    text: str
    mode: Literal["only", "boost"]


Body = dict[str, Any]
