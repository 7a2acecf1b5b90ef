"""The calls of Qdrant's REST interface that the application makes: arguments in, `result` out."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from tests.standins.qdrant_queries import edge_filter, edge_query, payload_selector
from tests.standins.qdrant_schema import COLLECTION, edge_config, edge_schema
from tests.standins.qdrant_store import Collection, Store
from tests.standins.qdrant_updates import read_update
from tests.standins.qdrant_values import (
    Fields,
    Json,
    Refusal,
    WrongInput,
    point_id,
    positive,
    read,
    record_json,
)

# As Qdrant Cloud has it for new collections.
CLOUD = {
    "enabled": True, "unindexed_filtering_retrieve": False, "unindexed_filtering_update": False,
}  # fmt: skip
SHOWN: Fields = {"with_payload": (bool, list, dict), "with_vector": (bool, list)}


@dataclass(frozen=True)
class Call:
    """`path` holds what the route names: the collection, the field."""

    body: Any = None
    path: Json = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        return self.query.get("wait", "false") == "true"


class QdrantApi:
    """A method for each operation in `qdrant_routes`."""

    def __init__(self, store: Store, *, cloud: bool):
        self.store, self.cloud = store, cloud

    # Collections and aliases

    def list_collections(self, call: Call) -> Json:
        return {"collections": [{"name": name} for name in sorted(self.store.collections)]}

    def collection_exists(self, call: Call) -> Json:
        name = call.path["collection"]
        return {"exists": self.store.aliases.get(name, name) in self.store.collections}

    def create_collection(self, call: Call) -> bool:
        config = read(call.body, COLLECTION)
        if self.cloud:
            config = {"strict_mode_config": CLOUD, **config}
        self.store.create(call.path["collection"], edge_config(config), config)
        return True

    def update_collection(self, call: Call) -> bool:
        """Metadata and the strict mode; whatever else may change has no effect on this engine."""
        asked = read(call.body, {**COLLECTION, "params": dict})
        collection = self.store.get(call.path["collection"])
        config = dict(collection.config)
        for setting in ("metadata", "strict_mode_config"):
            if setting in asked:
                config[setting] = merged(config.get(setting) or {}, asked[setting])
        self.store.configure(collection.name, config)
        return True

    def delete_collection(self, call: Call) -> bool:
        return self.store.delete(call.path["collection"])

    def get_collection(self, call: Call) -> Json:
        collection = self.store.get(call.path["collection"])
        with collection.reading() as shard:
            info = shard.info()
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": info.indexed_vectors_count,
            "points_count": info.points_count,
            "segments_count": info.segments_count,
            "config": config_json(collection.config),
            "payload_schema": {
                name: {
                    "data_type": schema["type"],
                    **({"params": schema} if len(schema) > 1 else {}),
                    "points": info.payload_schema[name].points,
                }
                for name, schema in collection.schema.items()
            },
        }

    def list_aliases(self, call: Call) -> Json:
        return {
            "aliases": [
                {"alias_name": alias, "collection_name": name}
                for alias, name in sorted(self.store.aliases.items())
                if call.path.get("collection", name) == name
            ]
        }

    def update_aliases(self, call: Call) -> bool:
        self.store.change_aliases(read(call.body, {"actions": list}, "actions")["actions"])
        return True

    def create_index(self, call: Call) -> Json:
        asked = read(call.body, {"field_name": str, "field_schema": (str, dict)}, "field_name")
        schema = edge_schema(asked.get("field_schema") or {})
        return done(call, self._collection(call).create_index(asked["field_name"], schema))

    def delete_index(self, call: Call) -> Json:
        return done(call, self._collection(call).delete_index(call.path["field"]))

    # Reading points

    def retrieve(self, call: Call) -> list[Json]:
        asked = read(call.body, {"ids": list, **SHOWN}, "ids")
        ids = [point_id(value) for value in asked["ids"]]
        shown = payload_selector(asked.get("with_payload", True))
        with self._collection(call).reading() as shard:
            found = shard.retrieve(ids, shown, asked.get("with_vector", False))
        return [record_json(record) for record in found]

    def scroll(self, call: Call) -> Json:
        asked = read(call.body, {"offset": (int, str), "limit": int, "filter": dict, **SHOWN})
        limit = positive("limit", asked.get("limit", 10))
        request = edge.ScrollRequest(
            offset=point_id(asked["offset"]) if "offset" in asked else None,
            limit=limit,
            filter=edge_filter(asked.get("filter")),
            with_payload=payload_selector(asked.get("with_payload", True)),
            with_vector=asked.get("with_vector", False),
        )
        collection = self._collection(call)
        collection.strict_mode.check_limit("max_query_limit", limit, "limit")
        collection.strict_mode.check_read(asked.get("filter"))
        with collection.reading() as shard:
            records, following = shard.scroll(request)
        return {
            "points": [record_json(record) for record in records],
            "next_page_offset": str(following) if isinstance(following, UUID) else following,
        }

    def count(self, call: Call) -> Json:
        asked = read(call.body, {"filter": dict, "exact": bool})
        request = edge.CountRequest(True, edge_filter(asked.get("filter")))
        collection = self._collection(call)
        collection.strict_mode.check_read(asked.get("filter"))
        with collection.reading() as shard:
            return {"count": shard.count(request)}

    def query(self, call: Call) -> Json:
        (found,) = self._queries(call, [call.body])
        return found

    def query_batch(self, call: Call) -> list[Json]:
        asked = read(call.body, {"searches": list}, "searches")["searches"]
        strict_mode = self._collection(call).strict_mode
        strict_mode.check_limit("search_max_batchsize", len(asked), "search batch size")
        return self._queries(call, asked) if asked else []

    def _queries(self, call: Call, asked: list[Json]) -> list[Json]:
        queries = [edge_query(query) for query in asked]
        collection = self._collection(call)
        for query in asked:
            collection.strict_mode.check_query(query)
        with collection.reading() as shard:
            answers = shard.query_batch(edge.QueryBatchRequest(queries))
        return [{"points": [record_json(point) for point in points]} for points in answers]

    # Writing points

    def upsert(self, call: Call) -> Json:
        return self._update(call, {"upsert": call.body})

    def delete(self, call: Call) -> Json:
        return self._update(call, {"delete": call.body})

    def set_payload(self, call: Call) -> Json:
        return self._update(call, {"set_payload": call.body})

    def overwrite_payload(self, call: Call) -> Json:
        return self._update(call, {"overwrite_payload": call.body})

    def delete_payload(self, call: Call) -> Json:
        return self._update(call, {"delete_payload": call.body})

    def batch(self, call: Call) -> list[Json]:
        """All are checked before the first is applied; one that fails then ends it half done."""
        operations = read(call.body, {"operations": list}, "operations")["operations"]
        collection = self._collection(call)
        updates = [self._read(call, collection, operation) for operation in operations]
        return [self._applied(call, collection, update) for update in updates]

    def _update(self, call: Call, operation: Json) -> Json:
        collection = self._collection(call)
        return self._applied(call, collection, self._read(call, collection, operation))

    def _read(self, call: Call, collection: Collection, operation: Any) -> Any:
        try:
            return read_update(operation, collection)
        except WrongInput:
            if call.waits:
                raise
            return None  # nobody waits to hear of it

    def _applied(self, call: Call, collection: Collection, update: Any) -> Json:
        number = 0
        try:
            if update is not None:
                number = collection.update(update)
        except Refusal:
            if call.waits:
                raise
        return done(call, number)

    def _collection(self, call: Call) -> Collection:
        return self.store.get(call.path["collection"])


# --- Results ----------------------------------------------------------------------------------


def done(call: Call, number: int) -> Json:
    return {"operation_id": number, "status": "completed" if call.waits else "acknowledged"}


def merged(old: Json, given: Json) -> Json:
    return {name: value for name, value in {**old, **given}.items() if value is not None}


def config_json(given: Json) -> Json:
    """What was asked for at creation, with the server's defaults around it."""
    return {
        "params": {
            "vectors": given.get("vectors") or {},
            "shard_number": 1,
            "replication_factor": 1,
            "write_consistency_factor": 1,
            "on_disk_payload": given.get("on_disk_payload", True),
            "sparse_vectors": given.get("sparse_vectors"),
        },
        "hnsw_config": {
            "m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0,
            "on_disk": False, **(given.get("hnsw_config") or {}),
        },
        "optimizer_config": {
            "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000,
            "default_segment_number": 0, "indexing_threshold": 10000, "flush_interval_sec": 5,
            **(given.get("optimizers_config") or {}),
        },
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
        "quantization_config": given.get("quantization_config"),
        "strict_mode_config": given.get("strict_mode_config"),
        "metadata": given.get("metadata"),
    }  # fmt: skip
