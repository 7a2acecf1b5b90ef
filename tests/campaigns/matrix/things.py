"""Things: what an id may name, and who may see what it names."""

from collections.abc import Collection
from dataclasses import dataclass, field

from tests.campaigns.matrix.canaries import EVERYTHING


@dataclass(frozen=True)
class Thing:
    """`value` is how it is named in an address or a body; `form`: what kind of name that is."""

    kind: str  # of what: "conversation", "document", "source", …
    form: str  # uuid, int, slug, path, url, text, token
    value: str
    grants: frozenset[str]
    beside: tuple[tuple[str, str], ...] = field(default=())  # what else its address names

    def is_foreign_to(self, grants: Collection[str]) -> bool:
        return EVERYTHING not in grants and self.grants.isdisjoint(grants)


# Names of nothing, as long as those of something.
MISSING = {
    "uuid": "00000000-0000-4000-8000-00000000dead",
    "int": "987654",
    "slug": "no-such-thing-here",
    "path": "no/such-page.md",
    "url": "/read/no-such-thing-here/no/such-page.md",
    "text": "No page says anything like this about umbrellas and marmalade.",
    "token": "no:such:token",
    "uri": "document://no-such-thing-here/987654",
}
