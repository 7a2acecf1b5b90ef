"""docs/asyncapi.yaml, to hold frames against."""

from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.processes import ROOT

HERE = "https://frames.test/asyncapi"


@cache
def described() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())


def schema_of(kind: str) -> dict[str, Any]:
    return described()["components"]["schemas"][kind]


@cache
def _validator(kind: str) -> Draft202012Validator:
    resource = Resource.from_contents(described(), default_specification=DRAFT202012)
    return Draft202012Validator(
        {"$ref": f"{HERE}#/components/schemas/{kind}"},
        registry=Registry().with_resource(HERE, resource),
        format_checker=FormatChecker(),
    )


def complaints(frame: dict[str, Any]) -> list[str]:
    """What is wrong with it, by the description; nothing if it is a frame of ours."""
    kind = frame.get("type")
    if kind not in described()["components"]["messages"]:
        return [f"no frame is called {kind!r}"]
    return [error.message for error in _validator(str(kind)).iter_errors(frame)]


def kinds_of(operation: str) -> set[str]:
    messages = described()["operations"][operation]["messages"]
    return {message["$ref"].rsplit("/", 1)[1] for message in messages}
