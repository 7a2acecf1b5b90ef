"""Every view of DRF's below /api/v1/."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLResolver, get_resolver
from rest_framework.views import APIView

FOREIGN = ("drf_spectacular",)


def views() -> list[type[APIView]]:
    found = {view for prefix, view in _views(get_resolver(), "") if prefix.startswith("api/")}
    return sorted(found, key=lambda view: view.__name__)


def _views(resolver: Any, prefix: str) -> Iterator[tuple[str, type[APIView]]]:
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern, path)
            continue
        callback = pattern.callback
        while not hasattr(callback, "cls") and hasattr(callback, "__wrapped__"):
            callback = callback.__wrapped__
        view = getattr(callback, "cls", None)
        if view is not None and not view.__module__.startswith(FOREIGN):
            yield path, view
