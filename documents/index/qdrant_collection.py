"""One collection in Qdrant. Whatever is written says how far its writer had read the outbox.

A drainer may be frozen between reading rows and writing points, and thaw after another has written
something newer. Its writes are refused by the store itself: each is made on the condition that the
point carries no higher `change` than the writer's own (docs/decisions/0007).
"""

import json
from collections import defaultdict
from collections.abc import Collection as Some
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from documents.embedding.base import EmbeddingSpace
from documents.index.base import IndexHit, IndexPoint, IndexQuery, Payload, StoredPoint
from documents.index.payload import KEYWORD_FIELDS, LIVE_FIELD
from documents.index.qdrant_errors import vendor_errors
from documents.index.qdrant_patience import AT_ONCE, Patience
from documents.index.qdrant_requests import hits, point_struct, search_requests
from documents.index.sizing import LINKS

BATCH_SIZE = 100
CHANGE_FIELD = "change"
# Of a point that nobody has compared with its row yet: any drainer knows better.
UNSETTLED = 0
# On a cluster the order of two writers' requests must be the same for all replicas of a point.
ORDERED = models.WriteOrdering.STRONG
T = TypeVar("T")


@dataclass(frozen=True)
class Facts:
    """As the server tells them; `dimension` None: no dense vectors."""

    points: int
    dimension: int | None
    strict: bool


class QdrantCollection:
    """`on_server`: False for the in-memory client, which has no payload indexes. `patiently`: makes
    the calls that may be repeated."""

    def __init__(
        self,
        client: QdrantClient,
        name: str,
        *,
        on_server: bool,
        patiently: Patience = AT_ONCE,
    ):
        self.client, self.name, self.on_server = client, name, on_server
        self.patiently = patiently
        self._indexed = not on_server

    # The collection itself

    def create(self, space: EmbeddingSpace) -> None:
        """In memory is what every search walks through, int8 copies and graph; on disk whatever is
        looked up for what was found (sizes, and how they were measured: `documents.index.sizing`).
        """
        int8 = models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=0.99, always_ram=True
        )
        dense = models.VectorParams(
            size=space.dimension,
            distance=models.Distance.COSINE,
            on_disk=True,
            quantization_config=models.ScalarQuantization(scalar=int8),
        )
        with vendor_errors(), self._unless_it_exists():
            self.client.create_collection(
                self.name,
                vectors_config={"dense": dense} if space.dimension else {},
                sparse_vectors_config={
                    "bm25": models.SparseVectorParams(
                        modifier=models.Modifier.IDF, index=models.SparseIndexParams(on_disk=True)
                    )
                },
                hnsw_config=models.HnswConfigDiff(m=LINKS, on_disk=False),
                on_disk_payload=True,
                # As Qdrant Cloud has it: a filter on a field without an index fails here too.
                strict_mode_config=models.StrictModeConfig(
                    enabled=True,
                    unindexed_filtering_retrieve=False,
                    unindexed_filtering_update=False,
                ),
                metadata={"space": str(space)},
            )

    @contextmanager
    def _unless_it_exists(self) -> Iterator[None]:
        """Another process may have made it since we looked."""
        try:
            yield
        except (UnexpectedResponse, ValueError):
            if not self.client.collection_exists(self.name):
                raise

    def metadata(self) -> dict[str, Any]:
        with vendor_errors():
            return dict(self.client.get_collection(self.name).config.metadata or {})

    @property
    def stamp(self) -> str:
        return str(self.metadata().get("space", "unknown"))

    def remember_previous(self, name: str) -> None:
        with vendor_errors():
            self.client.update_collection(self.name, metadata={**self.metadata(), "previous": name})

    def index_payload(self, *, again: bool = False) -> None:
        """Harmless to repeat, and an upgrade may bring a new field: once in every process."""
        if self._indexed and not (again and self.on_server):
            return
        for field, schema in payload_schemas().items():
            self.patiently(self.client.create_payload_index, self.name, field, schema, wait=True)
        self._indexed = True

    def facts(self) -> "Facts":
        with vendor_errors():
            about = self.client.get_collection(self.name)
        dense = about.config.params.vectors
        size = dense["dense"].size if isinstance(dense, dict) and "dense" in dense else None
        strict = about.config.strict_mode_config
        return Facts(self.count(), size, bool(strict and strict.enabled))

    def fields_without_index(self) -> list[str]:
        if not self.on_server:
            return []
        with vendor_errors():
            indexed = self.client.get_collection(self.name).payload_schema
        return [field for field in payload_schemas() if field not in indexed]

    # Reading

    def present(self, chunk_ids: Iterable[UUID]) -> set[UUID]:
        found: set[UUID] = set()
        for ids in batches(chunk_ids):
            records = self.patiently(self._retrieved, ids)
            if records is None:
                return found  # nothing was ever stored: a plan asks before anything is
            found.update(UUID(str(record.id)) for record in records)
        return found

    def _retrieved(self, ids: list[UUID]) -> list[models.Record] | None:
        """None: there is no collection."""
        try:
            return self.client.retrieve(
                self.name, list(map(str, ids)), with_payload=False, with_vectors=False
            )
        except (UnexpectedResponse, ValueError):
            if self.client.collection_exists(self.name):
                raise
            return None

    def stored(self, chunk_ids: Iterable[UUID], vectors: Sequence[str]) -> list[StoredPoint]:
        found: list[StoredPoint] = []
        for ids in batches(chunk_ids):
            records = self.patiently(
                self.client.retrieve, self.name, list(map(str, ids)), with_payload=True
            )
            found += self._stored(records, vectors)
        return found

    def scroll(self, after: UUID, limit: int, vectors: Sequence[str]) -> list[StoredPoint]:
        records, _next = self.patiently(
            self.client.scroll,
            self.name,
            limit=limit,
            offset=str(UUID(int=after.int + 1)),  # where to begin, not what to leave out
            with_payload=True,
            with_vectors=False,
        )
        return self._stored(records, vectors)

    def _stored(
        self, records: Sequence[models.Record], vectors: Sequence[str]
    ) -> list[StoredPoint]:
        """Which vectors are there is asked for, the vectors themselves are not fetched: a thousand
        numbers a point, and the server took no other than finite ones of the right length."""
        lacking: dict[str, str] = {}
        if records:
            lacks = [models.HasVectorCondition(has_vector=name) for name in vectors]
            among = models.HasIdCondition(has_id=[record.id for record in records])
            some = models.Filter(should=[models.Filter(must_not=[lack]) for lack in lacks])
            found, _next = self.patiently(
                self.client.scroll,
                self.name,
                scroll_filter=models.Filter(must=[among, some]),
                limit=len(records),
                with_payload=False,
                with_vectors=False,
            )
            lacking = {str(record.id): "a vector is missing" for record in found}
        return [
            StoredPoint(
                UUID(str(record.id)),
                str((record.payload or {}).get("source", "")),
                {k: v for k, v in (record.payload or {}).items() if k != CHANGE_FIELD},
                int((record.payload or {}).get(CHANGE_FIELD, UNSETTLED)),
                lacking.get(str(record.id), ""),
            )
            for record in records
        ]

    def count(self) -> int:
        return self.patiently(self.client.count, self.name, exact=True).count

    def search_now(self, query: IndexQuery, limit: int, fusion: str) -> list[IndexHit]:
        """For the in-memory client, which knows no quantisation."""
        requests = search_requests(query, fusion, limit, params=None)
        if not requests:
            return []
        asked = [models.QueryRequest(**request) for request in requests]
        with vendor_errors():
            found = self.client.query_batch_points(self.name, asked)
        return hits([{"points": [vars(point) for point in part.points]} for part in found])

    # Writing

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """New points. One that a drainer has settled already stays as it is: it has the same
        vectors, as it has the same id, and whoever brings it again was late."""
        self.index_payload()
        for some in batches(points):
            structs = [point_struct(unsettled(point)) for point in some]
            self.patiently(
                self.client.upsert,
                self.name,
                structs,
                update_filter=not_after(UNSETTLED),
                ordering=ORDERED,
                wait=True,
            )

    def delete(self, chunk_ids: Iterable[UUID]) -> None:
        """Without any condition, and so only once: whoever asks stores the points anew, and the
        first of two requests may be the one that arrives last."""
        for ids in batches(chunk_ids):
            selected = models.PointIdsList(points=list(map(str, ids)))
            with vendor_errors():
                self.client.delete(self.name, selected, ordering=ORDERED, wait=True)

    def delete_unless_newer(self, chunk_ids: Iterable[UUID], change: int) -> None:
        self.index_payload()
        for ids in batches(chunk_ids):
            selected = models.FilterSelector(filter=not_after(change, ids))
            self.patiently(self.client.delete, self.name, selected, ordering=ORDERED, wait=True)

    def set_unless_newer(self, payloads: Mapping[UUID, Payload], change: int) -> None:
        """A point that is not there is passed over."""
        self.index_payload()
        alike: dict[str, list[UUID]] = defaultdict(list)
        for chunk_id, payload in payloads.items():
            alike[json.dumps(payload, sort_keys=True)].append(chunk_id)
        operations: list[Any] = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(
                    payload={**json.loads(payload), CHANGE_FIELD: change},
                    filter=not_after(change, ids),
                )
            )
            for payload, ids in alike.items()
        ]
        if operations:
            self.patiently(
                self.client.batch_update_points, self.name, operations, ordering=ORDERED, wait=True
            )


class MemoryReplica:
    """For the embedded index, where Qdrant's engine cannot be had."""

    def __init__(self, space: EmbeddingSpace, fusion: str):
        self.fusion = fusion
        self.collection = QdrantCollection(QdrantClient(":memory:"), "replica", on_server=False)
        self.collection.create(space)

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        self.collection.upsert(points)

    def delete(self, chunk_ids: Iterable[UUID]) -> None:
        self.collection.delete(chunk_ids)

    def search_now(self, query: IndexQuery, limit: int) -> list[IndexHit]:
        return self.collection.search_now(query, limit, self.fusion)


def payload_schemas() -> dict[str, Any]:
    """Every field that is filtered by, in searches or in writes."""
    schemas: dict[str, Any] = {
        field: models.KeywordIndexParams(
            type=models.KeywordIndexType.KEYWORD,
            is_tenant=field == "corpus" or None,
            on_disk=True,
        )
        for field in KEYWORD_FIELDS
    }
    schemas[LIVE_FIELD] = models.PayloadSchemaType.BOOL
    schemas[CHANGE_FIELD] = models.IntegerIndexParams(
        type=models.IntegerIndexType.INTEGER, lookup=False, range=True, on_disk=True
    )
    return schemas


def unsettled(point: IndexPoint) -> IndexPoint:
    payload = {**point.payload, CHANGE_FIELD: UNSETTLED}
    return IndexPoint(point.chunk_id, point.dense, point.sparse, payload)


def not_after(change: int, among: Some[UUID] | None = None) -> models.Filter:
    """Points that nobody with a higher number has written; also those from before there were
    numbers, which is why it is not said as "at most"."""
    newer = models.FieldCondition(key=CHANGE_FIELD, range=models.Range(gt=change))
    these: list[Any] | None = None
    if among is not None:
        these = [models.HasIdCondition(has_id=list(map(str, among)))]
    return models.Filter(must=these, must_not=[newer])


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while some := list(islice(remaining, BATCH_SIZE)):
        yield some
