"""One process's private replica: Qdrant's own engine in a temporary folder."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from documents.embedding.base import EmbeddingSpace, Vector
from documents.index.base import (
    IndexHit,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    ranked,
    weight_of_dense,
)
from documents.index.payload import KEYWORD_FIELDS, conditions
from documents.scope import Scope


class EdgeReplica:
    """Holds live chunks only, so `live` is no condition here. Any thread may search or write."""

    def __init__(self, space: EmbeddingSpace, fusion: str):
        self.fusion: Any = edge.Fusion.Dbsf() if fusion == "dbsf" else edge.Fusion.Rrf(k=60)
        folder = tempfile.mkdtemp(prefix="ragsite-index-")
        weakref.finalize(self, remove, folder, os.getpid())
        dense = edge.EdgeVectorParams(size=space.dimension, distance=edge.Distance.Cosine)
        self.shard = edge.EdgeShard.create(
            folder,
            edge.EdgeConfig(
                vectors={"dense": dense} if space.dimension else None,
                sparse_vectors={"bm25": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
                wal_enabled=False,  # the rows are durable; this folder is thrown away
            ),
        )
        for field in KEYWORD_FIELDS:
            self._update(
                edge.UpdateOperation.create_field_index(field, edge.PayloadSchemaType.Keyword)
            )

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        if points:
            self._update(
                edge.UpdateOperation.upsert_points([edge_point(point) for point in points])
            )

    def delete(self, chunk_ids: Iterable[UUID]) -> None:
        ids: list[Any] = list(chunk_ids)
        if ids:
            self._update(edge.UpdateOperation.delete_points(ids))

    def search_now(self, query: IndexQuery, limit: int) -> list[IndexHit]:
        must = edge_filter(conditions(query.scope))
        searches: list[dict[str, Any]] = []
        if query.dense is not None:
            dense = edge.Query.Nearest(dense_vector(query.dense), using="dense")
            searches += [{"query": dense, "filter": must}] * weight_of_dense(query)
        if query.sparse.indices:
            words = edge.Query.Nearest(edge_sparse(query), using="bm25")
            searches.append({"query": words, "filter": must, "params": idf_within(query.scope)})
        if not searches:
            return []
        if len(searches) == 1:
            request = edge.QueryRequest(limit=limit, **searches[0])
        else:
            request = edge.QueryRequest(
                limit=limit,
                query=self.fusion,
                prefetches=[edge.Prefetch(2 * limit, **search) for search in searches],
            )
        found = self._query(request)
        similarities = self._similarities(query.dense, [point.id for point in found])
        return ranked(
            IndexHit(point.id, point.score, similarities.get(point.id)) for point in found
        )

    def _similarities(self, dense: Vector | None, ids: list[UUID]) -> dict[UUID, float]:
        """The cosine of every hit. In the process a second look costs less than a deeper first."""
        if dense is None or not ids:
            return {}
        request = edge.QueryRequest(
            limit=len(ids),
            query=edge.Query.Nearest(dense_vector(dense), using="dense"),
            filter=edge.Filter(must=[edge.HasIdCondition(set(ids))]),
        )
        return {point.id: point.score for point in self._query(request)}

    # The engine raises bare Exception for whatever goes wrong in it.

    def _update(self, operation: Any) -> None:
        try:
            self.shard.update(operation)
        except Exception as error:
            raise IndexUnavailable(f"The embedded index could not be written: {error}") from error

    def _query(self, request: Any) -> list[Any]:
        try:
            return self.shard.query(request)
        except Exception as error:
            raise IndexUnavailable(f"The embedded index could not be searched: {error}") from error


def edge_point(point: IndexPoint) -> "edge.Point":
    sparse = edge.SparseVector(list(point.sparse.indices), list(point.sparse.values))
    vectors: dict[str, Any] = {"bm25": sparse}
    if point.dense is not None:
        vectors["dense"] = dense_vector(point.dense)
    return edge.Point(point.chunk_id, vectors, dict(point.payload))


def dense_vector(vector: Vector) -> Any:
    """The engine takes arrays, which its annotations do not say; a list would cost more."""
    return vector


def edge_sparse(query: IndexQuery) -> "edge.SparseVector":
    return edge.SparseVector(list(query.sparse.indices), list(query.sparse.values))


def edge_filter(required: Mapping[str, list[str]]) -> "edge.Filter":
    return edge.Filter(
        must=[
            edge.FieldCondition(field, match=edge.MatchAny(values))
            for field, values in required.items()
        ]
    )


def idf_within(scope: Scope) -> "edge.SearchParams":
    """As in the requests to a server: words are weighed by the caller's own corpora."""
    corpora = edge_filter(conditions(Scope(scope.corpora)))
    return edge.SearchParams(idf=edge.IdfParams(corpora))


def remove(folder: str, owner: int) -> None:
    # A forked child inherits the finalizer, but the folder is its parent's.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
