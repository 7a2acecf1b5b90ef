"""Updates of points as they are said on Qdrant's wire, checked, for the engine."""

from typing import Any

import qdrant_edge as edge

from tests.standins.qdrant_queries import edge_filter
from tests.standins.qdrant_store import Collection
from tests.standins.qdrant_values import (
    Fields,
    Json,
    edge_point,
    invalid,
    malformed,
    point_id,
    read,
    unsupported,
)

Update = edge.UpdateOperation
UPDATE_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}
SELECTED: Fields = {"points": list, "filter": dict}
UPSERT: Fields = {"points": list, "update_filter": dict, "update_mode": str}


def read_update(operation: Any, collection: Collection) -> Any:
    """One entry of a batch, `{"upsert": …}` and the like, as the engine's; checked."""
    match operation:
        case {"upsert": body}:
            return upsert_of(body, collection)
        case {"delete": body}:
            return selected("delete_points", read(body, SELECTED), collection)
        case {"set_payload": body} | {"overwrite_payload": body}:
            (kind,) = operation
            asked = read(body, {**SELECTED, "payload": dict, "key": str}, "payload")
            return selected(kind, asked, collection, asked["payload"], asked.get("key"))
        case {"delete_payload": body}:
            asked = read(body, {**SELECTED, "keys": list}, "keys")
            return selected("delete_payload", asked, collection, asked["keys"])
    raise unsupported(f"the update {str(operation)[:80]}")


def upsert_of(body: Any, collection: Collection) -> Any:
    asked = read(body, UPSERT, "points")
    mode = asked.get("update_mode", "upsert")
    if mode not in UPDATE_MODES:
        raise malformed(f"unknown update_mode {mode!r}")
    collection.strict_mode.check_limit("upsert_max_batchsize", len(asked["points"]), "upsert limit")
    return Update.upsert_points(
        [edge_point(point, collection.kinds) for point in asked["points"]],
        condition=edge_filter(asked.get("update_filter")),
        update_mode=UPDATE_MODES[mode],
    )


def selected(operation: str, asked: Json, collection: Collection, *arguments: Any) -> Any:
    """Of the points that are meant: by a filter, or by their ids."""
    if "filter" in asked:
        chosen = edge_filter(asked["filter"])
        collection.strict_mode.check_update(asked["filter"])
        return getattr(Update, f"{operation}_by_filter")(chosen, *arguments)
    if "points" not in asked:
        raise invalid("points", "either points or filter must be given")
    ids = [point_id(value) for value in asked["points"]]
    return getattr(Update, operation)(ids, *arguments)
