"""Every error of the API in one form: problem+json (RFC 9457) with a stable code."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from documents import request_id
from documents.outages import first_line

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
API = "/api/"
DATABASE_AWAY = "The database is busy or away; try again."
NOTHING_HERE = "There is nothing here, or it is not yours to see."
RETRY_AFTER = 2.0  # seconds
# Without a template: they look up who is signed in, in the database.
PAGE_OF_503 = f"<!DOCTYPE html><html lang=en><title>Unavailable</title><p>{DATABASE_AWAY}</p>"


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
    told = {"type": "about:blank", "status": status, "code": code, "detail": detail, **more}
    return {**told, "request_id": request_id.current()} if request_id.current() else told


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


def as_problem(error: Exception) -> Exception:
    """What a caller is told of it, as one of DRF's exceptions; a mistake of ours stays what it is.

    Bodies that cannot be read raise what Django makes of them, wherever they are first read.
    """
    match error:
        case Http404():
            return exceptions.NotFound(NOTHING_HERE)
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case OperationalError() | InterfaceError():
            logger.error("A request failed with the database: %s", first_line(error))
            return Problem(503, "database_unavailable", DATABASE_AWAY, retry_after=RETRY_AFTER)
        case DataError():  # a NUL in the address, where PostgreSQL takes none
            return Problem(400, "invalid", "The request holds a value that cannot be looked up.")
        case RequestDataTooBig():
            return Problem(413, "too_large", "The body of the request is too large.")
        case TooManyFilesSent():
            detail = f"At most {settings.UPLOAD_MAX_FILES} files at once."
            return Problem(413, "too_many_files", detail)
        case TooManyFieldsSent():
            return Problem(413, "too_many_fields", "The request has too many fields.")
        case MultiPartParserError():
            return exceptions.ParseError(f"The form cannot be read: {error}")
        case SuspiciousOperation() | BadRequest():
            logger.warning("Refused a request: %s", type(error).__name__)
            return Problem(400, "invalid", "The request is not one that can be answered.")
    return error


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler."""
    from rest_framework.views import set_rollback  # which itself imports what raises Problems

    error = as_problem(error)
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


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before one of DRF's views has it: an unknown host, for example."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    return problem(400, "invalid", "The request is not one that can be answered.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that leads nowhere."""
    if not request.path.startswith(API):
        return defaults.page_not_found(request, exception)
    return problem(404, "not_found", NOTHING_HERE)


def no_such_method(request: HttpRequest, allowed: Sequence[str]) -> HttpResponse:
    """Of a view that is none of DRF's."""
    detail = f'Method "{request.method}" not allowed.'
    response = problem(405, "method_not_allowed", detail)
    response.headers["Allow"] = ", ".join(allowed)
    return response


def database_away(request: HttpRequest, error: Exception) -> HttpResponse:
    """For whatever is none of DRF's views: the admin, the pages, the middleware."""
    logger.error("A request failed with the database: %s", first_line(error))
    if request.path.startswith(API):
        return problem(503, "database_unavailable", DATABASE_AWAY, RETRY_AFTER)
    return HttpResponse(PAGE_OF_503, status=503, headers=headers(RETRY_AFTER))


class DatabaseAway(MiddlewareMixin):
    """A view that met no database is answered like one of the API: later, not never."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, (OperationalError, InterfaceError)):
            return database_away(request, exception)
        return None


def server_error(request: HttpRequest) -> HttpResponse:
    """What views and their exceptions do not show: a session that could not be saved, above all."""
    error = sys.exc_info()[1]
    if isinstance(error, (OperationalError, InterfaceError)):
        return database_away(request, error)
    return defaults.server_error(request)
