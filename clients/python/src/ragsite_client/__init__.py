"""Ask ragsite: answers with verified citations, and streams that resume by themselves."""

from ragsite_client.answers import Answer
from ragsite_client.async_client import AsyncClient, AsyncStream
from ragsite_client.client import Client, Stream
from ragsite_client.errors import (
    ApiError,
    Conflict,
    ConnectionLost,
    Forbidden,
    Invalid,
    NotFound,
    RagsiteError,
    RateLimited,
    Unauthorized,
    Unavailable,
)  # fmt: skip
from ragsite_client.events import (
    Cited,
    Claims,
    Delta,
    Done,
    Error,
    Event,
    Restart,
    Sources,
    Stage,
    Start,
)  # fmt: skip

__all__ = [
    "Answer", "ApiError", "AsyncClient", "AsyncStream", "Cited", "Claims", "Client", "Conflict",
    "ConnectionLost", "Delta", "Done", "Error", "Event", "Forbidden", "Invalid", "NotFound",
    "RagsiteError", "RateLimited", "Restart", "Sources", "Stage", "Start", "Stream",
    "Unauthorized", "Unavailable",
]  # fmt: skip
