"""Collections of Qdrant's own engine in a directory, and a small file that says which there are.

A collection exists, and an alias points somewhere, if `state.json` says so; that file is replaced
as a whole. Points are in the shards: the engine writes each update to its log before it applies it,
and applies the log again when it starts, so that what was acknowledged survives a kill -9.
"""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import qdrant_edge as edge

from tests.standins.qdrant_schema import schema_json, vector_kinds
from tests.standins.qdrant_strict import StrictMode
from tests.standins.qdrant_values import Json, Refusal, WrongInput, malformed

MEMORY = Path("/dev/shm")  # where there is one: the engine calls fsync for each of its many files
ROOM = 2**30
BAD_INPUT = ("Vector dimension error", "Not existing vector name error", "Validation failed")


class Collection:
    """Any thread may read; updates come one at a time, in the order of their numbers."""

    def __init__(self, name: str, config: Json, shard: edge.EdgeShard):
        self.name, self.config, self.shard = name, config, shard
        self.kinds = vector_kinds(config)
        self.schema: dict[str, Json] = {}
        self._updates = threading.RLock()
        self._count = 0
        self._closed = False
        self._read_schema()

    @property
    def strict_mode(self) -> StrictMode:
        return StrictMode(self.config.get("strict_mode_config"), self.schema)

    @contextmanager
    def reading(self) -> Iterator[edge.EdgeShard]:
        with self._as_the_server_says():
            yield self.shard

    def update(self, operation: edge.UpdateOperation) -> int:
        """The number of the update."""
        with self._updates, self._as_the_server_says():
            self.shard.update(operation)
            self._count += 1
            return self._count

    def create_index(self, field: str, schema: Any) -> int:
        with self._updates:
            number = self.update(edge.UpdateOperation.create_field_index(field, schema))
            self._read_schema()
            return number

    def delete_index(self, field: str) -> int:
        with self._updates:
            number = self.update(edge.UpdateOperation.delete_field_index(field))
            self._read_schema()
            return number

    def close(self) -> None:
        with self._updates:
            self._closed = True
            self.shard.close()

    def _read_schema(self) -> None:
        indexes = self.shard.info().payload_schema
        self.schema = {field: schema_json(info) for field, info in indexes.items()}

    @contextmanager
    def _as_the_server_says(self) -> Iterator[None]:
        """The engine raises bare Exception; the server has its own beginnings for each kind."""
        try:
            yield
        except Refusal:
            raise
        except Exception as error:
            raise self._refusal(str(error)) from error

    def _refusal(self, reason: str) -> Refusal:
        if self._closed:
            return missing(self.name)
        if reason.startswith("No point with id"):
            return Refusal(404, f"Not found: {reason} found")
        if reason.startswith("Wrong usage of sparse"):
            reason = "Conversion between sparse and regular vectors failed"
        elif not reason.startswith(BAD_INPUT):
            return Refusal(500, f"Service internal error: {reason}")
        return WrongInput(reason)


class Store:
    """Without a directory: in a temporary one, in memory if possible, removed at the end."""

    def __init__(self, directory: Path | None = None):
        self._temporary = directory is None
        self.directory = directory or temporary_directory()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._changes = threading.RLock()
        # Replaced as a whole by every change: a request sees all of an alias switch or nothing.
        self.collections: dict[str, Collection] = {}
        self.aliases: dict[str, str] = {}
        self._shards: dict[str, str] = {}
        self._load()

    def get(self, name: str) -> Collection:
        """By its name or by an alias."""
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise missing(name)
        return found

    def create(self, name: str, engine: edge.EdgeConfig, config: Json) -> None:
        with self._changes:
            self._must_be_free(name)
            if name in self.aliases:
                raise Refusal(
                    400,
                    f"Wrong input: Can't create collection with name {name}. "
                    "Alias with the same name already exists",
                )
            folder = uuid4().hex
            shard = edge.EdgeShard.create(str(self.directory / folder), engine)
            self._shards[name] = folder
            self._replace(collections={**self.collections, name: Collection(name, config, shard)})

    def configure(self, name: str, config: Json) -> None:
        with self._changes:
            self.get(name).config = config
            self._replace()

    def delete(self, name: str) -> bool:
        with self._changes:
            collection = self.collections.get(name)
            if collection is None:
                return False
            folder = self._shards.pop(name)
            self._replace(
                {alias: target for alias, target in self.aliases.items() if target != name},
                {kept: other for kept, other in self.collections.items() if kept != name},
            )
            collection.close()
            shutil.rmtree(self.directory / folder, ignore_errors=True)
            return True

    def change_aliases(self, actions: list[Json]) -> None:
        """All of them in one step, or none."""
        with self._changes:
            aliases = dict(self.aliases)
            for action in actions:
                self._apply(action, aliases)
            self._replace(aliases)

    def _apply(self, action: Any, aliases: dict[str, str]) -> None:
        match action:
            case {"create_alias": {"collection_name": str(target), "alias_name": str(alias)}}:
                if target not in self.collections:
                    raise missing(target)
                self._must_be_free(alias)
                aliases[alias] = target
            case {"delete_alias": {"alias_name": str(alias)}}:
                aliases.pop(alias, None)
            case {"rename_alias": {"old_alias_name": str(old), "new_alias_name": str(new)}}:
                if old not in aliases:
                    raise Refusal(404, f"Not found: Alias {old} does not exists!")
                aliases[new] = aliases.pop(old)
            case _:
                raise malformed("unknown alias action")

    def close(self) -> None:
        with self._changes:
            for collection in self.collections.values():
                collection.close()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _must_be_free(self, name: str) -> None:
        if name in self.collections:
            raise Refusal(409, f"Wrong input: Collection `{name}` already exists!")

    def _load(self) -> None:
        state = {"collections": {}, "aliases": {}}
        if (file := self.directory / "state.json").exists():
            state = json.loads(file.read_text())
        for name, kept in state["collections"].items():
            shard = edge.EdgeShard.load(str(self.directory / kept["shard"]))
            self._shards[name] = kept["shard"]
            self.collections[name] = Collection(name, kept["config"], shard)
        self.aliases = state["aliases"]
        for folder in self.directory.iterdir():  # of creations and deletions that were cut short
            if folder.is_dir() and folder.name not in self._shards.values():
                shutil.rmtree(folder)

    def _replace(
        self,
        aliases: dict[str, str] | None = None,
        collections: dict[str, Collection] | None = None,
    ) -> None:
        """On disk first, then for everybody."""
        aliases = self.aliases if aliases is None else aliases
        collections = self.collections if collections is None else collections
        kept = {
            name: {"shard": self._shards[name], "config": collection.config}
            for name, collection in collections.items()
        }
        new = self.directory / "state.json.new"
        with new.open("w") as file:
            json.dump({"collections": kept, "aliases": aliases}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.directory / "state.json")
        self.aliases, self.collections = aliases, collections


def missing(name: str) -> Refusal:
    return Refusal(404, f"Not found: Collection `{name}` doesn't exist!")


def temporary_directory() -> Path:
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix="qdrant-standin-", dir=MEMORY if in_memory else None))
