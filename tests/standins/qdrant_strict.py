"""Qdrant's strict mode: which requests a collection refuses, and in which words.

After lib/collection/src/operations/verification and problems/unindexed_field.rs of the server.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from tests.standins.qdrant_queries import idf_corpus
from tests.standins.qdrant_values import Json, Refusal, listed

ANY_INDEX = ("bool", "datetime", "float", "geo", "integer", "keyword", "text", "uuid")
Need = tuple[str, str]  # the type of an index, and what of it is used


class StrictMode:
    """The rules of one collection. Without a configuration that says enabled, all is allowed.

    What it is asked about has been read before: it is of the right form.
    """

    def __init__(self, config: Json | None, schema: Mapping[str, Json]):
        self.config = config if config and config.get("enabled") else {}
        self.schema = schema

    def check_query(self, asked: Json) -> None:
        """Or a prefetch."""
        for part in listed(asked.get("prefetch") or []):
            self.check_query(part)
        params = asked.get("params") or {}
        self.check_limit("max_query_limit", asked.get("limit") or 10, "limit")
        self.check_read(asked.get("filter"))
        self.check_read(idf_corpus(params))
        if params.get("exact") and self.config.get("search_allow_exact") is False:
            raise refused("Exact search disabled!", "Set exact=false.")

    def check_read(self, asked: Json | None) -> None:
        self._check_filter(asked, "unindexed_filtering_retrieve")

    def check_update(self, asked: Json | None) -> None:
        """The filter that says which points to change. One that is a condition on each of a given
        few (`update_filter`) needs no index."""
        self._check_filter(asked, "unindexed_filtering_update")

    def check_limit(self, setting: str, value: int, name: str) -> None:
        limit = self.config.get(setting)
        if limit is not None and value > limit:
            raise refused(
                f'Limit exceeded {value} > {limit} for "{name}"',
                f'Reduce the "{name}" parameter to or below {limit}.',
            )

    def _check_filter(self, asked: Json | None, setting: str) -> None:
        if asked is None or self.config.get(setting) is not False:
            return
        for key, needs in needed_indexes(asked):
            if not capabilities(self.schema.get(key)) & set(needs):
                kinds = ", ".join(sorted({kind for kind, _use in needs}))
                raise refused(
                    f'Index required but not found for "{key}" of one of the following types: '
                    f"[{kinds}]",
                    "Create an index for this key or use a different filter.",
                )


def refused(reason: str, remedy: str) -> Refusal:
    return Refusal(400, f"Bad request: {reason}. Help: {remedy}")


def needed_indexes(asked: Json, prefix: str = "") -> Iterator[tuple[str, list[Need]]]:
    """Of each condition on a payload field: the field, and the indexes of which one will do."""
    least = (asked.get("min_should") or {}).get("conditions")
    for part in (asked.get("must"), asked.get("must_not"), asked.get("should"), least):
        for condition in listed(part or []):
            match condition:
                case {"key": key}:
                    yield prefix + key, needs_of_field(condition)
                case {"is_empty": {"key": key}} | {"is_null": {"key": key}}:
                    yield prefix + key, any_index()
                case {"nested": {"key": key, "filter": inner}}:
                    yield from needed_indexes(inner, f"{prefix}{key.removesuffix('[]')}[].")
                case {"has_id": _} | {"has_vector": _}:
                    pass
                case _:
                    yield from needed_indexes(condition, prefix)


def needs_of_field(condition: Json) -> list[Need]:
    needs: list[Need] = []
    match condition.get("match"):
        case {"value": value}:
            needs += needs_of_values([value])
        case {"any": values} | {"except": values}:
            needs += needs_of_values(values)
        case {"text": _}:
            needs.append(("text", "match"))
    if condition.get("range") is not None:
        needs += [("float", "range"), ("integer", "range")]
    if any(condition.get(name) is not None for name in ("values_count", "is_empty", "is_null")):
        needs += any_index()
    return needs


def needs_of_values(values: list[Any]) -> list[Need]:
    if values and isinstance(values[0], bool):
        return [("bool", "match")]
    if values and isinstance(values[0], int):
        return [("integer", "match")]
    uuids = [("uuid", "match")] if all(map(is_uuid, values)) else []
    return [*uuids, ("keyword", "match")]


def is_uuid(value: str) -> bool:
    try:
        return bool(UUID(value))
    except ValueError:
        return False


def any_index() -> list[Need]:
    return [(kind, use) for kind in ANY_INDEX for use in ("match", "range")]


def capabilities(schema: Json | None) -> set[Need]:
    """What an index can do; an integer index may have been made for one use only."""
    if schema is None:
        return set()
    kind = schema["type"]
    uses = {"float": {"range"}, "integer": {"match", "range"}, "uuid": {"match", "range"}}
    can = set(uses.get(kind, {"match"}))
    if kind == "integer":
        can -= {"match"} if schema.get("lookup") is False else set()
        can -= {"range"} if schema.get("range") is False else set()
    return {(kind, use) for use in can}
