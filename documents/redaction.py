"""No secret of the settings gets into a text that is kept or shown: logs, tracebacks, errors.

Nobody should write one there. This is for what others write: a provider that repeats a request in
its error, a library that logs its options, Django's page with the variables of every frame.
"""

import json
import logging
import re
from datetime import UTC, datetime
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

SECRETS = ("SECRET_KEY", "COHERE_API_KEY", "QDRANT_API_KEY", "OPENROUTER_API_KEY", "OPENAI_API_KEY")
ADDRESSES = (
    "DATABASE_URL", "DATABASE_DIRECT_URL", "REDIS_URL", "QDRANT_URL", "COHERE_BASE_URL",
    "OPENROUTER_BASE_URL", "OPENAI_BASE_URL", "PROVIDER_PROXY",
)  # fmt: skip
SHORTEST = 4  # characters: a shorter one would be found in any text
HIDDEN = "***"
# Nobody who writes into a message may begin a line of their own, or move the cursor.
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def secrets() -> list[str]:
    """Of the settings, the longest first: one may hold another."""
    found: set[str] = {str(getattr(settings, name, "")) for name in SECRETS}
    for name in ADDRESSES:
        address = urlsplit(str(getattr(settings, name, "")))
        if address.password:
            found |= {address.password, unquote(address.password)}
    return sorted((secret for secret in found if len(secret) >= SHORTEST), key=len, reverse=True)


def without_secrets(text: str) -> str:
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return text


class SafeFormatter(logging.Formatter):
    """A log line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", record.message)
        return super().formatMessage(record)


class JsonFormatter(SafeFormatter):
    """The same as an object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname, "logger": record.name, "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "-"),
        }  # fmt: skip
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: without_secrets(text) for name, text in told.items()})


class SafeReporterFilter(SafeExceptionReporterFilter):
    """Django's page of an error, and its mail: addresses hold passwords, and frames hold keys."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|URL|PROXY|DATABASES|CACHES|LAYERS",
        flags=re.IGNORECASE,
    )

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> Any:
        known = secrets()
        return [
            (name, HIDDEN if _holds_one(value, known) else value)
            for name, value in super().get_traceback_frame_variables(request, tb_frame)
        ]


def _holds_one(value: Any, known: list[str]) -> bool:
    try:
        text = repr(value)
    except Exception:  # an object that cannot be shown holds nothing that would be
        return False
    return any(secret in text for secret in known)
