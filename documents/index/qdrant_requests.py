"""Our values as qdrant-client's, its answers as ours, its errors as IndexUnavailable."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from qdrant_client import models
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from documents.index.base import (
    IndexHit,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    ranked,
    weight_of_dense,
)
from documents.index.payload import LIVE_FIELD, conditions
from documents.index.sparse import SparseVector
from documents.scope import Scope

# Originals are on disk, int8 copies in memory: what the copies find is scored by the originals.
EXACT_SCORES = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True))


def point_struct(point: IndexPoint) -> models.PointStruct:
    vectors: dict[str, Any] = {"bm25": sparse_vector(point.sparse)}
    if point.dense is not None:
        vectors["dense"] = point.dense.tolist()
    return models.PointStruct(id=str(point.chunk_id), vector=vectors, payload=dict(point.payload))


def sparse_vector(terms: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(terms.indices), values=list(terms.values))


def search_filter(required: Mapping[str, list[str]]) -> models.Filter:
    live = models.FieldCondition(key=LIVE_FIELD, match=models.MatchValue(value=True))
    narrowing = [
        models.FieldCondition(key=field, match=models.MatchAny(any=values))
        for field, values in required.items()
    ]
    return models.Filter(must=[live, *narrowing])


def idf_within(scope: Scope) -> models.SearchParams:
    """How rare a word is, is counted in the caller's corpora: another tenant's texts, perhaps in
    another language, have no say in it and leave no trace. (Qdrant 1.19 and later; an older
    server counts in all of the collection.)"""
    corpora = search_filter(conditions(Scope(scope.corpora)))
    return models.SearchParams(idf=models.IdfCorpusParams(corpus=corpora))


def search_requests(
    query: IndexQuery, fusion: str, limit: int, *, params: models.SearchParams | None
) -> list[models.QueryRequest]:
    """The hybrid query; and, in the same round trip, the dense ranking for its cosines."""
    must, depth = search_filter(conditions(query.scope)), 2 * limit
    searches: list[dict[str, Any]] = []
    if query.dense is not None:
        dense = {"query": query.dense.tolist(), "using": "dense", "params": params}
        searches += [dense] * weight_of_dense(query)
    if query.sparse.indices:
        terms = sparse_vector(query.sparse)
        searches.append({"query": terms, "using": "bm25", "params": idf_within(query.scope)})
    if not searches or not query.scope.corpora:
        return []
    if len(searches) == 1:
        found = models.QueryRequest(**searches[0], filter=must, limit=limit)
    else:
        found = models.QueryRequest(
            prefetch=[models.Prefetch(**search, filter=must, limit=depth) for search in searches],
            query=fusion_query(fusion),
            limit=limit,
        )
    if query.dense is None:
        return [found]
    return [found, models.QueryRequest(**searches[0], filter=must, limit=depth)]


def fusion_query(fusion: str) -> models.FusionQuery | models.RrfQuery:
    if fusion == "dbsf":
        return models.FusionQuery(fusion=models.Fusion.DBSF)
    return models.RrfQuery(rrf=models.Rrf(k=60))


def hits(responses: Sequence[models.QueryResponse]) -> list[IndexHit]:
    """Of the answers to `search_requests`, in its order."""
    found, *dense = responses
    cosines = {point.id: point.score for response in dense for point in response.points}
    return ranked(
        IndexHit(UUID(str(point.id)), point.score, cosines.get(point.id)) for point in found.points
    )


@contextmanager
def vendor_errors() -> Iterator[None]:
    """The client's unrelated families of exceptions, as one. No key is in any of the messages."""
    try:
        yield
    except ResourceExhaustedResponse as error:
        message = f"Qdrant asks to wait {error.retry_after_s} s: its rate limit is reached."
        raise IndexUnavailable(message) from error
    except UnexpectedResponse as error:
        raise IndexUnavailable(refusal(error)) from error
    except ResponseHandlingException as error:
        reason = type(error.source).__name__
        raise IndexUnavailable(f"Qdrant did not answer ({reason}).") from error
    except QdrantException as error:
        raise IndexUnavailable("Qdrant's rate limit is reached.") from error
    except (json.JSONDecodeError, AssertionError) as error:
        raise IndexUnavailable("Qdrant's answer could not be read.") from error
    except (ValueError, KeyError) as error:  # the in-memory client's way to refuse
        raise IndexUnavailable(f"Qdrant refused: {error}") from error


def refusal(error: UnexpectedResponse) -> str:
    if error.status_code in (401, 403):
        return f"Qdrant refused the API key ({error.status_code}). Check QDRANT_API_KEY."
    if error.status_code == 404:
        return "The collection does not exist in Qdrant yet. Ingest something first."
    reason = error.content.decode("utf-8", "replace")
    try:
        reason = json.loads(reason)["status"]["error"]
    except (ValueError, LookupError, TypeError):
        reason = "no reason given"  # plain text or a proxy's HTML
    return f"Qdrant answered {error.status_code}: {str(reason)[:300]}"
