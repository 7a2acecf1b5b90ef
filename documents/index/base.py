"""The passage index: written by ingestion (sync), searched by chat (async)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from documents.embedding.base import EmbeddingSpace, Vector
from documents.index.sparse import SparseVector
from documents.scope import Scope

Payload = Mapping[str, Any]


class IndexUnavailable(Exception):
    """The vector store did not answer, or refused. The message can be shown to an operator."""


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
    """What to look for. `dense` is None when the query could not be embedded: words alone, then."""

    dense: Vector | None
    sparse: SparseVector
    scope: Scope


@dataclass(frozen=True)
class IndexHit:
    """`score` is a fused rank score, comparable inside one result; `similarity` is a cosine."""

    chunk_id: UUID
    score: float
    similarity: float | None = None


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

    def upsert(self, points: Sequence[IndexPoint]) -> None: ...

    def delete(self, chunk_ids: Iterable[UUID]) -> None: ...

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


class Index(IndexWriter, IndexSearcher, Protocol):
    """Both sides of one store."""
