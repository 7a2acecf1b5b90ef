"""ETags from the columns that a view shows: whoever has them already is not sent them again.

Which those are is read off the serializer, so that none that is shown is forgotten, and what nobody
sees (the revision of a corpus, which each publishing raises) makes no tag outdated. Nothing is
rendered to find out that it has not changed. It is a strong one: the same columns are always shown
in the same bytes, until `REPRESENTATION` says otherwise.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from operator import attrgetter
from typing import Any

from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags, quote_etag
from rest_framework.relations import RelatedField
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from documents.problems import Problem

REPRESENTATION = 2  # raised when the fields of a tagged view change, or how one of them is made
FRESH = "private, no-cache"  # may be kept by the reader alone, and is asked for each time


def tag_of(shown: Any, serializer: Any) -> str:
    """`serializer`: the class of what shows it."""
    values = [str(attrgetter(column)(shown)) for column in _columns(serializer)]
    return quote_etag(hashlib.sha256(repr([REPRESENTATION, values]).encode()).hexdigest()[:32])


@cache
def _columns(serializer: Any) -> tuple[str, ...]:
    return tuple(_within(serializer()))


def _within(serializer: Serializer[Any], path: str = "") -> Iterator[str]:
    for field in serializer.fields.values():
        source = f"{path}{field.source}"
        if isinstance(field, Serializer):
            yield from _within(field, f"{source}.")
        elif isinstance(field, RelatedField):
            yield f"{source}_id"
        elif field.source != "*":  # else it is made from other fields
            yield source


def refuse_what_is_outdated(request: Request, tag: str) -> None:
    """Before something is changed: raises 412 if it is not what the caller has seen."""
    told = request.headers.get("If-Match")
    if told is None:
        return
    # Django takes what is no tag at all for no condition at all.
    if not parse_etags(told) or get_conditional_response(request._request, etag=tag) is not None:
        raise Problem(412, "precondition_failed", "It has changed since; read it again.")


class Tagged:
    """A view of one object, read with `If-None-Match`."""

    serializer_class: Any

    def tag_of(self, shown: Any) -> str:
        return tag_of(shown, self.serializer_class)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        shown: Any = self.get_object()  # type: ignore[attr-defined]
        headers = {"ETag": self.tag_of(shown), "Cache-Control": FRESH}
        known = get_conditional_response(request._request, etag=headers["ETag"])
        if known is not None and known.status_code == 304:
            return Response(status=304, headers=headers)
        return Response(self.get_serializer(shown).data, headers=headers)  # type: ignore[attr-defined]
