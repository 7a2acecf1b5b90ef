"""Every address that the URLconf knows, found by walking it; and those that stand beside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
GROUP = re.compile(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)")
SLOT = re.compile(r"<(?:(\w+):)?(\w+)>")
FORMS = {"uuid": "uuid", "int": "int", "slug": "slug", "path": "path"}


@dataclass(frozen=True)
class Route:
    """`slots` are the parts of its address that vary: name and form."""

    pattern: str
    name: str
    slots: tuple[tuple[str, str], ...] = ()

    @property
    def is_admin(self) -> bool:
        return self.pattern.startswith("admin/")

    @property
    def family(self) -> str:
        """The first words of its address: what reports count by."""
        return self.pattern.split("<")[0].strip("/") or "/"

    def kind_of(self, slot: str) -> str:
        """What an id there ought to name: the word before it."""
        before = self.pattern.split(f":{slot}>")[0].split(f"<{slot}>")[0]
        words = [word for word in before.rsplit("<", 1)[0].split("/") if word]
        word = words[-1] if words else ""
        return "corpus" if word == "models" else word.removesuffix("s")

    def path(self, values: dict[str, str]) -> str:
        return "/" + SLOT.sub(lambda found: values[found[2]], self.pattern)


def routes() -> list[Route]:
    from django.urls import get_resolver

    return [*_walk(get_resolver(), ""), *beside_the_urlconf()]


def beside_the_urlconf() -> Iterator[Route]:
    """What ragsite/asgi.py answers before Django sees it."""
    try:
        from chat.mcp.door import ADDRESSES
    except ImportError:  # assistants have not come yet
        return
    for address in ADDRESSES:
        yield Route(address.removeprefix("/"), f"mcp {address}")


def _walk(resolver: Any, prefix: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        pattern = prefix + _as_route(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from _walk(entry, pattern)
            continue
        slots = tuple(
            (found[2], FORMS.get(found[1] or "str", "slug")) for found in SLOT.finditer(pattern)
        )
        yield Route(pattern, entry.name or f"{pattern} ({entry.lookup_str})", slots)


def _as_route(pattern: Any) -> str:
    """A regular expression as a route: the admin has two."""
    text = str(pattern)
    if not text.startswith("^"):
        return text
    named = GROUP.sub(lambda found: f"<{found[1]}>", text.removeprefix("^").removesuffix("$"))
    return named.removesuffix("\\Z")
