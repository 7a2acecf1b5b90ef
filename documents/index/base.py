"""The passage index: written by ingestion (sync), searched by chat (async)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from documents.embedding.base import EmbeddingSpace, Vector
from documents.index.sparse import SparseVector
from documents.scope import Scope

Payload = Mapping[str, Any]


IndexTrouble = Literal[
    "unavailable",  # it cannot be reached, or has a trouble of its own
    "timeout",  # too late, by our clock or by its own
    "rate_limited",
    "broken_reply",
    "missing",  # nothing was ever stored there
    "key_refused",
    "full",  # of memory or disk
    "bad_request",  # ours: the same again would be refused again
]
PASSING = frozenset({"unavailable", "timeout", "rate_limited", "broken_reply"})


class IndexUnavailable(Exception):
    """The vector store did not answer, or refused. The message can be shown to an operator.

    `retry_after`: seconds for which the store asked to be left alone, or in which it is.
    """

    def __init__(
        self, message: str, *, code: IndexTrouble = "unavailable", retry_after: float | None = None
    ):
        super().__init__(message)
        self.code, self.retry_after = code, retry_after

    @property
    def retryable(self) -> bool:
        """The same call may succeed in a moment, without anybody's doing."""
        return self.code in PASSING


class SpaceMismatch(Exception):
    """The store holds vectors of another embedding space; comparing them would be nonsense."""


@dataclass(frozen=True)
class IndexPoint:
    """One chunk as the index stores it. `dense` is None in a space without dense vectors."""

    chunk_id: UUID
    dense: Vector | None
    sparse: SparseVector
    payload: Payload = field(default_factory=dict)


@dataclass(frozen=True)
class IndexQuery:
    """What to look for. `dense` is None when the query could not be embedded: words alone, then.
    `dense_weight` is how many times as much the dense ranking counts in fusion as the other."""

    dense: Vector | None
    sparse: SparseVector
    scope: Scope
    dense_weight: int = 1


@dataclass(frozen=True)
class IndexHit:
    """`score` is a fused rank score, comparable inside one result; `similarity` is a cosine."""

    chunk_id: UUID
    score: float
    similarity: float | None = None


@dataclass(frozen=True)
class StoredPoint:
    """What a store holds for one chunk, to be compared with its row."""

    chunk_id: UUID
    source: str  # slug
    payload: Payload | None  # None: a replica takes it from the row
    change: int = 0  # the outbox had been read up to here when it was written
    damage: str = ""  # what is wrong with its vectors


def weight_of_dense(query: IndexQuery) -> int:
    """How often its ranking is handed to the fusion: both methods add up, but DBSF has no weights.
    Alone it needs none."""
    return query.dense_weight if query.sparse.indices else 1


def ranked(hits: Iterable[IndexHit]) -> list[IndexHit]:
    """Best first, and always the same way where scores are equal."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))


class IndexWriter(Protocol):
    """Every write may be repeated: a point's id is its chunk's id, made from its content."""

    space: EmbeddingSpace

    def prepare(self) -> None:
        """Make the store ready (collection, payload indexes). Raises SpaceMismatch."""
        ...

    def present(self, chunk_ids: Iterable[UUID]) -> set[UUID]:
        """Which of these chunks have a vector in this space already."""
        ...

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Store them; found by a search once their rows are there and the store was drained."""
        ...

    def purge(self, chunk_ids: Iterable[UUID]) -> None:
        """Remove the points of those of these chunks that have no row."""
        ...

    def owed(self) -> int:
        """Changes of rows that the store has not been told of."""
        ...

    def drain(self) -> int:
        """Bring the store in line with the outbox (IndexChange rows); returns how many it read."""
        ...


class IndexSearcher(Protocol):
    space: EmbeddingSpace

    def open(self) -> None:
        """Be ready to search: reach the store, fill what is kept in memory. Synchronous; raises
        IndexUnavailable or SpaceMismatch."""
        ...

    async def search(self, query: IndexQuery, *, limit: int) -> list[IndexHit]:
        """Hybrid search inside the scope, best first; raises IndexUnavailable."""
        ...


class IndexKeeper(IndexWriter, Protocol):
    """What `reconcile` and `reindex` need besides: to look at the whole store, and to change it."""

    def faults(self) -> list[str]:
        """What is wrong with the store itself, each of which `prepare` mends; raises SpaceMismatch
        where it must not be mended, because another space is in use."""
        ...

    def scroll(self, after: UUID, limit: int) -> list[StoredPoint]:
        """The next points of this space, in the order of their ids."""
        ...

    def stored(self, chunk_ids: Iterable[UUID]) -> list[StoredPoint]:
        """The points of these chunks, as many as there are."""
        ...

    def count(self) -> int:
        """Exactly how many points there are in this space."""
        ...

    def delete(self, chunk_ids: Iterable[UUID]) -> None:
        """Whatever the rows say: only for who is about to store them anew."""
        ...

    # Spaces side by side

    def build(self) -> None:
        """Make room for this space beside the one in use; nothing is searched there yet."""
        ...

    def activate(self) -> None:
        """Make this space the one in use, in one step."""
        ...

    def previous(self) -> "IndexKeeper | None":
        """The space that was in use before, if it can be gone back to by `activate`."""
        ...

    def spare(self) -> dict[str, int]:
        """What is kept of other spaces, not in use: its name, and how many points it holds."""
        ...

    def drop(self, name: str) -> None:
        """Delete something spare, for good."""
        ...


class Index(IndexKeeper, IndexSearcher, Protocol):
    """All sides of one store."""
