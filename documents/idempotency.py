"""`Idempotency-Key`: a request that is sent twice is done once.

After draft-ietf-httpapi-idempotency-key-header; docs/decisions/0033 says where we go our own way.
The key counts for who sends it, for one method and one address. The same request again is answered
as the first one was; another request with the same key is refused; while the first one is at work
the second one is told to wait. What was refused is not kept: nothing was done, so it may be sent
again. A visitor without a token is nobody in particular, so nothing can be kept for them.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.utils.crypto import salted_hmac
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError

from documents.kept_requests import KeptRequest
from documents.problems import Problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
# A string of Structured Fields, as the draft says, or the same without its quotes.
WELL_FORMED = re.compile('"?[A-Za-z0-9_.:-]{1,255}"?')
KEPT_HEADERS = ("Location", "ETag")
IN_PROGRESS = "The first request with this key is still at work; try again."
REUSED = "This key was sent with another request before; take a new one."

Handler = Callable[..., HttpResponseBase]


class Resumed:
    """A view whose work goes on without its request, and is known by an id chosen beforehand."""

    def has_begun(self, target: UUID) -> bool:
        """Whether there is something to go on with."""
        return False

    def resumed(self, request: Request, target: UUID) -> HttpResponseBase:
        """What was begun, as it is by now."""
        raise NotImplementedError


def idempotent(handler: Handler) -> Handler:
    """Of a view's method; `request.kept` is the row of the request, or None without a key."""

    @wraps(handler)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.kept = None  # type: ignore[attr-defined]
        key = key_of(request)
        if key is None or not request.auth.id:  # type: ignore[union-attr]
            return handler(view, request, *args, **kwargs)
        kept = request.kept = _claimed(view, request, key)  # type: ignore[attr-defined]
        if isinstance(kept, HttpResponseBase):
            return kept
        begun = view.has_begun if isinstance(view, Resumed) else _never
        try:
            response = handler(view, request, *args, **kwargs)
        except BaseException:
            if not begun(kept.target):
                kept.give_back()
            raise
        if not isinstance(view, Resumed):
            _keep(kept, response)
        return response

    once.is_idempotent = True  # type: ignore[attr-defined]
    return once


def key_of(request: Request) -> str | None:
    told = request.headers.get(HEADER)
    if told is None:
        return None
    if not WELL_FORMED.fullmatch(told):
        raise ValidationError({HEADER: ["1 to 255 letters, digits and any of _.:- in quotes."]})
    return told.strip('"')


def claimed(
    names: list[str], said: Any, has_begun: Callable[[UUID], bool]
) -> tuple[KeptRequest, bool]:
    """The row of what was sent with a key, and whether it is to be done.

    `names`: who sends it, how, where, and the key. `said`: all else that makes it what it is.
    """
    digest, fingerprint = _digest(names), _digest(said)
    KeptRequest.objects.purge()
    kept, is_new = KeptRequest.objects.claim(digest, fingerprint)
    if is_new:
        return kept, True
    begun = has_begun(kept.target)
    if kept.is_forgotten or (kept.is_abandoned and not begun):
        kept.give_back()
        kept, is_new = KeptRequest.objects.claim(digest, fingerprint)
        if is_new:
            return kept, True
    if kept.fingerprint != fingerprint:
        raise Problem(422, "idempotency_key_reused", REUSED)
    if kept.status is None and not begun:
        raise Problem(409, "idempotency_in_progress", IN_PROGRESS, retry_after=1)
    return kept, False


def _claimed(view: Any, request: Request, key: str) -> KeptRequest | HttpResponseBase:
    """The row of a request that is to be done, or what the first one was answered."""
    who = request.auth.owner  # type: ignore[union-attr]
    has_begun = view.has_begun if isinstance(view, Resumed) else _never
    names = [who, str(request.method), request.path, key]
    kept, is_new = claimed(names, _said(request), has_begun)
    if is_new:
        return kept
    if isinstance(view, Resumed):
        response = view.resumed(request, kept.target)
        response.headers[REPLAYED] = "true"
        return response
    return Response(kept.body, status=kept.status, headers={**kept.headers, REPLAYED: "true"})


def _keep(kept: KeptRequest, response: HttpResponseBase) -> None:
    assert isinstance(response, Response)  # noqa: S101 - streams are of views that resume
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    body = json.loads(JSONRenderer().render(response.data) or b"null")
    kept.answer_with(response.status_code, headers, body)


def _said(request: Request) -> Any:
    """What a body says, not how: boundaries of forms and spaces in JSON differ each time."""
    data: Any = request.data
    if not hasattr(data, "lists"):
        return data
    files = {name: request.FILES.getlist(name) for name in request.FILES}
    fields = {name: values for name, values in data.lists() if name not in files}
    sums = {
        name: [[file.name, _sum(file)] for file in uploaded] for name, uploaded in files.items()
    }
    return [fields, sums]


def _sum(file: Any) -> str:
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _digest(value: Any) -> str:
    """Keyed: whoever reads the rows alone cannot try out which question it was."""
    told = json.dumps(value, sort_keys=True)
    return salted_hmac("documents.idempotency", told, algorithm="sha256").hexdigest()


def _never(target: UUID) -> bool:
    return False
