"""Configuration in YAML, TOML or JSON as plain values; what cannot be read is an empty mapping."""

import json
import re
import tomllib
from typing import Any

import yaml

SIZE_LIMIT = 200_000  # characters
SIMPLE_LINE = re.compile(r"^([A-Za-z_]\w*):[ \t]+([^#\n]+)", re.MULTILINE)


class _Loader(yaml.SafeLoader):
    """Plain values only: a tag costs the value it stands at, an alias of a collection the file."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        # A few lines of aliases of aliases would grow without bound.
        if alias and not isinstance(node, yaml.ScalarNode):
            raise yaml.YAMLError("aliases of collections are not read")
        return node


_Loader.add_multi_constructor("", lambda loader, suffix, node: None)


def read_settings(text: str, suffix: str) -> dict[str, Any]:
    """`suffix` names the format, as that of the file."""
    text = text[:SIZE_LIMIT]
    values: Any
    try:
        match suffix:
            case ".toml":
                values = tomllib.loads(text)
            case ".json":
                values = json.loads(text)
            case _:
                values = yaml.load(text, _Loader)  # noqa: S506 a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        values = _simple_lines(text)
    if not isinstance(values, dict):
        return {}
    return {str(key): value for key, value in values.items()}


def _simple_lines(text: str) -> dict[str, str]:
    """Top-level `name: value` lines, when the whole does not read."""
    return {name: value.strip().strip("'\"") for name, value in SIMPLE_LINE.findall(text)}


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def strings(value: object) -> list[str]:
    """One string or a list of them."""
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, str)]


def string(value: object, default: str = "") -> str:
    return value if isinstance(value, str) else default
