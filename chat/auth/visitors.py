"""Visitor tokens: an anonymous reader keeps a conversation without an account or a cookie."""

import uuid

from django.core import signing

SALT = "chat.visitor"
MAX_AGE = 30 * 24 * 3600  # seconds
HEADER = "X-Visitor-Token"
# Set by the chat page and read by the websocket alone, whose Origin is checked.
COOKIE = "visitor"


def new_id() -> str:
    return uuid.uuid4().hex


def new_token() -> str:
    return signing.dumps(new_id(), salt=SALT)


def visitor_id(token: str) -> str | None:
    """The id inside a token of ours that is not too old; None for anything else."""
    try:
        value = signing.loads(token, salt=SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None
    return value if isinstance(value, str) else None
