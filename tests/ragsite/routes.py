"""Every address of the application, from the URLconf itself, with something in each gap."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

FILLED = {
    "uuid": "00000000-0000-4000-8000-000000000000", "int": "1", "slug": "docs", "str": "docs",
    "path": "docs/1", "": "1",
}  # fmt: skip


def routes() -> list[str]:
    """Paths; where a pattern is a regular expression (the admin's "anything else"), one of it."""
    return sorted({*_paths(get_resolver()), "/", "/nowhere/", "/static/chat/chat.css"})


def _paths(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _paths(pattern, before + _filled(pattern))
        else:
            yield before + _filled(pattern)


def _filled(pattern: URLPattern | URLResolver) -> str:
    route = str(pattern.pattern)
    if "(?P" in route:
        return "anything/else"
    parts = []
    for number, piece in enumerate(route.replace("<", ">").split(">")):
        parts.append(FILLED[piece.rpartition(":")[0]] if number % 2 else piece)
    return "".join(parts)
