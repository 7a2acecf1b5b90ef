"""What can go wrong, as exceptions: the server's problem+json, and connections that are lost."""

import json
from collections.abc import Mapping
from typing import Any


class RagsiteError(Exception):
    """Everything that this package raises by itself."""


class ConnectionLost(RagsiteError):
    """No answer came, or not all of it, and trying again did not help."""


class ApiError(RagsiteError):
    """The server refused. `code` never changes its meaning; `detail` is for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after: float | None = None,
        request_id: str | None = None,
        errors: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}" if code else f"{status}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.retry_after, self.request_id = retry_after, request_id
        self.errors = errors or {}  # of a body or an address, by field


class Invalid(ApiError):
    """The request is wrong: it would be refused again."""


class Unauthorized(ApiError):
    """The credential is not good."""


class Forbidden(ApiError):
    """The credential does not allow this."""


class NotFound(ApiError):
    """It is not there, or somebody else's."""


class Conflict(ApiError):
    """Not in the state that it is in."""


class RateLimited(ApiError):
    """Too many of these; `retry_after` says when there is room again."""


class Unavailable(ApiError):
    """The server, or a model behind it, cannot answer at the moment."""


BY_STATUS = {
    401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 412: Conflict,
    429: RateLimited,
}  # fmt: skip


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """From an answer that is no success; `headers` by names in lower case."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        told = {}  # a proxy's page
    kind = BY_STATUS.get(status) or (Unavailable if status >= 500 else Invalid)
    return kind(
        status,
        str(told.get("code", "")),
        str(told.get("detail", "The answer is not one of this API.")),
        retry_after=seconds(headers.get("retry-after")),
        request_id=headers.get("x-request-id"),
        errors=told.get("errors") if isinstance(told.get("errors"), dict) else None,
    )


def seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None  # a date: this server sends none
