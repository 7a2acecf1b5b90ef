"""What Cohere's replies tell about the calls after them, whatever was asked."""

from typing import Any

from cohere.core.api_error import ApiError

from documents.redaction import without_secrets
from documents.upstream.metering import Spent
from documents.upstream.waiting import retry_after

# Seconds to leave the service alone after an answer that the next call would only repeat.
REST = {401: 300.0, 402: 300.0, 403: 300.0, 404: 300.0, 429: 60.0, 498: 300.0}
REST_UNTIL_NEXT_MONTH = 3600.0  # looked at again every hour: nobody tells when it is over
OURS = {400, 422, 501}  # the request was wrong, not the service


def is_monthly(error: ApiError) -> bool:
    """The trial key's calls of this month are used up; other 429s are over in a minute."""
    return error.status_code == 429 and "month" in reason_of(error).lower()


def rest_after(error: ApiError) -> float | None:
    """Seconds; None when nothing is known, and the next call may go well."""
    if is_monthly(error):
        return REST_UNTIL_NEXT_MONTH
    return asked_to_wait(error) or REST.get(error.status_code or 0)


def reason_of(error: ApiError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else getattr(body, "message", body)
    return without_secrets(str(message))[:300]


def asked_to_wait(error: ApiError) -> float | None:
    """Seconds, as its Retry-After says."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return retry_after(headers.get("retry-after"))


def billed(response: Any, *, inputs: int = 0) -> Spent:
    """As the reply's `meta.billed_units` says; the SDK makes sure of nothing. What a reranker is
    billed for are searches, units of up to a hundred short documents."""
    units = getattr(getattr(response, "meta", None), "billed_units", None)
    searches = _count(getattr(units, "search_units", None))
    tokens = _count(getattr(units, "input_tokens", None))
    return Spent(inputs=inputs or searches, tokens_in=tokens)


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0
