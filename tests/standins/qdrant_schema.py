"""Collections and payload indexes as they are said on Qdrant's wire, for the engine."""

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from tests.standins.qdrant_values import (
    NUMBER,
    Fields,
    Json,
    VectorKinds,
    malformed,
    positive,
    read,
    unsupported,
)

COLLECTION: Fields = {
    "vectors": dict, "sparse_vectors": dict, "on_disk_payload": bool, "hnsw_config": dict,
    "optimizers_config": dict, "wal_config": dict, "quantization_config": dict,
    "strict_mode_config": dict, "metadata": dict, "shard_number": int, "replication_factor": int,
    "write_consistency_factor": int, "sharding_method": str,
}  # fmt: skip
VECTOR: Fields = {
    "size": int, "distance": str, "on_disk": bool, "quantization_config": dict,
    "hnsw_config": dict, "datatype": str,
}  # fmt: skip
SPARSE: Fields = {"modifier": str, "index": dict}
INT8: Fields = {"type": str, "quantile": NUMBER, "always_ram": bool}


def edge_config(asked: Json) -> edge.EdgeConfig:
    dense = asked.get("vectors", {})
    named = {"": dense} if "size" in dense else dense
    sparse = {name: edge_sparse(said) for name, said in asked.get("sparse_vectors", {}).items()}
    if not named and not sparse:  # allowed on a server, not in the engine
        sparse = {"(nothing)": edge.EdgeSparseVectorParams()}
    return edge.EdgeConfig(
        vectors={name: edge_dense(said) for name, said in named.items()},
        sparse_vectors=sparse,
        on_disk_payload=asked.get("on_disk_payload"),
    )


def vector_kinds(config: Json) -> VectorKinds:
    dense = config.get("vectors", {})
    named = {"": dense} if "size" in dense else dense
    return {name: said["size"] for name, said in named.items()} | dict.fromkeys(
        config.get("sparse_vectors", {})
    )


def edge_dense(body: Any) -> edge.EdgeVectorParams:
    asked = read(body, VECTOR, "size", "distance")
    distance = getattr(edge.Distance, asked["distance"], None)
    if distance is None:
        raise malformed(f"unknown distance {asked['distance']!r}")
    if asked.get("datatype", "float32") != "float32":
        raise unsupported("vectors of other numbers than float32")
    return edge.EdgeVectorParams(
        size=positive("size", asked["size"]),
        distance=distance,
        on_disk=asked.get("on_disk"),
        quantization_config=edge_int8(asked.get("quantization_config")),
    )


def edge_int8(asked: Json | None) -> edge.ScalarQuantizationConfig | None:
    if asked is None:
        return None
    if "scalar" not in asked:
        raise unsupported(f"the quantization {', '.join(asked)}")
    said = read(asked["scalar"], INT8, "type")
    return edge.ScalarQuantizationConfig(**{**said, "type": edge.ScalarType.Int8})


def edge_sparse(body: Any) -> edge.EdgeSparseVectorParams:
    asked = read(body, SPARSE)
    return edge.EdgeSparseVectorParams(
        modifier=edge.Modifier.Idf if asked.get("modifier") == "idf" else None
    )


INDEX_PARAMS: dict[str, Callable[..., Any]] = {
    "keyword": edge.KeywordIndexParams,
    "integer": edge.IntegerIndexParams,
    "float": edge.FloatIndexParams,
    "bool": edge.BoolIndexParams,
    "uuid": edge.UuidIndexParams,
}


def edge_schema(asked: str | Json) -> Any:
    options = {"type": asked} if isinstance(asked, str) else dict(asked)
    kind = options.pop("type", None)
    if kind not in INDEX_PARAMS:
        raise unsupported(f"payload indexes of the type {kind!r}")
    try:
        return INDEX_PARAMS[kind](**options)
    except TypeError as error:
        raise malformed(f"field_schema: {error}") from error


def schema_json(info: Any) -> Json:
    """What the engine says of a payload index: its type and the options that were given."""
    kind = next(n for n in dir(edge.PayloadSchemaType) if info.data_type == _schema_type(n))
    found = {"type": kind.lower()}
    for name in dir(info.params) if info.params is not None else ():
        value = None if name.startswith("_") else getattr(info.params, name)
        if isinstance(value, bool | str):
            found[name] = value
    return found


def _schema_type(name: str) -> Any:
    return None if name.startswith("_") else getattr(edge.PayloadSchemaType, name)
