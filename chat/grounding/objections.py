"""What speaks against a claim, given the sentences that are said to bear it out.

Numbers, names, negations and opposites: no likeness of words or meaning makes up for them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chat.grounding import quantities as amounts
from chat.grounding.names import Name, holds
from chat.grounding.polarity import contradiction
from chat.grounding.quantities import Quantity
from chat.grounding.spans import Said, Span, Text, share
from chat.grounding.stance import joined
from chat.words import content_words

WORD = re.compile(r"\w+")
NEAR = 4  # words on either side of a number or name
FAR_NEARER = 3  # words more in common


def nearest(claim: Said, span: Span, worth: dict[str, float]) -> Said:
    """The one sentence of the span that says most of the claim."""
    return max(span.parts, key=lambda part: share(claim.words, part.words, worth))


def missing_keys(claim: Said, spans: Sequence[Span], headings: Sequence[Said]) -> list[str]:
    """Numbers and names of the claim that the spans and the headings above them do not hold."""
    parts = [part for span in spans for part in span.parts]
    around = [*parts, *headings]
    held = [quantity for said in around for quantity in said.quantities]
    spelled = frozenset().union(*(said.spelled for said in around))
    found = amounts.missing(claim.quantities, held, spelled)
    text = amounts.dates_spelled(" ".join(said.plain for said in around))
    found += [name.text for name in claim.names if not holds(text, name)]
    return found


def objection(
    claim: Said, span: Span, text: Text, worth: dict[str, float], missing: Sequence[str] = ()
) -> str:
    """Why the span does not bear out the claim, in a few words; "" if nothing speaks against it."""
    anchor = nearest(claim, span, worth)
    if missing and (lost := _lost(claim, missing, anchor, span, text)):
        return f"not in the cited passage there: {', '.join(lost[:5])}"
    if other := _said_of_another(claim, anchor, text):
        return f"the passage says this of {other}"
    if other := _number_of_another(claim, span):
        return f"the passage says this of {other}"
    if key := _misplaced(claim, span):
        return f"the passage says this of another than {key}"
    if counted := _counted_otherwise(claim, span, text):
        return f"the passage does not count {counted}"
    return contradiction(claim.stance, anchor.stance, joined([part.stance for part in span.parts]))


def _lost(claim: Said, missing: Sequence[str], anchor: Said, span: Span, text: Text) -> list[str]:
    """Without the names that the passage speaks of from further above: "it" is short for them."""
    above = " ".join(part.plain for part in text.parts if part.end <= span.start)
    named = {name.text: name for name in claim.names}
    return [
        key for key in missing
        if key not in named or not holds(above, named[key]) or _rivals(claim, anchor, named[key])
    ]  # fmt: skip


def _rivals(claim: Said, anchor: Said, name: Name) -> list[Name]:
    """Names of the same sort in the anchor of which the claim does not speak.

    Prose is full of people and places; there, one name in common shows that the two belong
    together. Identifiers stand for one thing each.
    """
    alike = [other for other in anchor.names if _sort(other) == _sort(name)]
    rivals = [other for other in alike if not holds(claim.plain, other)]
    return rivals if _sort(name) or len(rivals) == len(alike) else []


def _sort(name: Name) -> bool:
    """True: an identifier; False: a name of ordinary letters."""
    return name.code or not name.text.isalpha() or not name.text[1:].islower()


def _said_of_another(claim: Said, anchor: Said, text: Text) -> str:
    """The name that stands in the anchor in place of one that the claim is about."""
    for name in claim.names:
        if holds(anchor.plain, name) or holds(text.heading.plain, name):
            continue
        if rivals := _rivals(claim, anchor, name):
            return rivals[0].text
    return ""


def _number_of_another(claim: Said, span: Span) -> str:
    """The identifier that stands beside a number in place of the one in the claim."""
    for quantity, name in _paired(claim):
        beside = [part for part in span.parts if _mentions(part, quantity)]
        bound = [
            part for part in beside if holds(part.plain, name) or not _identifiers(part)
        ]  # fmt: skip
        if beside and not bound:
            return _identifiers(beside[0])[0].text
    return ""


def _paired(claim: Said) -> Iterator[tuple[Quantity, Name]]:
    """Each number with the identifier that stands nearest before it, else the first one."""
    identifiers = [(claim.plain.find(name.text), name) for name in _identifiers(claim)]
    for quantity in claim.quantities:
        at = claim.plain.find(quantity.written)
        before = [one for one in identifiers if one[0] < at]
        nearest = max(before, key=lambda one: one[0], default=None)
        if nearest or identifiers:
            yield quantity, (nearest or identifiers[0])[1]


def _mentions(part: Said, quantity: Quantity) -> bool:
    return any(quantity.readings & other.readings for other in part.quantities)


def _identifiers(said: Said) -> list[Name]:
    return [name for name in said.names if _sort(name)]


def _misplaced(claim: Said, span: Span) -> str:
    """A number or name that stands where the passage has another one of its kind."""
    theirs = [key for part in span.parts for key in _keys(part)]
    mine = list(_keys(claim))
    said = {key.name for key in mine}
    for key in mine:
        own = [len(key.near & other.near) for other in theirs if other.name == key.name]
        rivals = [
            len(key.near & other.near) for other in theirs
            if other.kind == key.kind and other.name not in said
        ]  # fmt: skip
        if own and rivals and not key.weak and max(rivals) >= max(own) + FAR_NEARER:
            return key.name
    return ""


@dataclass(frozen=True)
class _Key:
    """A number or identifier: as it is compared, of which kind, and the words on both sides."""

    name: str
    kind: str
    near: frozenset[tuple[str, bool]]
    weak: bool = False


def _keys(said: Said) -> Iterator[_Key]:
    text = said.plain.lower()
    found = [(q.written, q.unit, "|".join(sorted(q.readings)), q.weak) for q in said.quantities]
    found += [(name.text, "name", name.text.lower(), False) for name in _identifiers(said)]
    after: dict[str, int] = {}
    for written, kind, name, weak in found:
        at = text.find(written.lower(), after.get(kind, 0))
        if at < 0:
            continue
        after[kind] = at + len(written)
        left, right = WORD.findall(text[:at])[-NEAR:], WORD.findall(text[after[kind] :])[:NEAR]
        near = [(word, False) for word in left] + [(word, True) for word in right]
        yield _Key(name, kind, frozenset(near), weak)


def _counted_otherwise(claim: Said, span: Span, text: Text) -> str:
    """ "three colours" where only three flashes are spoken of."""
    held = span.words | text.heading.words
    for quantity in claim.quantities:
        stems = content_words(quantity.noun, claim.language)
        if stems and not quantity.weak and not stems & held:
            return f"{quantity.written} {quantity.noun}"
    return ""
