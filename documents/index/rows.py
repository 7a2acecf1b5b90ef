"""The rows against an index: where they disagree, page by page; and points made from rows alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import QuerySet

from documents.embedding.base import DocumentEmbedder
from documents.index.base import IndexKeeper, IndexPoint, IndexWriter, StoredPoint
from documents.index.payload import current_payloads, payload_of
from documents.index.sparse import encode_document
from documents.models import Chunk, IndexChange

PAGE = 500  # chunks in memory at a time
EMBED_AT_ONCE = 96  # texts: what one call to Cohere may carry
T = TypeVar("T")

NO_POINT = "no point"
NO_ROW = "no row"
STALE_PAYLOAD = "stale payload"
DAMAGED_VECTOR = "damaged vector"
DAMAGED_TEXT = "damaged text"


@dataclass(frozen=True)
class Disagreement:
    """About one chunk. `document` is None where there is no row to name it."""

    kind: str
    chunk_id: UUID
    source: str  # slug
    document: int | None = None
    space: str = ""  # in which its document counts as indexed
    detail: str = ""
    change: int = 0  # of the point


@dataclass(frozen=True)
class Page:
    rows: int
    points: int
    newest_change: int
    found: list[Disagreement]


def compare(index: IndexKeeper) -> Iterator[Page]:
    """Everything, in the order of the chunks' ids, with a page of each side in memory.

    What was published or deleted between the two readings looks like a disagreement: ask
    `still_true` before believing one.
    """
    after: UUID | None = UUID(int=0)
    while after is not None:
        points = index.scroll(after, PAGE)
        rows = facts(Chunk.objects.filter(pk__gt=after).order_by("pk")[:PAGE])
        # Beyond the end of a full page there may be more, of which nothing is known yet.
        ends = [points[-1].chunk_id] if len(points) == PAGE else []
        ends += [rows[-1].chunk_id] if len(rows) == PAGE else []
        after = min(ends, default=None)
        if after is not None:
            points = [point for point in points if point.chunk_id <= after]
            rows = [row for row in rows if row.chunk_id <= after]
        newest = max((point.change for point in points), default=0)
        yield Page(len(rows), len(points), newest, list(disagreements(rows, points)))


def still_true(index: IndexKeeper, found: Sequence[Disagreement]) -> list[Disagreement]:
    """Those that are there at a second look, and that no row of the outbox will mend."""
    if not found:
        return []
    ids = [disagreement.chunk_id for disagreement in found]
    points = index.stored(ids)
    rows = facts(Chunk.objects.filter(pk__in=ids))
    again = {(one.kind, one.chunk_id): one for one in disagreements(rows, points)}
    told = set()
    if index.owed():
        told = set(IndexChange.objects.filter(chunk_id__in=ids).values_list("chunk_id", flat=True))
    return [
        again[one.kind, one.chunk_id]
        for one in found
        if (one.kind, one.chunk_id) in again
        and (one.chunk_id not in told or one.kind == DAMAGED_TEXT)
    ]


class Row(NamedTuple):
    """What there is to compare of a chunk. Plain values: there may be millions."""

    chunk_id: UUID
    text: str
    text_hash: str
    document: int
    space: str
    source: str


def facts(chunks: QuerySet[Chunk]) -> list[Row]:
    names = ("pk", "text", "text_hash", "document", "document__space", "document__source__slug")
    return [Row(*values) for values in chunks.values_list(*names)]


def disagreements(rows: Sequence[Row], points: Iterable[StoredPoint]) -> Iterator[Disagreement]:
    stored = {point.chunk_id: point for point in points}
    payloads: dict[UUID, dict[str, Any]] = {}
    if any(point.payload is not None for point in stored.values()):
        payloads = current_payloads([row.chunk_id for row in rows])
    for row in rows:
        point = stored.pop(row.chunk_id, None)
        problems: list[tuple[str, str]] = []
        if not intact(row):
            problems.append((DAMAGED_TEXT, "its text is not what its hash was made of"))
        if point is None:
            problems.append((NO_POINT, ""))
        elif point.damage:
            problems.append((DAMAGED_VECTOR, point.damage))
        if point and not same_payload(point, payloads):
            now, then = payloads.get(row.chunk_id, {}), point.payload or {}
            wrong = [name for name in {**now, **then} if now.get(name) != then.get(name)]
            problems.append((STALE_PAYLOAD, ", ".join(sorted(wrong))))
        for kind, detail in problems:
            yield Disagreement(
                kind, row.chunk_id, row.source, row.document, row.space, detail,
                point.change if point else 0,
            )  # fmt: skip
    for point in stored.values():
        yield Disagreement(NO_ROW, point.chunk_id, point.source, change=point.change)


def same_payload(point: StoredPoint, payloads: Mapping[UUID, Mapping[str, Any]]) -> bool:
    return point.payload is None or point.payload == payloads.get(point.chunk_id)


def intact(chunk: Chunk | Row) -> bool:
    return sha256(chunk.text.encode()).hexdigest() == chunk.text_hash


def embed(
    index: IndexWriter, embedder: DocumentEmbedder | None, chunk_ids: Iterable[UUID]
) -> Iterator[int]:
    """Points for these chunks, from their rows; yields how many were stored with each batch.

    One whose text is damaged gets none: it would be found by words that its source does not have.
    """
    for ids in batched(chunk_ids, EMBED_AT_ONCE):
        rows = Chunk.objects.filter(pk__in=ids).select_related("document__source")
        chunks = [chunk for chunk in rows if intact(chunk)]
        texts = [chunk.searchable_text for chunk in chunks]
        vectors = embedder.embed_documents(texts) if embedder and texts else None
        index.upsert(
            [
                IndexPoint(
                    chunk.pk,
                    None if vectors is None else vectors[row],
                    encode_document(texts[row], chunk.document.language),
                    payload_of(chunk),
                )
                for row, chunk in enumerate(chunks)
            ]
        )
        yield len(chunks)


def lacking(index: IndexWriter, chunk_ids: Iterable[UUID]) -> Iterator[UUID]:
    """Those of them that have no point."""
    for ids in batched(chunk_ids, PAGE):
        present = index.present(ids)
        yield from (chunk_id for chunk_id in ids if chunk_id not in present)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
