"""Principal: who is asking, which corpora that lets them read, and what they may do there."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from chat.auth.addresses import network_of
from chat.auth.plans import Plan, anonymous_plan, plan_named
from documents.powers import READING, Power
from documents.scope import Scope


@dataclass(frozen=True)
class Principal:
    """Every credential ends in one of these; nothing else decides what a caller may see."""

    kind: Literal["user", "key", "visitor"]
    id: str
    corpora: frozenset[int]
    address: str = ""  # of an anonymous visitor: what the rate limit counts
    scopes: frozenset[Power] = READING
    expires_at: datetime | None = None  # aware; None: not by itself
    origins: frozenset[str] = frozenset()  # the pages that may show the credential; none: any
    key: str = ""  # prefix of the API key that this is, or by which a visitor came
    plan_name: str = ""  # of that key; "": the standard one
    questions_a_day: int | None = None  # of that key, all of its visitors together
    session: str = field(default="", repr=False)  # of a user who signed in here
    session_hash: str = field(default="", repr=False)  # changes with the password

    @property
    def owner(self) -> str:
        """What conversations are stored under; nobody's visitor has none to look them up by."""
        if not self.id:
            raise ValueError("A visitor without a token owns nothing.")
        return f"{self.kind}:{self.id}"

    @property
    def is_anybody(self) -> bool:
        """A visitor could mint ids at will, and every reader of a page has its publishable key."""
        return self.kind == "visitor" or self.may(Power.MINT)

    @property
    def limit_key(self) -> str:
        """What the rate limit counts; of those who could be anybody, the network."""
        return f"address:{network_of(self.address)}" if self.is_anybody else self.owner

    @property
    def plan(self) -> Plan:
        """How much at a time. A visitor has that of visitors, and its key's with all the others."""
        return anonymous_plan() if self.is_anybody else self.key_plan

    @property
    def key_plan(self) -> Plan:
        return plan_named(self.plan_name, of_key=bool(self.key))

    @property
    def limits_at_once(self) -> dict[str, int]:
        """How many questions may be answered or wait at the same time, by whom they count for: the
        caller, and for the visitors of a key all of them together."""
        of_key = {f"key:{self.key}": self.key_plan.turns_at_once} if self.key else {}
        return {**of_key, self.limit_key: self.plan.turns_at_once}

    @property
    def scope(self) -> Scope:
        return Scope(corpora=self.corpora)

    def may(self, power: Power | str) -> bool:
        return power in self.scopes
