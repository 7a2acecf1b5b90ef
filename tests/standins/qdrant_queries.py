"""Filters and queries as they are said on Qdrant's wire, for the engine."""

from typing import Any

import numpy as np
import qdrant_edge as edge

from tests.standins.qdrant_values import (
    NUMBER,
    SOME,
    Fields,
    Json,
    edge_vector,
    listed,
    malformed,
    point_id,
    positive,
    read,
    unsupported,
)

# --- Filters ----------------------------------------------------------------------------------

FILTER: Fields = {"must": SOME, "should": SOME, "must_not": SOME, "min_should": dict}
FIELD: Fields = {
    "key": str, "match": dict, "range": dict, "values_count": dict, "is_empty": bool,
    "is_null": bool,
}  # fmt: skip
BOUNDS: Fields = {"lt": NUMBER, "gt": NUMBER, "lte": NUMBER, "gte": NUMBER}


def edge_filter(asked: Any) -> edge.Filter | None:
    if asked is None:
        return None
    parts = read(asked, FILTER)
    least = None
    if "min_should" in parts:
        said = read(parts["min_should"], {"conditions": list, "min_count": int}, "min_count")
        least = edge.MinShould(conditions(said.get("conditions", [])), said["min_count"])
    return edge.Filter(
        must=conditions(parts.get("must")),
        should=conditions(parts.get("should")),
        must_not=conditions(parts.get("must_not")),
        min_should=least,
    )


def conditions(asked: Any) -> list[Any] | None:
    return None if asked is None else [condition(one) for one in listed(asked)]


def condition(asked: Any) -> Any:
    match asked:
        case {"key": _}:
            return field_condition(read(asked, FIELD))
        case {"has_id": [*ids]}:
            return edge.HasIdCondition({point_id(value) for value in ids})
        case {"has_vector": str(name)}:
            return edge.HasVectorCondition(name)
        case {"is_empty": {"key": str(key)}}:
            return edge.IsEmptyCondition(key)
        case {"is_null": {"key": str(key)}}:
            return edge.IsNullCondition(key)
        case {"nested": {"key": str(key), "filter": inner}}:
            return edge.NestedCondition(key, edge_filter(inner))
    return edge_filter({} if asked is None else asked)


def field_condition(asked: Json) -> edge.FieldCondition:
    said = {name: asked.get(name) for name in ("is_empty", "is_null")}
    if "match" in asked:
        said["match"] = edge_match(asked["match"])
    if "range" in asked:
        bounds = read(asked["range"], {name: (*kind, str) for name, kind in BOUNDS.items()})
        if any(isinstance(bound, str) for bound in bounds.values()):
            raise unsupported("ranges of dates")
        said["range"] = edge.RangeFloat(**bounds)
    if "values_count" in asked:
        said["values_count"] = edge.ValuesCount(**read(asked["values_count"], BOUNDS))
    return edge.FieldCondition(asked["key"], **said)


MATCH: Fields = {"value": (str, int, bool), "any": list, "except": list, "text": str}


def edge_match(asked: Json) -> Any:
    match list(read(asked, MATCH).items()):
        case [("value", bool(value))]:
            # The binding tries integers before booleans, and takes True for 1 and so for no match.
            # A boolean of numpy is no integer to it.
            return edge.MatchValue(np.bool_(value))
        case [("value", value)]:
            return edge.MatchValue(value)
        case [("any", values)]:
            return edge.MatchAny(values)
        case [("except", values)]:
            return edge.MatchExcept(values)
        case [("text", text)]:
            return edge.MatchText(text)
    raise malformed("a match has one of value, any, except and text")


# --- Queries ----------------------------------------------------------------------------------

PREFETCH: Fields = {
    "prefetch": SOME, "query": (list, dict, str, int), "using": str, "filter": dict,
    "params": dict, "score_threshold": NUMBER, "limit": int,
}  # fmt: skip
QUERY: Fields = {
    **PREFETCH, "offset": int, "with_vector": (bool, list), "with_payload": (bool, list, dict),
}  # fmt: skip
PARAMS: Fields = {
    "hnsw_ef": int, "exact": bool, "quantization": dict, "indexed_only": bool, "idf": (str, dict),
}  # fmt: skip
QUANTIZATION: Fields = {"ignore": bool, "rescore": bool, "oversampling": NUMBER}


def edge_query(body: Any) -> edge.QueryRequest:
    asked = read(body, QUERY)
    return edge.QueryRequest(
        offset=asked.get("offset"),
        with_payload=payload_selector(asked.get("with_payload", False)),
        with_vector=asked.get("with_vector", False),
        **search(asked),
    )


def search(asked: Json) -> Json:
    """What a query and a prefetch have in common."""
    return {
        "limit": positive("limit", asked.get("limit", 10)),
        "query": scoring(asked.get("query"), asked.get("using")),
        "prefetches": [
            edge.Prefetch(**search(read(part, PREFETCH)))
            for part in listed(asked.get("prefetch", []))
        ],
        "filter": edge_filter(asked.get("filter")),
        "score_threshold": asked.get("score_threshold"),
        "params": search_params(asked.get("params")),
    }


def scoring(asked: Any, using: str | None) -> Any:
    match asked:
        case None:
            return None
        case [*_] | {"indices": _, "values": _}:
            return edge.Query.Nearest(edge_vector(using or "", asked), using=using)
        case {"nearest": _}:
            return scoring(read(asked, {"nearest": SOME})["nearest"], using)
        case {"fusion": "dbsf"}:
            return edge.Fusion.Dbsf()
        case {"fusion": "rrf"}:
            return edge.Fusion.Rrf(k=2)
        case {"rrf": weighing}:
            return edge.Fusion.Rrf(**{"k": 2, **read(weighing, {"k": int, "weights": list})})
    raise unsupported(f"the query {str(asked)[:80]}")


def search_params(asked: Any) -> edge.SearchParams | None:
    if asked is None:
        return None
    params = read(asked, PARAMS)
    if "quantization" in params:
        said = read(params["quantization"], QUANTIZATION)
        params["quantization"] = edge.QuantizationSearchParams(**said)
    corpus = idf_corpus(params)
    params["idf"] = corpus and edge.IdfParams(edge_filter(corpus))
    return edge.SearchParams(**params)


def idf_corpus(params: Json | None) -> Json | None:
    match params:
        case {"idf": {"corpus": dict(corpus)}}:
            return corpus
    return None


def payload_selector(asked: Any) -> Any:
    match asked:
        case {"include": [*keys]}:
            return edge.PayloadSelector.Include(keys)
        case {"exclude": [*keys]}:
            return edge.PayloadSelector.Exclude(keys)
        case {}:
            raise malformed("with_payload has include or exclude")
    return asked
