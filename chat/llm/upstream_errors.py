"""What an OpenAI-compatible server says when it fails, told in the few codes of ChatModelError.

Upstream messages are never repeated: they can quote the prompt, or a part of the key.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal

import httpx

from chat.llm.base import ChatModelError
from documents.upstream import waiting

# OpenRouter's metadata.error_type, and the string codes and types of OpenAI and its imitators.
CODE_BY_TYPE = {
    "content_policy_violation": "refused",
    "refusal": "refused",
    "content_filter": "refused",
    "context_length_exceeded": "overlong",
    "max_tokens_exceeded": "overlong",
    "payload_too_large": "overlong",
    "insufficient_quota": "rejected",
    "invalid_api_key": "rejected",
    "invalid_request": "rejected",
    "invalid_request_error": "rejected",
    "invalid_prompt": "rejected",
    "authentication": "rejected",
    "rate_limit_exceeded": "rate_limited",
    "capacity_exhausted": "rate_limited",
    "provider_overloaded": "unavailable",
    "provider_unavailable": "unavailable",
}
CODE_BY_STATUS = {
    400: "rejected",
    401: "rejected",
    402: "rejected",
    403: "rejected",
    408: "timeout",
    413: "overlong",
    422: "rejected",
    429: "rate_limited",
    504: "timeout",
    524: "timeout",
}
# OpenRouter's own words for the limit that all of its free models share.
FREE_LIMIT = "free_tier"
FREE_LIMIT_MESSAGE = "free-models-per-"
MID_STREAM = 0
SLUG = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


def upstream_error(
    name: str, status: int, body: Any, headers: Mapping[str, str] | None = None
) -> ChatModelError:
    """The error for a reply, or (status MID_STREAM) for an error event inside a good one."""
    error = _dict(_dict(body).get("error")) or _dict(_dict(_dict(body).get("choices")).get("error"))
    metadata = _dict(error.get("metadata"))
    availability = _dict(error.get("availability"))
    status = _number(error.get("code")) or status
    kinds = [
        str(kind).lower()
        for kind in (metadata.get("error_type"), error.get("code"), error.get("type"))
        if isinstance(kind, str) and SLUG.fullmatch(kind.lower())
    ]
    limit = metadata.get("limit_source")
    code = CODE_BY_STATUS.get(status, "unavailable")
    if status == 402 and "in_flight_budget" in f"{limit} {metadata.get('reason')}":
        code = "rate_limited"  # passes as soon as other requests of the account end
    elif status == 403 and ("flagged_input" in metadata or "reasons" in metadata):
        code = "refused"
    else:
        code = next((CODE_BY_TYPE[kind] for kind in kinds if kind in CODE_BY_TYPE), code)
    said = httpx.Headers({str(k): str(v) for k, v in _dict(metadata.get("headers")).items()})
    said.update(headers or {})
    waits = (
        retry_after(said),
        _seconds(availability.get("retry_after")),
        _until(metadata.get("resets_at")),
    )
    what = {200: "answered without a stream", MID_STREAM: "failed in its stream"}.get(status)
    detail = f" ({kinds[0]})" if kinds else ""
    return ChatModelError(
        f"{name} {what or f'answered {status}'}{detail}",
        code=code,
        retry_after=next((w for w in waits if w), None),
        reach=_reach(status, code, str(limit), str(error.get("message"))),
    )


def _reach(
    status: int, code: str, limit: str, message: str
) -> Literal["model", "free", "provider"]:
    if code == "rate_limited" and (FREE_LIMIT in limit or FREE_LIMIT_MESSAGE in message):
        return "free"
    return "provider" if status in (401, 402, 403) and code != "refused" else "model"


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait, from Retry-After (seconds or a date) or X-RateLimit-Reset."""
    told = waiting.retry_after(headers.get("retry-after"))
    return _until(headers.get("x-ratelimit-reset")) if told is None else told


def _until(moment: Any) -> float | None:
    """Seconds until an epoch in seconds or (OpenRouter) milliseconds, or an ISO date."""
    epoch = _seconds(moment)
    if epoch is None:
        try:
            date = datetime.fromisoformat(str(moment))
        except ValueError:
            return None
        epoch = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    if epoch > 1e11:
        epoch /= 1000
    return max(0.0, epoch - time.time()) if epoch > 1e9 else epoch


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _number(value: Any) -> int | None:
    """An HTTP status given as a number or as its digits."""
    digits = str(value)
    return int(digits) if re.fullmatch(r"[45]\d\d", digits) else None


def _dict(value: Any) -> dict[str, Any]:
    if isinstance(value, list) and value:  # the first choice; Gemini wraps its errors in a list
        value = value[0]
    return value if isinstance(value, dict) else {}
