"""Stand-ins for the services we call, on loopback, as faithful as their contracts are known."""

from tests.standins.base import (
    EMPTY_200,
    NEVER,
    NO_REPLY,
    RESET,
    Fault,
    Recorded,
    Reply,
    StandIn,
    eventually,
    html_reply,
    json_reply,
    split,
)
from tests.standins.cohere import CohereStandIn
from tests.standins.openrouter import OpenRouterStandIn

__all__ = [
    "EMPTY_200",
    "NEVER",
    "NO_REPLY",
    "RESET",
    "CohereStandIn",
    "Fault",
    "OpenRouterStandIn",
    "Recorded",
    "Reply",
    "StandIn",
    "eventually",
    "html_reply",
    "json_reply",
    "split",
]
