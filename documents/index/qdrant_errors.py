"""Whatever goes wrong with Qdrant, as IndexUnavailable. No key and no text is in any message."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import httpx
from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from documents.index.base import IndexTrouble, IndexUnavailable
from documents.redaction import without_secrets
from documents.upstream.waiting import retry_after

CODES: dict[int, IndexTrouble] = {
    400: "bad_request", 401: "key_refused", 403: "key_refused", 404: "missing", 408: "timeout",
    409: "bad_request", 413: "bad_request", 422: "bad_request", 429: "rate_limited",
    504: "timeout", 507: "full",
}  # fmt: skip
UNREADABLE = "Qdrant's answer could not be read."


@contextmanager
def vendor_errors() -> Iterator[None]:
    """The unrelated families of exceptions of qdrant-client, as one."""
    try:
        yield
    except ResourceExhaustedResponse as error:
        raise rate_limited(float(error.retry_after_s)) from error
    except UnexpectedResponse as error:
        raise refusal(error.status_code or 0, error.content, error.headers) from error
    except ResponseHandlingException as error:
        raise unanswered(error.source) from error
    except QdrantException as error:
        raise rate_limited(None) from error
    except (json.JSONDecodeError, AssertionError) as error:
        raise IndexUnavailable(UNREADABLE, code="broken_reply") from error
    except (ValueError, KeyError) as error:  # the in-memory client's way to refuse
        raise IndexUnavailable(f"Qdrant refused: {error}", code="bad_request") from error


def waits_in_seconds(response: httpx.Response) -> None:
    """A hook for qdrant-client: it loses a moment that is told as a date."""
    if (told := response.headers.pop("retry-after", None)) is not None:
        seconds = retry_after(told)
        if seconds is not None:
            response.headers["retry-after"] = str(ceil(seconds))


def unanswered(error: Exception) -> IndexUnavailable:
    """From httpx's error, or from that of whoever made sense of its answer."""
    if isinstance(error, (ValidationError, httpx.DecodingError)):
        return IndexUnavailable(UNREADABLE, code="broken_reply")
    late = isinstance(error, httpx.TimeoutException)
    message = f"Qdrant did not answer ({type(error).__name__})."
    return IndexUnavailable(message, code="timeout" if late else "unavailable")


def refusal(status: int, body: bytes, headers: httpx.Headers) -> IndexUnavailable:
    """From an answer that is not a 200. Those about the key are plain text, a proxy's are HTML."""
    code = CODES.get(status, "unavailable")
    wait = retry_after(headers.get("retry-after"))
    if code == "key_refused":
        return IndexUnavailable(
            f"Qdrant refused the API key ({status}). Check QDRANT_API_KEY.", code=code
        )
    if code == "missing":
        message = "The collection does not exist in Qdrant yet. Ingest something first."
        return IndexUnavailable(message, code=code)
    if code == "rate_limited":
        return rate_limited(wait)
    hint = " Its memory or disk is full." if code == "full" else ""
    return IndexUnavailable(
        f"Qdrant answered {status}: {reason(body)}{hint}", code=code, retry_after=wait
    )


def rate_limited(wait: float | None) -> IndexUnavailable:
    asks = "" if wait is None else f" and asks to wait {wait:.0f} s"
    message = f"Qdrant answers 429{asks}: its rate limit is reached."
    return IndexUnavailable(message, code="rate_limited", retry_after=wait)


def reason(body: bytes) -> str:
    try:
        return without_secrets(str(json.loads(body)["status"]["error"]))[:300]
    except (ValueError, LookupError, TypeError):
        return "no reason given"
