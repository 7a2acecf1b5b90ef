"""The embedded index: vectors in database rows, searched in a private replica of each process."""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol
from uuid import UUID

import numpy as np
from django.db import DatabaseError, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet

from documents.embedding.base import EmbeddingSpace, Vector
from documents.index.base import (
    IndexHit,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    StoredPoint,
)
from documents.index.payload import payload_of
from documents.index.sparse import encode_document
from documents.models import Chunk, ChunkVector, Document, IndexChange
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

# Rows in memory at a time, while a replica is filled or caught up.
BATCH_SIZE = 500
KEPT_CHANGES = 20_000
# How far a stored vector may be from the length 1: half floats, and embedders that round.
ROUNDING = 0.1
# As pk and chunk: a restored database may have given the same number to another chunk.
Change = tuple[int, UUID]


class Replica(Protocol):
    """An engine that holds the live chunks of one process."""

    def upsert(self, points: Sequence[IndexPoint]) -> None: ...

    def delete(self, chunk_ids: Iterable[UUID]) -> None: ...

    def search_now(self, query: IndexQuery, limit: int) -> list[IndexHit]: ...


class EmbeddedIndex:
    """A replica is filled at the first search, caught up before each, and never written to disk
    that lasts. Replicas of several processes agree because all of them follow the outbox."""

    def __init__(self, space: EmbeddingSpace, fusion: str):
        self.space, self.fusion = space, fusion
        self._updating = threading.Lock()
        self._replica: Replica | None = None
        self._last_change: Change | None = None
        self._owner = os.getpid()

    # Writing: rows only. The replicas, this process's too, learn of it through the outbox.

    def prepare(self) -> None:
        """Nothing to do: vectors of other spaces do not count, and do not disturb."""

    def present(self, chunk_ids: Iterable[UUID]) -> set[UUID]:
        found: set[UUID] = set()
        for ids in batches(chunk_ids):
            rows = ChunkVector.objects.filter(space=str(self.space), chunk_id__in=ids)
            found.update(rows.values_list("chunk_id", flat=True))
        return found

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        rows = [
            ChunkVector(
                chunk_id=point.chunk_id,
                space=str(self.space),
                source=point.payload.get("source", ""),
                vector=packed(point.dense),
            )
            for point in points
        ]
        with transaction.atomic():
            ChunkVector.objects.bulk_create(
                rows,
                batch_size=BATCH_SIZE,
                update_conflicts=True,
                unique_fields=["chunk", "space"],
                update_fields=["vector", "source"],
            )
            self._announce(point.chunk_id for point in points)

    def delete(self, chunk_ids: Iterable[UUID]) -> None:
        for ids in batches(chunk_ids):
            with transaction.atomic():
                ChunkVector.objects.filter(space=str(self.space), chunk_id__in=ids).delete()
                self._announce(ids)

    def purge(self, chunk_ids: Iterable[UUID]) -> None:
        has_row = Exists(Chunk.objects.filter(pk=OuterRef("chunk_id")))
        for ids in batches(chunk_ids):
            vectors = ChunkVector.objects.filter(space=str(self.space), chunk_id__in=ids)
            vectors.filter(~has_row).delete()

    def owed(self) -> int:
        return 0  # the rows are the store

    def drain(self) -> int:
        """Forget old changes. The newest stay, as every process reads them at its own pace; one
        that has fallen behind loads all chunks anew."""
        newest = IndexChange.objects.values_list("pk", flat=True).last()
        if newest is not None:
            IndexChange.objects.filter(pk__lte=newest - KEPT_CHANGES).delete()
        return 0

    def _announce(self, chunk_ids: Iterable[UUID]) -> None:
        """A chunk without a row is announced by whoever makes or removes the row."""
        for ids in batches(chunk_ids):
            published = Chunk.objects.filter(pk__in=ids).values_list("pk", flat=True)
            IndexChange.objects.record(list(published))

    # The store as a whole

    def faults(self) -> list[str]:
        return []

    def scroll(self, after: UUID, limit: int) -> list[StoredPoint]:
        rows = ChunkVector.objects.filter(space=str(self.space), chunk_id__gt=after)
        return self._stored(rows.order_by("chunk_id")[:limit])

    def stored(self, chunk_ids: Iterable[UUID]) -> list[StoredPoint]:
        rows = ChunkVector.objects.filter(space=str(self.space))
        return [
            point
            for ids in batches(chunk_ids)
            for point in self._stored(rows.filter(chunk_id__in=ids))
        ]

    def _stored(self, rows: QuerySet[ChunkVector]) -> list[StoredPoint]:
        found = list(rows.values_list("chunk_id", "source", "vector"))
        damages = damaged([bytes(vector) for _pk, _source, vector in found], self.space.dimension)
        return [
            StoredPoint(chunk_id, source, None, damage=damage)
            for (chunk_id, source, _vector), damage in zip(found, damages, strict=True)
        ]

    def count(self) -> int:
        return ChunkVector.objects.filter(space=str(self.space)).count()

    def build(self) -> None:
        """Nothing to do: every space has its own rows."""

    def activate(self) -> None:
        """The settings alone say which space a process searches."""

    def previous(self) -> None:
        """Nothing to switch: with the former settings the former vectors are searched again."""

    def spare(self) -> dict[str, int]:
        others = ChunkVector.objects.exclude(space=str(self.space)).order_by("space")
        return dict(others.values_list("space").annotate(Count("pk")))

    def drop(self, name: str) -> None:
        if name != str(self.space):
            ChunkVector.objects.filter(space=name).delete()

    # Searching

    async def search(self, query: IndexQuery, *, limit: int) -> list[IndexHit]:
        if not query.scope.corpora:
            return []
        # Reading the outbox and searching in one hop to another thread.
        return await in_database_thread(self.search_now)(query, limit)

    def open(self) -> None:
        self._current_replica()

    def search_now(self, query: IndexQuery, limit: int) -> list[IndexHit]:
        return self._current_replica().search_now(query, limit)

    def _current_replica(self) -> Replica:
        try:
            return self._newest_replica()
        except DatabaseError as error:
            raise IndexUnavailable("The database with the vectors did not answer.") from error

    def _newest_replica(self) -> Replica:
        """Without news, which is nearly always, searches pass here side by side."""
        if self._owner != os.getpid():  # forked: the engine's threads stayed with the parent
            self._owner, self._updating = os.getpid(), threading.Lock()
            self._replica = None
        replica, last_change = self._replica, self._last_change
        if replica is not None and self._changes_since(last_change) == []:
            return replica
        with self._updating:
            return self._caught_up()

    def _caught_up(self) -> Replica:
        while self._replica is not None:
            changes = self._changes_since(self._last_change)
            if changes is None:
                logger.info("The outbox no longer holds what was read last: loading all chunks")
                break
            if not changes:
                return self._replica
            self._look_again(self._replica, {chunk_id for _pk, chunk_id in changes})
            self._last_change = changes[-1]
        # The outbox first, then the rows: what happens in between is read once more, harmlessly.
        last_change = IndexChange.objects.values_list("pk", "chunk_id").last()
        self._replica, self._last_change = self._filled(), last_change
        return self._replica

    def _changes_since(self, last: Change | None) -> list[Change] | None:
        """The next changes; None if it cannot be known that they are all of them."""
        changes = IndexChange.objects.values_list("pk", "chunk_id")
        if last is None:
            return None if changes.exists() else []
        found = list(changes.filter(pk__gte=last[0])[: BATCH_SIZE + 1])
        # While the change that was read last is still there, nothing after it was pruned.
        return found[1:] if found and found[0] == last else None

    def _look_again(self, replica: Replica, chunk_ids: set[UUID]) -> None:
        points = list(self._points(pk__in=chunk_ids))
        replica.delete(chunk_ids - {point.chunk_id for point in points})
        replica.upsert(points)

    def _filled(self) -> Replica:
        replica = new_replica(self.space, self.fusion)
        after = UUID(int=0)
        while points := list(self._points(pk__gt=after)):
            replica.upsert(points)
            after = points[-1].chunk_id
        return replica

    def _points(self, **chosen: object) -> Iterator[IndexPoint]:
        """The next live chunks, in the order of their ids. One without a vector in this space
        (the model was just changed) is found by its words until it is embedded again."""
        rows = Chunk.objects.filter(
            enabled=True, document__status=Document.Status.PUBLISHED, **chosen
        ).select_related("document__source")
        chunks = list(rows.order_by("pk")[:BATCH_SIZE])
        stored = ChunkVector.objects.filter(space=str(self.space), chunk__in=chunks)
        vectors = dict(stored.values_list("chunk_id", "vector"))
        for chunk in chunks:
            yield IndexPoint(
                chunk.pk,
                unpacked(bytes(vectors.get(chunk.pk, b"")), self.space.dimension),
                encode_document(chunk.searchable_text, chunk.document.language),
                payload_of(chunk),
            )


def new_replica(space: EmbeddingSpace, fusion: str) -> Replica:
    try:
        from documents.index.edge import EdgeReplica
    except ImportError:
        from documents.index.qdrant_collection import MemoryReplica

        logger.warning(
            "qdrant-edge-py is not available: searching in plain Python, which is slow beyond "
            "about 2000 chunks"
        )
        return MemoryReplica(space, fusion)
    return EdgeReplica(space, fusion)


def packed(dense: Vector | None) -> bytes:
    return b"" if dense is None else np.asarray(dense, "<f2").tobytes()


def unpacked(vector: bytes | memoryview, dimension: int) -> Vector | None:
    if len(vector) != 2 * dimension or not dimension:
        return None  # none yet, or damaged: then words still find it
    return np.frombuffer(vector, "<f2").astype(np.float32)


def damaged(vectors: Sequence[bytes], dimension: int) -> list[str]:
    """What is wrong with each of them; empty where nothing is. They are unit vectors."""
    size = 2 * dimension
    found = ["" if len(vector) == size else "its vector has a wrong length" for vector in vectors]
    whole = [row for row, damage in enumerate(found) if not damage]
    if not dimension or not whole:
        return found
    numbers = np.frombuffer(b"".join(vectors[row] for row in whole), "<f2").astype(np.float32)
    norms = np.linalg.norm(numbers.reshape(-1, dimension), axis=1)
    for place in np.flatnonzero(~(abs(norms - 1) < ROUNDING)):  # also true of what is no number
        norm = norms[place]
        found[whole[place]] = (
            f"its vector is {norm:.2g} long" if np.isfinite(norm) else "its vector is not finite"
        )
    return found


def batches(chunk_ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    ids = list(chunk_ids)
    for start in range(0, len(ids), BATCH_SIZE):
        yield ids[start : start + BATCH_SIZE]
