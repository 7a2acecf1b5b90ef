"""Frames of the websocket's protocol, version 1, as a client may send them.

`docs/asyncapi.yaml` describes them, and a test holds the two against each other.
"""

import json
import re
from typing import Any

VERSION = 1
MAX_FRAME = 64 * 1024  # characters
MAX_ID = 100  # characters
MAX_CREDENTIAL = 8 * 1024  # characters
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # neither sent back nor stored

ALWAYS = ("v", "type", "id")
QUESTION = ("question", "filters", "page", "selection", "store")  # the same as in REST
KEY = re.compile("[A-Za-z0-9_-]{1,64}")
CREDENTIALS = ("authorization", "visitor_token")
FIELDS: dict[str, tuple[str, ...]] = {
    "ask": ("corpus", "conversation", "key", *QUESTION),
    "resume": ("message", "after"),
    "stop": (),
    "authenticate": CREDENTIALS,
    "ping": (),
}


class ProtocolError(Exception):
    """A frame that cannot be acted on. The connection stays open."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def parse(text: str | None) -> dict[str, Any]:
    """A client's frame; raises ProtocolError that says what is wrong with it."""
    if text is None:
        raise ProtocolError("not_text", "Frames are JSON text, not binary.")
    if len(text) > MAX_FRAME:
        raise ProtocolError("frame_too_long", f"A frame has at most {MAX_FRAME:,} characters.")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("not_json", "This frame is not JSON.") from None
    if not isinstance(frame, dict):
        raise ProtocolError("not_an_object", "A frame is a JSON object.")
    if frame.get("v") != VERSION or isinstance(frame["v"], bool):
        raise ProtocolError("unknown_version", f'A frame says "v": {VERSION}.')
    kind = frame.get("type")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise ProtocolError("unknown_type", f'"type" is one of {", ".join(FIELDS)}.')
    if not isinstance(frame.get("id"), str) or not 1 <= len(frame["id"]) <= MAX_ID:
        raise ProtocolError(
            "bad_id", f'"id" is a string of 1 to {MAX_ID} characters of your choice.'
        )
    if not frame.keys() <= {*ALWAYS, *FIELDS[kind]}:
        known = ", ".join((*ALWAYS, *FIELDS[kind]))
        raise ProtocolError("unknown_field", f'A frame "{kind}" has no other fields than {known}.')
    if any(NO_TEXT.search(str(frame.get(name, ""))) for name in ("id", "corpus", "conversation")):
        raise ProtocolError("not_text", "NUL and halves of surrogate pairs are no text.")
    return frame


def number_in(frame: dict[str, Any], name: str) -> int:
    """A number of an event; 0 when the frame does not say."""
    value = frame.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**9:
        raise ProtocolError("bad_event_number", f'"{name}" is a whole number, 0 or more.')
    return value


def key_in(frame: dict[str, Any]) -> str | None:
    """By which a question is known when it is sent again."""
    key = frame.get("key")
    if "key" in frame and not (isinstance(key, str) and KEY.fullmatch(key)):
        raise ProtocolError("invalid", '"key" is 1 to 64 letters, digits and any of _-.')
    return key


def credential_in(frame: dict[str, Any]) -> tuple[str, str]:
    """The one that it shows: what kind, and the text."""
    shown = [(name, frame[name]) for name in CREDENTIALS if name in frame]
    if len(shown) != 1:
        raise ProtocolError("invalid", f"Show one of {' and '.join(CREDENTIALS)}.")
    ((name, value),) = shown
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_CREDENTIAL:
        raise ProtocolError("invalid", f'"{name}" is a text of at most {MAX_CREDENTIAL:,}.')
    if not value.isascii() or not value.isprintable():
        raise ProtocolError("invalid", f'"{name}" is written in printable ASCII.')
    return name, value
