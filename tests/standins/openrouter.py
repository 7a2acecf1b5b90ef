"""OpenRouter's chat completions as JSON and as a stream, with its ways of failing in both."""

import re
from collections.abc import Callable
from typing import Any

from tests.standins.base import Recorded, Reply, StandIn, html_reply, json_reply, unknown_fields
from tests.standins.frames import comment, completion, delta, ending, error, role, stream

CHAT, MODELS, KEY = "/api/v1/chat/completions", "/api/v1/models", "/api/v1/key"
FIELDS = (
    "model", "models", "messages", "stream", "stream_options", "usage", "max_tokens",
    "max_completion_tokens", "temperature", "top_p", "stop", "seed", "provider", "reasoning",
    "response_format", "session_id", "user", "cache_control", "prompt_cache_key", "route",
)  # fmt: skip
PROVIDER_FIELDS = (
    "order", "only", "ignore", "allow_fallbacks", "require_parameters", "data_collection", "zdr",
    "quantizations", "sort", "preferred_max_latency", "preferred_min_throughput", "max_price",
)  # fmt: skip


class OpenRouterStandIn(StandIn):
    """Answers with `answer`. Models named in `failing` fail, and the next of the list serves."""

    root = "/api/v1"

    def __init__(self, *, api_key: str = "sk-or-v1-test", port: int = 0):
        super().__init__(port)
        self.api_key = api_key
        self.known = {"vendor/primary", "vendor/second", "vendor/third", "openrouter/auto"}
        self.failing: dict[str, Reply] = {}
        self.key_card: dict[str, Any] = {}  # what is different about the key
        self.answer: str | Callable[[dict[str, Any]], str] = "Perovskites degrade in moist air."

    def respond(self, request: Recorded) -> Reply:
        if request.path == MODELS:
            return json_reply({"data": [_model_card(slug) for slug in sorted(self.known)]})
        if request.headers.get("authorization") != f"Bearer {self.api_key}":
            return error(401, "No cookie auth credentials found", error_type="authentication")
        if request.path == KEY:
            return json_reply({"data": {**_key_card(), **self.key_card}})
        if (request.method, request.path) != ("POST", CHAT):
            return html_reply(404)
        return self._complaint(request.json) or self._complete(request.json)

    def chats(self) -> list[Recorded]:
        return self.requests_to(CHAT)

    def next_chat(self, *scenarios: Any) -> None:
        self.script(CHAT, *scenarios)

    def _complaint(self, body: Any) -> Reply | None:
        def bad(message: str) -> Reply:
            return error(400, message, error_type="invalid_request")

        if not isinstance(body, dict):
            return bad("Invalid JSON body")
        extra = unknown_fields(body, FIELDS) + unknown_fields(
            body.get("provider") or {}, PROVIDER_FIELDS
        )
        if extra:
            return bad(f"Unrecognized key(s) in object: '{extra[0]}'")
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            return bad("Input required: specify messages")
        if not all(m.get("role") in ROLES and isinstance(m.get("content"), str) for m in messages):
            return bad("Invalid message")
        if len(body.get("models") or []) > 3:
            return bad("'models' array must have 3 items or fewer.")
        wanted = _wanted(body)
        if not wanted:
            return bad("No models provided")
        if unknown := [slug for slug in wanted if slug not in self.known]:
            return bad(f"{unknown[0]} is not a valid model ID")
        return None

    def _complete(self, body: dict[str, Any]) -> Reply:
        *_, last = wanted = _wanted(body)
        model = next((slug for slug in wanted if slug not in self.failing), None)
        if model is None:
            return self.failing[last]
        text = self.answer if isinstance(self.answer, str) else self.answer(body)
        if not body.get("stream"):
            return completion(text, model=model)
        words = re.findall(r"\s*\S+", text)
        said = [delta(word, model=model) for word in words]
        return stream(comment(), role(model), *said, *ending(model=model, tokens=len(words)))


ROLES = {"system", "user", "assistant", "developer", "tool"}


def _wanted(body: dict[str, Any]) -> list[str]:
    first = [body["model"]] if body.get("model") else []
    return first + [slug for slug in body.get("models") or [] if slug not in first]


def _model_card(slug: str) -> dict[str, Any]:
    return {
        "id": slug,
        "canonical_slug": slug,
        "name": slug,
        "created": 1776300000,
        "context_length": 128000,
        "architecture": {"modality": "text->text"},
        "pricing": {"prompt": "0.0000002", "completion": "0.0000006"},
        "top_provider": {
            "context_length": 128000,
            "max_completion_tokens": 8192,
            "is_moderated": False,
        },
        "supported_parameters": ["max_tokens", "temperature", "stop"],
        "expiration_date": None,
    }


def _key_card() -> dict[str, Any]:
    return {
        "label": "sk-or-v1-tes...est",
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        "usage": 0,
        "usage_daily": 0,
        "usage_weekly": 0,
        "usage_monthly": 0,
        "is_free_tier": True,
        "free_model_daily_requests": {"used": 0, "limit": 50, "remaining": 50},
        "expires_at": None,
        "rate_limit": {"requests": -1, "interval": "10s"},
    }
