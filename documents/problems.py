"""Every error of the API in one form: problem+json (RFC 9457) with a stable code."""

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

CONTENT_TYPE = "application/problem+json"


class ProblemRenderer(JSONRenderer):
    media_type = CONTENT_TYPE


class Problem(exceptions.APIException):
    """An error a caller can act on. `code` never changes its meaning; `detail` is for people."""

    def __init__(
        self, status: int, code: str, detail: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.problem_code = code
        self.wait = retry_after


def body(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    return {"type": "about:blank", "status": status, "code": code, "detail": detail, **more}


def headers(retry_after: float | None) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(retry_after)))} if retry_after is not None else {}


def problem(status: int, code: str, detail: str, retry_after: float | None = None) -> JsonResponse:
    """The same form, outside of DRF's views."""
    return JsonResponse(
        body(status, code, detail),
        status=status,
        headers=headers(retry_after),
        content_type=CONTENT_TYPE,
    )


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler."""
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is nothing here, or it is not yours to see.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, OperationalError):
        error = Problem(
            503, "database_unavailable", "The database is busy or away; try again.", retry_after=2
        )
    elif isinstance(error, DataError):  # a NUL in the address, where PostgreSQL takes none
        error = Problem(400, "invalid", "The request holds a value that cannot be looked up.")
    elif isinstance(error, RequestDataTooBig):
        error = Problem(413, "too_large", "The body of the request is too large.")
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    more: dict[str, Any] = {}
    if isinstance(error, exceptions.ValidationError):
        code, detail = "invalid", "The request is not valid; see `errors`."
        more["errors"] = error.detail
    else:
        code, detail = str(error.get_codes()), str(error.detail)
    response = Response(
        body(error.status_code, code, detail, **more),
        status=error.status_code,
        headers=headers(getattr(error, "wait", None)),
    )
    # Whatever the client accepts, an error is JSON: also for one that wants an event stream.
    request = context.get("request")
    if request is not None:
        request.accepted_renderer = ProblemRenderer()
        request.accepted_media_type = CONTENT_TYPE
    if challenge := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    return response
