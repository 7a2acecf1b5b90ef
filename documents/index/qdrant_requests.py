"""Our values as Qdrant's interface has them, its answers as ours."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from qdrant_client import models

from documents.index.base import IndexHit, IndexPoint, IndexQuery, ranked, weight_of_dense
from documents.index.payload import LIVE_FIELD, conditions
from documents.index.sparse import SparseVector
from documents.scope import Scope

Json = dict[str, Any]

# Originals are on disk, int8 copies in memory: what the copies find is scored by the originals.
EXACT_SCORES: Json = {"quantization": {"rescore": True}}


def point_struct(point: IndexPoint) -> models.PointStruct:
    terms = models.SparseVector(**sparse_vector(point.sparse))
    vectors: dict[str, Any] = {"bm25": terms}
    if point.dense is not None:
        vectors["dense"] = point.dense.tolist()
    return models.PointStruct(id=str(point.chunk_id), vector=vectors, payload=dict(point.payload))


def sparse_vector(terms: SparseVector) -> Json:
    return {"indices": list(terms.indices), "values": list(terms.values)}


def search_filter(required: Mapping[str, list[str]]) -> Json:
    live = {"key": LIVE_FIELD, "match": {"value": True}}
    narrowing = [{"key": field, "match": {"any": values}} for field, values in required.items()]
    return {"must": [live, *narrowing]}


def idf_within(scope: Scope) -> Json:
    """How rare a word is, is counted in the caller's corpora: another tenant's texts, perhaps in
    another language, have no say in it and leave no trace. (Qdrant 1.19 and later; an older
    server counts in all of the collection.)"""
    return {"idf": {"corpus": search_filter(conditions(Scope(scope.corpora)))}}


def search_requests(
    query: IndexQuery, fusion: str, limit: int, *, params: Json | None
) -> list[Json]:
    """The hybrid query; and, in the same round trip, the dense ranking for its cosines."""
    must, depth = search_filter(conditions(query.scope)), 2 * limit
    searches: list[Json] = []
    if query.dense is not None:
        dense = {"query": query.dense.tolist(), "using": "dense"}
        dense |= {"params": params} if params else {}
        searches += [dense] * weight_of_dense(query)
    if query.sparse.indices:
        terms = sparse_vector(query.sparse)
        searches.append({"query": terms, "using": "bm25", "params": idf_within(query.scope)})
    if not searches or not query.scope.corpora:
        return []
    if len(searches) == 1:
        found: Json = {**searches[0], "filter": must, "limit": limit}
    else:
        found = {
            "prefetch": [{**search, "filter": must, "limit": depth} for search in searches],
            "query": {"fusion": "dbsf"} if fusion == "dbsf" else {"rrf": {"k": 60}},
            "limit": limit,
        }
    if query.dense is None:
        return [found]
    return [found, {**searches[0], "filter": must, "limit": depth}]


def hits(responses: Sequence[Json]) -> list[IndexHit]:
    """Of the answers to `search_requests`, in its order; raises LookupError, TypeError or
    ValueError if they are none."""
    found, *dense = responses
    cosines = {point["id"]: point["score"] for answer in dense for point in answer["points"]}
    return ranked(
        IndexHit(UUID(str(point["id"])), float(point["score"]), cosines.get(point["id"]))
        for point in found["points"]
    )
