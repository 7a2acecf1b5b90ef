"""Front matter: YAML between `---`, TOML between `+++` or JSON, however badly written."""

import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

import yaml

FRONT_MATTER = re.compile(r"---[ \t]*\n(?P<yaml>(?:.*\n)*?)---[ \t]*(?:\n|\Z)")
TOML = re.compile(r"\+\+\+[ \t]*\n(?P<toml>(?:.*\n)*?)\+\+\+[ \t]*(?:\n|\Z)")
SIMPLE_LINE = re.compile(r"(?P<key>[A-Za-z_][\w-]*):[ \t]+(?P<value>\S.*?)[ \t]*")
SIZE_LIMIT = 100_000
# What an escape in quotes can write although no page may hold it: controls, halves of a pair.
UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class FrontMatter:
    end: int = 0  # where the body begins
    values: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases, which let a few lines grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not supported", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> str:
        return UNWRITABLE.sub("", super().construct_scalar(node))

    def construct_number(self, node: Any) -> int | str:
        """Python refuses to write out a number of thousands of digits; nobody means one."""
        return str(node.value) if len(node.value) > 20 else self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)


def read_front_matter(text: str) -> FrontMatter:
    """The values and where the body begins; broken YAML costs its values, never the body."""
    head = text[:SIZE_LIMIT]
    match = FRONT_MATTER.match(head)
    if match is None:
        return _toml(head) if head.startswith("+++") else _json(head)
    first_line = text.count("\n", 0, match.start("yaml")) + 1
    try:
        values = yaml.load(match["yaml"], _Loader)  # noqa: S506 a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        warning = f"front matter, line {first_line + _line_of(error)}: {_problem_of(error)}"
        return FrontMatter(match.end(), _simple_values(match["yaml"]), (warning,))
    if values is None:
        return FrontMatter(match.end())
    if not isinstance(values, dict):  # prose between two thematic breaks
        return FrontMatter()
    return FrontMatter(match.end(), {str(key): value for key, value in values.items()})


def _toml(head: str) -> FrontMatter:
    match = TOML.match(head)
    if match is None:
        return FrontMatter()
    try:
        return FrontMatter(match.end(), _writable(tomllib.loads(match["toml"])))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return FrontMatter(match.end(), {}, (f"front matter: {error}",))


def _json(head: str) -> FrontMatter:
    """Only an object that is alone on its lines; in MDX a brace may open an expression."""
    if not head.startswith("{\n"):
        return FrontMatter()
    try:
        values, end = json.JSONDecoder().raw_decode(head)
    except (ValueError, RecursionError):
        return FrontMatter()
    rest = re.compile(r"[ \t]*(?:\n|\Z)").match(head, end)
    return FrontMatter(rest.end(), _writable(values)) if rest else FrontMatter()


def _writable(values: Any) -> Any:
    if isinstance(values, dict):
        return {UNWRITABLE.sub("", key): _writable(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_writable(value) for value in values]
    return UNWRITABLE.sub("", values) if isinstance(values, str) else values


def _simple_values(source: str) -> dict[str, str]:
    """`key: value` lines as they stand; an unquoted colon in a title is the usual mistake."""
    matches = map(SIMPLE_LINE.fullmatch, source.split("\n"))
    return {match["key"]: match["value"].strip("'\"") for match in matches if match}


def _line_of(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line if mark else 0


def _problem_of(error: Exception) -> str:
    return getattr(error, "problem", None) or "invalid YAML"
