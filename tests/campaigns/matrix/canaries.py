"""Canaries: words that stand nowhere else, each with the list of those who may see it."""

import random
import re
import sys
from collections.abc import Collection, Iterable
from urllib.parse import unquote

EVERYTHING = "everything"  # the grant of superusers
TOKEN = re.compile(
    r"zq[0-9a-f]{12}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}"
)


class Canaries:
    """Whoever has one of a canary's grants may see it; without grants, only a superuser may."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._grants: dict[str, frozenset[str]] = {}
        self._others: set[str] = set()  # of another form: looked for one by one
        self._planted_at: dict[str, str] = {}

    def plant(self, *grants: str) -> str:
        word = f"zq{self._dice.getrandbits(48):012x}"
        self._grants[word] = frozenset(grants)
        caller = sys._getframe(1).f_code
        self._planted_at[word] = f"{caller.co_name}:{sys._getframe(1).f_lineno}"
        return word

    def where(self, word: str) -> str:
        """In which line of the trial's own code it was planted."""
        return self._planted_at.get(word, "an id")

    def know(self, text: str, *grants: str) -> str:
        """Something that is there anyway: an id, a part of a key."""
        self._grants[text] = frozenset(grants)
        if not TOKEN.fullmatch(text):
            self._others.add(text)
        return text

    def seen_in(self, text: str) -> set[str]:
        """Those that stand in a text, also percent-encoded."""
        plain = unquote(text) if "%" in text else text
        found = {word for word in TOKEN.findall(plain) if word in self._grants}
        return found | {word for word in self._others if word in plain}

    def leaked_in(self, text: str, grants: Collection[str], sent: str) -> set[str]:
        """Those that whoever has these grants must not see. What was sent may be sent back."""
        return {
            word
            for word in self.seen_in(text)
            if not self.may_see(word, grants) and word not in sent
        }

    def may_see(self, word: str, grants: Collection[str]) -> bool:
        return EVERYTHING in grants or not self._grants[word].isdisjoint(grants)

    def unseen(self, seen: Iterable[str], grants: Collection[str]) -> set[str]:
        """Planted words that one with these grants ought to have met somewhere, and did not."""
        return {
            word
            for word, needed in self._grants.items()
            if word.startswith("zq") and not needed.isdisjoint(grants)
        } - set(seen)

    def __len__(self) -> int:
        return len(self._grants)
