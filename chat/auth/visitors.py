"""Visitor tokens: readers without an account or a cookie keep their conversations.

There are two kinds, signed apart, so that neither can be made of the other. One comes with a
conversation about a public corpus, and lasts. The other is minted with a publishable key, for the
pages and corpora of that key: it lasts minutes, is renewed, and ends with its key.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core import signing

SALT = "chat.visitor"
SALT_OF_KEYS = "chat.visitor.of-a-key"
MAX_AGE = 30 * 24 * 3600  # seconds
HEADER = "X-Visitor-Token"
# Set by the chat page and read by the websocket alone, whose Origin is checked.
COOKIE = "visitor"
LONGEST = 2000  # characters
GRACE = timedelta(hours=24)  # an expired token still says who its visitor was


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


@dataclass(frozen=True)
class Minted:
    """What a token says that was made with a publishable key. What the key says today counts, too:
    this can only be less."""

    visitor: str
    key: str  # its prefix
    corpora: frozenset[int]
    origin: str
    expires_at: datetime

    @property
    def token(self) -> str:
        said = [self.visitor, self.key, sorted(self.corpora), self.origin,
                int(self.expires_at.timestamp())]  # fmt: skip
        return signing.dumps(said, salt=SALT_OF_KEYS)

    def is_over(self, *, grace: timedelta = timedelta()) -> bool:
        return self.expires_at + grace <= datetime.now(UTC)


def mint(*, key: str, corpora: frozenset[int], origin: str, visitor: str = "") -> Minted:
    lifetime = timedelta(minutes=settings.VISITOR_TOKEN_MINUTES)
    expires_at = (datetime.now(UTC) + lifetime).replace(microsecond=0)
    return Minted(visitor or new_id(), key, corpora, origin, expires_at)


def minted(token: str) -> Minted | None:
    """What a token of ours says, also when it is over; None if it is none."""
    if len(token) > LONGEST:
        return None
    try:
        visitor, key, corpora, origin, expires = signing.loads(token, salt=SALT_OF_KEYS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return Minted(visitor, key, frozenset(corpora), origin, datetime.fromtimestamp(expires, UTC))


def who_it_was(token: str, *, key: str, origin: str) -> str:
    """The visitor of a token that may be renewed with this key on this page; "": nobody's."""
    before = minted(token)
    if before is None or (before.key, before.origin) != (key, origin):
        return ""
    return "" if before.is_over(grace=GRACE) else before.visitor
