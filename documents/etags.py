"""ETags from the rows that a view shows: whoever has it already is not sent it again.

A tag covers every column that was loaded, so nothing that changes what is shown is forgotten, and
nothing is rendered to find out that it has not changed. It is a strong one: a row of the same
columns is always shown in the same bytes, until `REPRESENTATION` says otherwise.
"""

import hashlib
from typing import Any

from django.db import models
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags, quote_etag
from rest_framework.request import Request
from rest_framework.response import Response

from documents.problems import Problem

REPRESENTATION = 1  # raised when the fields of a tagged view change
FRESH = "private, no-cache"  # may be kept by the reader alone, and is asked for each time


def tag_of(*rows: models.Model) -> str:
    columns = [
        [str(getattr(row, column.attname)) for column in row._meta.concrete_fields] for row in rows
    ]
    return quote_etag(hashlib.sha256(repr([REPRESENTATION, columns]).encode()).hexdigest()[:32])


def refuse_what_is_outdated(request: Request, tag: str) -> None:
    """Before something is changed: raises 412 if it is not what the caller has seen."""
    told = request.headers.get("If-Match")
    if told is None:
        return
    # Django takes what is no tag at all for no condition at all.
    if not parse_etags(told) or get_conditional_response(request._request, etag=tag) is not None:
        raise Problem(412, "precondition_failed", "It has changed since; read it again.")


class Tagged:
    """A view of one object, read with `If-None-Match`. `rows` is all that its serializer shows."""

    def rows(self, shown: Any) -> tuple[models.Model, ...]:
        return (shown,)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        shown: Any = self.get_object()  # type: ignore[attr-defined]
        headers = {"ETag": tag_of(*self.rows(shown)), "Cache-Control": FRESH}
        known = get_conditional_response(request._request, etag=headers["ETag"])
        if known is not None and known.status_code == 304:
            return Response(status=304, headers=headers)
        return Response(self.get_serializer(shown).data, headers=headers)  # type: ignore[attr-defined]
