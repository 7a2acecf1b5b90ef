"""X-Request-ID: one name for a request, in the client's log and in ours."""

import re
import uuid

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

HEADER = "X-Request-ID"
# Whatever else a client sends is not written anywhere.
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestIds(MiddlewareMixin):
    """The client's own, if it has sent one that can be shown; else a new one."""

    def process_request(self, request: HttpRequest) -> None:
        told = request.headers.get(HEADER, "")
        request.META["REQUEST_ID"] = told if WELL_FORMED.fullmatch(told) else uuid.uuid4().hex

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers.setdefault(HEADER, request.META.get("REQUEST_ID") or uuid.uuid4().hex)
        return response
