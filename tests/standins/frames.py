"""The pieces of OpenRouter's replies: events of a stream, whole completions, errors."""

import json
import time
from typing import Any
from uuid import uuid4

from tests.standins.base import Chunk, Fault, Reply, json_reply


def stream(*chunks: Chunk) -> Reply:
    """A reply of server-sent events; bytes, pauses (seconds as float) and faults in any order."""
    headers = {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-generation-id": f"gen-{uuid4().hex}",
    }
    return Reply(headers=headers, chunks=chunks, streamed=True)


def event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n"


def chunk(model: str, choice: dict[str, Any] | None, **extra: Any) -> bytes:
    """One chat.completion.chunk; without a choice its list of choices is empty."""
    choices = [] if choice is None else [{"index": 0, "native_finish_reason": None, **choice}]
    return event(
        {
            "id": "gen-1",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
            "provider": "Parasail",
            "choices": choices,
            **extra,
        }
    )


def comment() -> bytes:
    return b": OPENROUTER PROCESSING\n\n"


def role(model: str = "vendor/primary") -> bytes:
    return delta("", model=model)


def delta(content: str | None, *, model: str = "vendor/primary", **more: Any) -> bytes:
    said = {"role": "assistant", "content": content, **more}
    return chunk(model, {"delta": said, "finish_reason": None})


def thinking(text: str) -> bytes:
    return delta(None, reasoning=text, reasoning_details=[{"type": "text", "text": text}])


def finish(reason: str = "stop", *, model: str = "vendor/primary") -> bytes:
    return chunk(model, {"delta": {"role": "assistant", "content": ""}, "finish_reason": reason})


def usage(
    tokens: int = 2, *, reason: str = "stop", model: str = "vendor/primary", empty: bool = False
) -> bytes:
    """It repeats the finished choice, or (`empty`, other servers) comes without a choice."""
    repeated = {"delta": {"role": "assistant", "content": ""}, "finish_reason": reason}
    counted = {
        "prompt_tokens": 812,
        "completion_tokens": tokens,
        "total_tokens": 812 + tokens,
        "cost": 0.00041 if tokens else 0,
    }
    return chunk(model, None if empty else repeated, usage=counted)


DONE = b"data: [DONE]\n\n"
STALL, CUT, RESET_NOW = Fault.STALL, Fault.CUT, Fault.RESET


def ending(*, model: str = "vendor/primary", tokens: int = 2) -> list[bytes]:
    return [finish(model=model), usage(tokens, model=model), DONE]


def error_event(
    code: int | str = 502,
    message: str = "Provider disconnected",
    *,
    choices: bool = True,
    **metadata: Any,
) -> bytes:
    said = {"code": code, "message": message, "metadata": metadata}
    failed = {"delta": {"content": ""}, "finish_reason": "error"}
    return chunk("vendor/primary", failed if choices else None, error=said)


# --- Replies without a stream -----------------------------------------------------------------


def completion(text: str | None, *, model: str = "vendor/primary", reason: str = "stop") -> Reply:
    message = {"role": "assistant", "content": text, "refusal": None, "reasoning": None}
    tokens = len((text or "").split())
    return json_reply(
        {
            "id": f"gen-{uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "provider": "Parasail",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": reason,
                    "native_finish_reason": reason,
                    "message": message,
                }
            ],
            "usage": {
                "prompt_tokens": 812,
                "completion_tokens": tokens,
                "total_tokens": 812 + tokens,
                "cost": 0.00041,
            },
        }
    )


def error(
    status: int,
    message: str = "Provider returned error",
    *,
    headers: dict[str, str] | None = None,
    **metadata: Any,
) -> Reply:
    body = {
        "error": {"code": status, "message": message, "metadata": metadata},
        "user_id": "user_test",
    }
    return json_reply(body, status, **(headers or {}))


def in_flight_budget(retry_after: str = "3") -> Reply:
    return error(
        402,
        "Too many requests in flight for the balance",
        limit_source="openrouter_in_flight_budget",
        reason="in_flight_budget_exhausted",
        headers={"retry_after": retry_after},
    )


def out_of_credits(source: str = "openrouter_credits") -> Reply:
    return error(402, "This request requires more credits", limit_source=source)


def free_daily_limit(reset_in: float = 600.0) -> Reply:
    """X-RateLimit-Reset is in milliseconds, and there is no Retry-After."""
    limits = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int((time.time() + reset_in) * 1000)),
    }
    return error(
        429,
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free requests",
        headers=limits,
        limit_source="openrouter_free_tier_daily",
    )


def moderated(flagged_input: str = "the flagged words") -> Reply:
    return error(
        403,
        "Your chosen model requires moderation and your input was flagged",
        reasons=["violence"],
        flagged_input=flagged_input,
        provider_name="X",
        model_slug="vendor/primary",
    )


def no_endpoints() -> Reply:
    body = {
        "error": {
            "message": "No endpoints found matching your data policy",
            "availability": {"code": "no_endpoints", "retryable": False},
        }
    }
    return json_reply(body, 404)
