"""Qdrant as the index: one collection for each embedding space, an alias on the active one."""

import asyncio
import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from qdrant_client import QdrantClient, models

from documents.embedding.base import EmbeddingSpace
from documents.failpoints import failpoint
from documents.index.base import (
    IndexHit,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    SpaceMismatch,
    StoredPoint,
)
from documents.index.payload import LIVE_FIELD, current_payloads
from documents.index.qdrant_collection import BATCH_SIZE, QdrantCollection
from documents.index.qdrant_errors import UNREADABLE, vendor_errors, waits_in_seconds
from documents.index.qdrant_patience import Patience
from documents.index.qdrant_requests import EXACT_SCORES, hits, search_requests
from documents.index.qdrant_search import QdrantSearch
from documents.models import Chunk, Document, IndexChange
from documents.upstream.breaker import Breaker
from documents.upstream.http import LIMITS, sync_options


class QdrantIndex:
    """`searches` is None with an in-memory client, whose searches are Python and go to a thread."""

    def __init__(
        self,
        client: QdrantClient,
        searches: QdrantSearch | None,
        *,
        alias: str,
        space: EmbeddingSpace,
        fusion: str,
        patience: float = 0.0,
    ):
        self.client, self.searches = client, searches
        self.patiently = Patience(patience)
        self.alias, self.space, self.fusion = alias, space, fusion
        # Read and written under its own name, which is made from the space: when the alias moves
        # to another space under a running process, it keeps comparing like with like.
        self.collection = self._name(str(space))
        self._collections: dict[str, QdrantCollection] = {}

    @classmethod
    def connect(
        cls,
        *,
        url: str,
        api_key: str,
        timeout: int,
        deadline: float,
        alias: str,
        space: EmbeddingSpace,
        fusion: str,
        patience: float = 0.0,
        breaker: Breaker | None = None,
    ) -> "QdrantIndex":
        """Seconds: `timeout` for each wait of a call, `deadline` for a search as a whole,
        `patience` for all attempts at a call that may be repeated."""
        if url == ":memory:":
            return cls(QdrantClient(":memory:"), None, alias=alias, space=space, fusion=fusion)
        with warnings.catch_warnings():  # our own check tells of a key over plain HTTP, and where
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
            client = QdrantClient(
                url=url,
                api_key=api_key or None,
                timeout=timeout,
                check_compatibility=False,  # it would call the server at once, from a thread
                event_hooks={"response": [waits_in_seconds]},
                limits=LIMITS,
                **sync_options(total=2 * timeout),
            )
        searches = QdrantSearch.connect(url, api_key, deadline=deadline, breaker=breaker)
        return cls(client, searches, alias=alias, space=space, fusion=fusion, patience=patience)

    # The family: the collections of all spaces, and the alias on one of them

    def _name(self, space: str) -> str:
        return f"{self.alias}__{hashlib.sha256(space.encode()).hexdigest()[:8]}"

    def _named(self, name: str) -> QdrantCollection:
        if name not in self._collections:
            on_server = self.searches is not None
            self._collections[name] = QdrantCollection(
                self.client, name, on_server=on_server, patiently=self.patiently
            )
        return self._collections[name]

    @property
    def own(self) -> QdrantCollection:
        return self._named(self.collection)

    def family(self) -> list[QdrantCollection]:
        """Those of our alias that exist now."""
        return [self._named(name) for name in self._names() if name.startswith(f"{self.alias}__")]

    def _names(self) -> list[str]:
        found = self.patiently(self.client.get_collections)
        return sorted(item.name for item in found.collections)

    def active_collection(self) -> str | None:
        """Where the alias points to."""
        with vendor_errors():
            aliases = self.client.get_aliases().aliases
        targets = {alias.alias_name: alias.collection_name for alias in aliases}
        return targets.get(self.alias)

    def prepare(self) -> None:
        active = self._checked_active()
        self.build()
        if active is None:
            self.activate()

    def open(self) -> None:
        self._checked_active()

    def _checked_active(self) -> str | None:
        active = self.active_collection()
        if active is not None and active != self.collection:
            raise SpaceMismatch(
                f"The alias {self.alias!r} in Qdrant points to vectors of the space "
                f"{self._named(active).stamp}, but the settings select {self.space}. Put the "
                "settings back, or run `manage.py reindex`: it builds the index for the new space "
                "beside the one in use and then switches over."
            )
        return active

    def build(self) -> None:
        names = self._names()
        if self.alias in names:
            raise SpaceMismatch(
                f"Qdrant has a collection named {self.alias!r} that this application did not "
                "make. Set QDRANT_COLLECTION to another name."
            )
        if self.collection not in names:
            self.own.create(self.space)
        if (stamp := self.own.stamp) != str(self.space):
            raise SpaceMismatch(
                f"The collection {self.collection} holds vectors of the space {stamp}, not "
                f"{self.space}. Delete it, or set QDRANT_COLLECTION to another name."
            )
        self.own.index_payload(again=True)

    def activate(self) -> None:
        active = self.active_collection()
        operations: list[Any] = []
        if active == self.collection:
            return
        if active is not None:
            self.own.remember_previous(active)
            old = models.DeleteAlias(alias_name=self.alias)
            operations.append(models.DeleteAliasOperation(delete_alias=old))
        new = models.CreateAlias(collection_name=self.collection, alias_name=self.alias)
        operations.append(models.CreateAliasOperation(create_alias=new))
        with vendor_errors():
            self.client.update_collection_aliases(operations)

    def previous(self) -> "QdrantIndex | None":
        active = self.active_collection()
        before = self._named(active).metadata().get("previous") if active else None
        if before is None or before not in self._names():
            return None
        return QdrantIndex(
            self.client,
            self.searches,
            alias=self.alias,
            space=space_of(self._named(before).stamp),
            fusion=self.fusion,
            patience=self.patiently.seconds,
        )

    def spare(self) -> dict[str, int]:
        kept = (self.collection, self.active_collection())
        others = [collection for collection in self.family() if collection.name not in kept]
        return {collection.name: collection.count() for collection in others}

    def drop(self, name: str) -> None:
        if name in self.spare():
            with vendor_errors():
                self.client.delete_collection(name)
            self._collections.pop(name, None)

    def faults(self) -> list[str]:
        active = self._checked_active()
        if self.collection not in self._names():
            return [f"the collection {self.collection} is missing"]
        found = [
            f"the field {field!r} has no payload index" for field in self.own.fields_without_index()
        ]
        if active is None:
            found.append(f"the alias {self.alias!r} is missing")
        return found

    # Points

    def present(self, chunk_ids: Iterable[UUID]) -> set[UUID]:
        return self.own.present(chunk_ids)

    def scroll(self, after: UUID, limit: int) -> list[StoredPoint]:
        return self.own.scroll(after, limit, self._vectors)

    def stored(self, chunk_ids: Iterable[UUID]) -> list[StoredPoint]:
        return self.own.stored(chunk_ids, self._vectors)

    @property
    def _vectors(self) -> list[str]:
        return ["dense", "bm25"] if self.space.dimension else ["bm25"]

    def count(self) -> int:
        return self.own.count() if self.collection in self._names() else 0

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        # Not live yet, whatever the row said when it was read: only `drain` knows which of two
        # writers has read it later.
        self.own.upsert(
            [replace(point, payload={**point.payload, LIVE_FIELD: False}) for point in points]
        )
        # A chunk that had its row before its point is nobody else's news.
        ids = [point.chunk_id for point in points]
        rows = Chunk.objects.filter(pk__in=ids).values_list("pk", flat=True)
        IndexChange.objects.record(list(rows))

    def delete(self, chunk_ids: Iterable[UUID]) -> None:
        self.own.delete(chunk_ids)

    def purge(self, chunk_ids: Iterable[UUID]) -> None:
        """Through the outbox, as every deletion: the rows are looked at once more."""
        IndexChange.objects.record(list(chunk_ids))
        self.drain()

    # The outbox

    def owed(self) -> int:
        return IndexChange.objects.count()

    def drain(self) -> int:
        handled = 0
        while changes := list(IndexChange.objects.values_list("pk", "chunk_id")[:BATCH_SIZE]):
            # Numbers are committed in their order, so all up to the last one have been read.
            self._converge({chunk_id for _pk, chunk_id in changes}, changes[-1][0])
            failpoint("drain.written")
            # Only now: after a failure they are still there for the next time.
            IndexChange.objects.filter(pk__in=[pk for pk, _chunk_id in changes]).delete()
            failpoint("drain.forgotten")
            handled += len(changes)
        return handled

    def _converge(self, chunk_ids: set[UUID], change: int) -> None:
        """Rows into points, in every collection of the family: the outbox is read only once.

        The family is asked for after the outbox was read. A collection that is made later gets
        its points, and a row in the outbox for each of them, later still.
        """
        payloads = current_payloads(chunk_ids)
        for collection in self.family():
            collection.delete_unless_newer(chunk_ids - payloads.keys(), change)
            failpoint("drain.deleted")
            collection.set_unless_newer(payloads, change)
            # In this order: nobody who knows less can delete a point that was just written.
            missing = payloads.keys() - collection.present(payloads)
            if missing:
                self._unverify(missing, collection.name)

    def _unverify(self, chunk_ids: set[UUID], collection: str) -> None:
        """The documents count as unfinished from now on: their next run embeds what is missing."""
        documents = Document.objects.filter(chunks__in=chunk_ids).exclude(space="")
        for space in set(documents.values_list("space", flat=True)):
            if self._name(space) == collection:
                lost = documents.filter(space=space).values_list("pk", flat=True)
                Document.objects.filter(pk__in=list(lost), space=space).update(space="")

    # Searching

    async def search(self, query: IndexQuery, *, limit: int) -> list[IndexHit]:
        if self.searches is None:
            return await asyncio.to_thread(self.search_now, query, limit)
        requests = search_requests(query, self.fusion, limit, params=EXACT_SCORES)
        if not requests:
            return []
        found = await self.searches.query_batch(self.collection, requests)
        try:
            return hits(found)
        except (LookupError, TypeError, ValueError):
            raise IndexUnavailable(UNREADABLE, code="broken_reply") from None

    def search_now(self, query: IndexQuery, limit: int) -> list[IndexHit]:
        return self.own.search_now(query, limit, self.fusion)


def space_of(stamp: str) -> EmbeddingSpace:
    """What `str(space)` was made from; a model's name may hold slashes."""
    provider, _, rest = stamp.partition("/")
    model, dimension, chunker = rest.rsplit("/", 2)
    return EmbeddingSpace(provider, model, int(dimension), int(chunker.removeprefix("c")))
