"""Qdrant as the index: one collection for each embedding space, an alias on the active one."""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from qdrant_client import AsyncQdrantClient, QdrantClient, models

from documents.embedding.base import EmbeddingSpace
from documents.event_loops import per_event_loop
from documents.index.base import IndexHit, IndexPoint, IndexQuery, Payload, SpaceMismatch
from documents.index.payload import KEYWORD_FIELDS, LIVE_FIELD, payload_of
from documents.index.qdrant_requests import (
    EXACT_SCORES,
    hits,
    point_struct,
    search_requests,
    vendor_errors,
)
from documents.models import Chunk, IndexChange

BATCH_SIZE = 100
T = TypeVar("T")


class QdrantIndex:
    """`async_client` returns the client of the running event loop. None: the client is an
    in-memory one, whose searches are Python and go to a thread."""

    def __init__(
        self,
        client: QdrantClient,
        async_client: Callable[[], AsyncQdrantClient] | None,
        *,
        alias: str,
        space: EmbeddingSpace,
        fusion: str,
    ):
        self.client, self.async_client = client, async_client
        self.alias, self.space, self.fusion = alias, space, fusion
        # Read and written under its own name, which is made from the space: when the alias moves
        # to another space under a running process, it keeps comparing like with like.
        self.collection = f"{alias}__{hashlib.sha256(str(space).encode()).hexdigest()[:8]}"

    @classmethod
    def connect(
        cls, *, url: str, api_key: str, timeout: int, alias: str, space: EmbeddingSpace, fusion: str
    ) -> "QdrantIndex":
        if url == ":memory:":
            return cls(QdrantClient(url), None, alias=alias, space=space, fusion=fusion)
        options: dict[str, Any] = {
            "url": url,
            "api_key": api_key or None,
            "timeout": timeout,
            "check_compatibility": False,  # it would call the server at once, from a thread
            "trust_env": False,
        }
        return cls(
            QdrantClient(**options),
            per_event_loop(lambda: AsyncQdrantClient(**options)),
            alias=alias,
            space=space,
            fusion=fusion,
        )

    # The collection and its alias

    def prepare(self) -> None:
        with vendor_errors():
            active = self.active_collection()
            if active is not None and active != self.collection:
                raise self._mismatch(active)
            self.create_collection()
            if active is None:
                self.activate()

    def _mismatch(self, active: str) -> SpaceMismatch:
        with vendor_errors():
            stamp = self._stamp(active)
        return SpaceMismatch(
            f"The alias {self.alias!r} in Qdrant points to vectors of the space {stamp}, but the "
            f"settings select {self.space}. Put the settings back, or set QDRANT_COLLECTION to a "
            "new name and run `manage.py ingest` to fill it."
        )

    def active_collection(self) -> str | None:
        """Where the alias points to."""
        with vendor_errors():
            aliases = self.client.get_aliases().aliases
        targets = {alias.alias_name: alias.collection_name for alias in aliases}
        return targets.get(self.alias)

    def create_collection(self) -> None:
        """Beside any other; nothing is read from it before `activate`."""
        with vendor_errors():
            names = {item.name for item in self.client.get_collections().collections}
            if self.alias in names:
                raise SpaceMismatch(
                    f"Qdrant has a collection named {self.alias!r} that this application did not "
                    "make. Set QDRANT_COLLECTION to another name."
                )
            if self.collection not in names:
                self._create()
            if (stamp := self._stamp(self.collection)) != str(self.space):
                raise SpaceMismatch(
                    f"The collection {self.collection} holds vectors of the space {stamp}, not "
                    f"{self.space}. Delete it, or set QDRANT_COLLECTION to another name."
                )
            if self.async_client is not None:  # the in-memory client has no payload indexes
                self._index_payload()

    def activate(self) -> None:
        """Point the alias here, in one step."""
        operations: list[Any] = []
        with vendor_errors():
            if self.active_collection() is not None:
                old = models.DeleteAlias(alias_name=self.alias)
                operations.append(models.DeleteAliasOperation(delete_alias=old))
            new = models.CreateAlias(collection_name=self.collection, alias_name=self.alias)
            operations.append(models.CreateAliasOperation(create_alias=new))
            self.client.update_collection_aliases(operations)

    def _create(self) -> None:
        int8 = models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=0.99, always_ram=True
        )
        dense = models.VectorParams(
            size=self.space.dimension,
            distance=models.Distance.COSINE,
            on_disk=True,
            quantization_config=models.ScalarQuantization(scalar=int8),
        )
        self.client.create_collection(
            self.collection,
            vectors_config={"dense": dense} if self.space.dimension else {},
            sparse_vectors_config={"bm25": models.SparseVectorParams(modifier=models.Modifier.IDF)},
            on_disk_payload=True,
            # As Qdrant Cloud has it: a filter on a field without an index fails here too.
            strict_mode_config=models.StrictModeConfig(
                enabled=True, unindexed_filtering_retrieve=False, unindexed_filtering_update=False
            ),
            metadata={"space": str(self.space)},
        )

    def _index_payload(self) -> None:
        """Again at every start: harmless, and an upgrade may bring a new field."""
        for field in KEYWORD_FIELDS:
            schema = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=field == "corpus" or None
            )
            self.client.create_payload_index(self.collection, field, schema, wait=True)
        boolean = models.PayloadSchemaType.BOOL
        self.client.create_payload_index(self.collection, LIVE_FIELD, boolean, wait=True)

    def _stamp(self, collection: str) -> str:
        metadata = self.client.get_collection(collection).config.metadata or {}
        return str(metadata.get("space", "unknown"))

    # Writing

    def present(self, chunk_ids: Iterable[UUID]) -> set[UUID]:
        found: set[UUID] = set()
        with vendor_errors():
            for ids in batches(list(chunk_ids)):
                records = self.client.retrieve(
                    self.collection, list(map(str, ids)), with_payload=False, with_vectors=False
                )
                found.update(UUID(str(record.id)) for record in records)
        return found

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        with vendor_errors():
            for some in batches(points):
                structs = [point_struct(point) for point in some]
                self.client.upsert(self.collection, structs, wait=True)
        # A chunk that had its row before its point is nobody else's news: `drain` makes it live.
        not_live = [point.chunk_id for point in points if not point.payload.get(LIVE_FIELD)]
        IndexChange.objects.record(list(current_payloads(not_live)))

    def delete(self, chunk_ids: Iterable[UUID]) -> None:
        with vendor_errors():
            for ids in batches(list(chunk_ids)):
                selected = models.PointIdsList(points=list(map(str, ids)))
                self.client.delete(self.collection, selected, wait=True)

    def drain(self) -> int:
        handled = 0
        while changes := list(IndexChange.objects.values_list("pk", "chunk_id")[:BATCH_SIZE]):
            self._converge({chunk_id for _pk, chunk_id in changes})
            # Only now: after a failure they are still there for the next time.
            IndexChange.objects.filter(pk__in=[pk for pk, _chunk_id in changes]).delete()
            handled += len(changes)
        return handled

    def _converge(self, chunk_ids: set[UUID]) -> None:
        """Rows into points. Looks at the rows again afterwards: another process may have drained
        a newer state meanwhile, which must not be overwritten with what was read before."""
        written = None
        while written != (payloads := current_payloads(chunk_ids)):
            self.delete(chunk_ids - payloads.keys())
            # Qdrant refuses to set the payload of a point that is not there (`reconcile` adds it).
            present = self.present(payloads)
            self._set_payloads({pk: payloads[pk] for pk in payloads if pk in present})
            written = payloads

    def _set_payloads(self, payloads: dict[UUID, Payload]) -> None:
        alike: dict[str, list[UUID]] = defaultdict(list)
        for chunk_id, payload in payloads.items():
            alike[json.dumps(payload, sort_keys=True)].append(chunk_id)
        operations = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(
                    payload=json.loads(payload), points=list(map(str, ids))
                )
            )
            for payload, ids in alike.items()
        ]
        if operations:
            with vendor_errors():
                self.client.batch_update_points(self.collection, operations, wait=True)

    # Searching

    def open(self) -> None:
        active = self.active_collection()
        if active is not None and active != self.collection:
            raise self._mismatch(active)

    async def search(self, query: IndexQuery, *, limit: int) -> list[IndexHit]:
        if self.async_client is None:
            return await asyncio.to_thread(self.search_now, query, limit)
        requests = search_requests(query, self.fusion, limit, params=EXACT_SCORES)
        if not requests:
            return []
        with vendor_errors():
            found = await self.async_client().query_batch_points(self.collection, requests)
            return hits(found)

    def search_now(self, query: IndexQuery, limit: int) -> list[IndexHit]:
        """For the in-memory client, which knows no quantisation."""
        requests = search_requests(query, self.fusion, limit, params=None)
        if not requests:
            return []
        with vendor_errors():
            return hits(self.client.query_batch_points(self.collection, requests))


def memory_replica(space: EmbeddingSpace, fusion: str) -> QdrantIndex:
    """For the embedded index, where Qdrant's engine cannot be had."""
    index = QdrantIndex(QdrantClient(":memory:"), None, alias="replica", space=space, fusion=fusion)
    index.prepare()
    return index


def current_payloads(chunk_ids: Iterable[UUID]) -> dict[UUID, Payload]:
    rows = Chunk.objects.filter(pk__in=chunk_ids).select_related("document__source")
    return {chunk.pk: payload_of(chunk) for chunk in rows}


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH_SIZE):
        yield items[start : start + BATCH_SIZE]
