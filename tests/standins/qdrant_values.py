"""What is said on Qdrant's wire, read and refused; points, to the engine and back.

Read by hand, not by qdrant-client's schema: that takes seconds to import, at every start of a
process that is made to be killed, and the client should not be examined by its own book. A field
that Qdrant does not know is a 400; one that only this stand-in does not know is a 501.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import qdrant_edge as edge

Json = dict[str, Any]
Fields = Mapping[str, type | tuple[type, ...]]
SOME = (list, dict)  # one may stand without a list around it
NUMBER = (int, float)

NOT_HERE = {
    "acorn", "batch", "geo_bounding_box", "geo_polygon", "geo_radius", "lookup_from", "mmr",
    "multivector_config", "order_by", "phrase", "prefix", "shard_key", "slice", "substring",
    "text_any",
}  # fmt: skip


class Refusal(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message


class WrongInput(Refusal):
    """Of the right form, but not for this collection: found when it is applied, not before."""

    def __init__(self, reason: str):
        super().__init__(400, f"Wrong input: {reason}")


def unsupported(what: object) -> Refusal:
    return Refusal(501, f"The stand-in for Qdrant does not know {what}")


def malformed(reason: str) -> Refusal:
    return Refusal(400, f"Format error in JSON body: {reason}")


def invalid(field: str, reason: str) -> Refusal:
    return Refusal(422, f"Validation error in JSON body: [{field}: {reason}]")


def read(body: Any, known: Fields, *required: str) -> Json:
    """The body without nulls, after it was held against its schema."""
    if not isinstance(body, dict):
        raise malformed(f"invalid type: {type(body).__name__}, expected a map")
    given = {name: value for name, value in body.items() if value is not None}
    for name, value in given.items():
        if name not in known:
            raise (
                unsupported(f"`{name}`")
                if name in NOT_HERE
                else malformed(f"unknown field `{name}`, expected one of {', '.join(known)}")
            )
        if not isinstance(value, known[name]):
            raise malformed(f"{name}: invalid type: {type(value).__name__}")
    for name in required:
        if name not in given:
            raise malformed(f"missing field `{name}`")
    return given


def positive(name: str, value: int) -> int:
    if value < 1:
        raise invalid(name, f"value {value} invalid, must be 1 or larger")
    return value


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- Points -----------------------------------------------------------------------------------


def point_id(value: Any) -> int | UUID:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, UUID):
        return value
    try:
        if isinstance(value, str):
            return UUID(value)
    except ValueError:
        pass
    raise malformed(
        f"value {value} is not a valid point ID, valid values are either an unsigned integer or a "
        "UUID"
    )


VectorKinds = Mapping[str, int | None]  # by name: the size of a dense one, None of a sparse one
POINT: Fields = {"id": (int, str), "vector": SOME, "payload": dict}


def edge_point(point: Any, kinds: VectorKinds) -> edge.Point:
    given = read(point, POINT, "id", "vector")
    vectors = edge_vectors(given["vector"])
    check_vectors(vectors, kinds)
    return edge.Point(point_id(given["id"]), vectors, given.get("payload"))


def edge_vectors(vector: Any) -> Any:
    if isinstance(vector, dict):
        return {name: edge_vector(name, value) for name, value in vector.items()}
    return edge_vector("", vector)


def check_vectors(vectors: Any, kinds: VectorKinds) -> None:
    """Before the engine has them. It refuses them too, but after it has written the update to its
    log; of a refused update some points are there after the next start."""
    for name, vector in (vectors if isinstance(vectors, dict) else {"": vectors}).items():
        if name not in kinds:
            raise WrongInput(f"Not existing vector name error: {name}")
        size = kinds[name]
        if isinstance(vector, list) == (size is None):
            raise WrongInput("Conversion between sparse and regular vectors failed")
        if size is not None and len(vector) != size:
            raise WrongInput(f"Vector dimension error: expected dim: {size}, got {len(vector)}")


def edge_vector(name: str, value: Any) -> Any:
    if isinstance(value, list):
        try:
            finite = math.isfinite(math.fsum(value))
        except (TypeError, OverflowError):  # several vectors for one point, or no numbers at all
            finite = False
        if not finite:
            raise malformed(f"{name!r} is not a list of numbers")
        return value
    try:
        return sparse_vector(name, value["indices"], value["values"])
    except (KeyError, TypeError, OverflowError) as error:
        raise malformed(f"{name!r} is not a vector") from error


def sparse_vector(name: str, indices: Sequence[int], values: Sequence[float]) -> edge.SparseVector:
    """Checked here, as the server's front does: the engine itself panics, at every start anew."""
    if len(indices) != len(values):
        raise invalid(f"{name}.values", "must be the same length as indices")
    if len(set(indices)) != len(indices):
        raise invalid(f"{name}.indices", "must be unique")
    return edge.SparseVector(indices, values)


def record_json(record: Any) -> Json:
    """Of a Record or a ScoredPoint; what was not asked for is left out, as the server does."""
    identity = record.id
    found: Json = {"id": str(identity) if isinstance(identity, UUID) else identity}
    if isinstance(record, edge.ScoredPoint):
        found |= {"version": record.version, "score": record.score}
    if record.payload is not None:
        found["payload"] = record.payload
    if record.vector is not None:
        found["vector"] = vector_json(record.vector)
    if record.order_value is not None:
        found["order_value"] = record.order_value
    return found


def vector_json(vector: Any) -> Any:
    if isinstance(vector, Mapping):
        return {name: vector_json(value) for name, value in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return {"indices": list(vector.indices), "values": list(vector.values)}
    return vector
