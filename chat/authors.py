"""Authors' names as citations want them: a family name and given names, or a name as it is."""

import re
from dataclasses import dataclass

# Words that no person is called by: the name is an organisation's, and stays whole.
ORGANISATION = re.compile(
    r"(?i)\b(?:agency|alliance|association|authors|board|bureau|center|centre|college|committee|"
    r"community|company|consortium|contributors|corp|corporation|council|department|developers|"
    r"documentation|federation|foundation|gmbh|group|inc|institut\w*|lab|laborator\w+|limited|llc|"
    r"ltd|maintainers|ministry|network|office|organi[sz]ation|press|project|school|society|team|"
    r"universi\w+|working|world)\b|[&@\d/]|\bof\b|^the\b"
)
PARTICLES = frozenset(
    "af al bin da dal de del della den der di do dos du el la las le ten ter van von zu zum".split()
)
SUFFIX = re.compile(r"(?:Jr|Sr|II|III|IV)\.?")
LATIN = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ]")


@dataclass(frozen=True)
class Name:
    """`given` is empty for organisations, and for names that nobody should take apart."""

    family: str
    given: str = ""

    @property
    def is_whole(self) -> bool:
        return not self.given

    @property
    def initials(self) -> str:
        """J.-P. M. for Jean-Paul Marie, J. R. R. for J.R.R."""
        return " ".join(
            "-".join(f"{part[0].upper()}." for part in word.split("-") if part)
            for word in self.given.replace(".", ". ").replace(". -", ".-").split()
        )


def name_of(text: str) -> Name:
    """Of "Lovelace, Ada" and "Ada Lovelace" alike. An organisation stays as it is, and so does a
    name in a script that may put the family first."""
    text = " ".join(text.split())
    family, comma, given = text.partition(", ")
    if comma and "," not in given and LATIN.search(given):
        return Name(text) if ORGANISATION.search(family) else Name(family, given)
    words = text.split()
    person = 2 <= len(words) <= 5 and not ORGANISATION.search(text) and "," not in text
    if not person or not all(LATIN.match(word) for word in words):
        return Name(text)
    at = len(words) - (2 if len(words) > 2 and SUFFIX.fullmatch(words[-1]) else 1)
    while at > 1 and words[at - 1].lower() in PARTICLES:
        at -= 1
    return Name(" ".join(words[at:]), " ".join(words[:at]))
