"""Principal: who is asking, and which corpora that lets them read."""

from dataclasses import dataclass
from typing import Literal

from django.conf import settings

from chat.auth.addresses import network_of
from documents.scope import Scope


@dataclass(frozen=True)
class Principal:
    """Every credential ends in one of these; nothing else decides what a caller may see."""

    kind: Literal["user", "key", "visitor"]
    id: str
    corpora: frozenset[int]
    address: str = ""  # of an anonymous visitor: what the rate limit counts
    may_ingest: bool = False  # of a key; what a user may do is for Django's permissions to say

    @property
    def owner(self) -> str:
        """What conversations are stored under; nobody's visitor has none to look them up by."""
        if not self.id:
            raise ValueError("A visitor without a token owns nothing.")
        return f"{self.kind}:{self.id}"

    @property
    def limit_key(self) -> str:
        """What the rate limit counts: a visitor could mint ids at will, so the network."""
        return f"address:{network_of(self.address)}" if self.kind == "visitor" else self.owner

    @property
    def turns_at_once(self) -> int:
        """How many of its questions may be answered or wait at the same time."""
        if self.kind == "key":
            return settings.TURNS_AT_ONCE_OF_A_KEY
        return settings.TURNS_AT_ONCE_EACH

    @property
    def scope(self) -> Scope:
        return Scope(corpora=self.corpora)
