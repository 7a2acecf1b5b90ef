"""What turns a sentence into another one with hardly a word changed.

Negations, opposites, quantifiers, modal verbs, and what stands before or after what. Each
comparison says what is wrong, in a few words, or nothing.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from chat.grounding.opposites import GROUPS, GROUPS_OF
from chat.grounding.order import TURNED, exchanged, of_the_other, sides_turned, turned_round
from chat.grounding.stance import Stance
from chat.words import content_words

# "at least" and "up to" decide more than the words in them.
BOUNDS = [
    (re.compile(
        r"\b(?:at least|no (?:less|fewer) than|not less than|minimum(?: of)?"
        r"|or (?:more|newer|later|higher|above)|from \d\S* (?:on|up))\b|≥|>=|\d\+"), 0),
    (re.compile(
        r"\b(?:at most|no more than|not more than|up to|maximum(?: of)?|not exceed\w*"
        r"|or (?:less|fewer|older|lower|below))\b|≤|<="), 1),
    (re.compile(r"\b(?:more than|over|exceed\w*|greater than|longer than|above)\b"), 2),
    (re.compile(r"\b(?:less than|fewer than|under|below|shorter than)\b"), 3),
]  # fmt: skip
AT_LEAST_LIKE, AT_MOST_LIKE = {0, 2}, {1, 3}

UNIVERSAL = frozenset(
    "all every each any always entire whole everything everyone both full completely "
    "entirely".split()
)
PARTIAL = frozenset(
    "some few most many several sometimes often usually occasionally rarely seldom partly "
    "partially mostly certain half majority generally typically nearly almost".split()
)  # fmt: skip
EXCLUSIVE = re.compile(
    r"\b(?:only|solely|exclusively|nothing (?:else|but)|no (?:other|one else)|no one but|sole"
    r"|nobody but|just|alone|except|unless|none but|not \w+ until|limited to|restricted to"
    r"|single)\b"
)
ONLY = re.compile(r"(?<!not )\b(?:only|solely|exclusively|nothing but|no other)\b")

STRONG = re.compile(
    r"\b(?:must|shall|ha(?:s|ve) to|needs? to|required|requires?|mandatory|obligatory)\b"
)
WEAK = re.compile(
    r"\b(?:may|might|can|could|should|optional(?:ly)?|recommend(?:ed)?|advised?|encouraged?)\b"
)
HEDGED = re.compile(r"\b(?:may|might|could|possibly|perhaps|probably|likely|can)\b")


def contradiction(claim: Stance, source: Stance, around: Stance) -> str:
    """What of the claim the source's sentence says otherwise; "" if nothing was found.

    `source` is the one sentence that is nearest to the claim, `around` it and its neighbours.
    """
    checks = (
        _negation,
        _bounds,
        _opposites,
        of_the_other,
        turned_round,
        exchanged,
        _quantifiers,
        _modals,
    )
    return next((said for check in checks if (said := check(claim, source, around))), "")


def _negation(claim: Stance, source: Stance, around: Stance) -> str:
    if _under_its_condition(claim, source) or _under_its_condition(source, claim):
        return ""
    return _denied_alone(claim, source, around) or _denied_there(claim, source)


def _under_its_condition(one: Stance, other: Stance) -> bool:
    """ "Not unless it is passed" and "if it is passed" agree."""
    return len(one.excused & other.stems) * 2 >= max(1, len(one.excused)) and bool(one.excused)


def _denied_alone(claim: Stance, source: Stance, around: Stance) -> str:
    for scope in claim.denied:
        head = scope[0] if scope else ""
        if not head:
            if not around.negated and not around.denies_otherwise():
                return "only one of the two is negated"
        elif head in around.stems:
            left_open = any(not other for other in source.denied)  # "…, the others are not"
            denied = head in around.denied_stems or source.denies_otherwise(head)
            if not (denied or left_open):
                return "it denies what the passage says"
        elif not (around.negated or around.denies_otherwise() or _turned(claim, source)):
            return "it denies what the passage does not deny"
    return ""


def _denied_there(claim: Stance, source: Stance) -> str:
    for scope in source.denied:
        head = scope[0] if scope else ""
        if not head and not claim.negated:
            return "the passage denies what it says"
        if head not in claim.stems or claim.denied_stems & set(scope):
            continue
        if not claim.denies_otherwise(head) and not ONLY.search(claim.lowered):
            return "the passage denies what it says"
    return ""


def _turned(claim: Stance, source: Stance) -> bool:
    """Whether an opposite makes up for a negation: "not enabled" is "disabled"."""
    return next(_opposed(claim, source), None) is not None


def _opposed(claim: Stance, source: Stance) -> Iterator[tuple[str, str]]:
    """Pairs of a claim's word and the source's word that exclude each other."""
    said, there = set(claim.words), set(source.words)
    for word in claim.words:
        for number in GROUPS_OF.get(word, ()):
            group = GROUPS[number]
            same = {w for w in there if group.get(w) == group[word]}
            others = [w for w in source.words if w in group and group[w] != group[word]]
            if others and not same and not any(group.get(w) == group[others[0]] for w in said):
                yield word, others[0]


def _opposites(claim: Stance, source: Stance, around: Stance) -> str:
    for word, other in _opposed(claim, source):
        if set(_pairs(claim, word)) & set(_pairs(around, word)):
            continue  # "the following day" of the next sentence
        if word in TURNED and sides_turned(claim, word, source, other):
            continue
        mine, theirs = _is_denied(claim, word), _is_denied(source, other)
        if mine == theirs:
            return f"it says “{word}” where the passage says “{other}”"
    return ""


def _pairs(stance: Stance, word: str) -> Iterator[tuple[str, str]]:
    for one, other in pairwise(stance.words):
        beside = other if one == word else one if other == word else ""
        if content_words(beside, stance.language):
            yield one, other


def _is_denied(stance: Stance, word: str) -> bool:
    return bool(content_words(word, stance.language) & stance.denied_stems) or (
        word in stance.words and _after_negator(stance, word)
    )


def _after_negator(stance: Stance, word: str) -> bool:
    at = stance.words.index(word)
    return bool({"not", "no", "never", "without"} & set(stance.words[max(0, at - 3) : at])) or any(
        near.endswith("n't") for near in stance.words[max(0, at - 3) : at]
    )


def _bounds(claim: Stance, source: Stance, around: Stance) -> str:
    mine = {side for pattern, side in BOUNDS if pattern.search(claim.lowered)}
    theirs = {side for pattern, side in BOUNDS if pattern.search(source.lowered)}
    if not re.search(r"\d", claim.text) and not re.search(r"\d", source.text):
        return ""
    low, high = mine & AT_LEAST_LIKE, mine & AT_MOST_LIKE
    if low and not high and theirs and theirs <= AT_MOST_LIKE:
        return "it gives as the least what the passage gives as the most"
    if high and not low and theirs and theirs <= AT_LEAST_LIKE:
        return "it gives as the most what the passage gives as the least"
    return ""


def _quantifiers(claim: Stance, source: Stance, around: Stance) -> str:
    said, there = set(_counted(claim)), set(around.words)
    if ONLY.search(claim.lowered) and not EXCLUSIVE.search(around.lowered):
        return "it says “only”, which the passage does not"
    universal, partial = said & UNIVERSAL, set(_counted(source)) & PARTIAL
    if universal and partial and not there & UNIVERSAL and not said & PARTIAL:
        return f"it says “{min(universal)}” where the passage says “{min(partial)}”"
    partly = said & PARTIAL
    strong = set(source.words) & UNIVERSAL
    if partly and strong and not there & PARTIAL and not said & UNIVERSAL:
        return f"it says “{min(partly)}” where the passage says “{min(strong)}”"
    if partial and not said & PARTIAL and not HEDGED.search(claim.lowered):
        head = _head_of(source, min(partial, key=source.words.index))
        if head and head in claim.stems:
            return f"it leaves out that the passage says “{min(partial)}”"
    return ""


def _counted(stance: Stance) -> Iterator[str]:
    """Without the "some" of "some 1000 ships"."""
    for word, following in pairwise((*stance.words, "")):
        if not (word in PARTIAL and following.isdigit()):
            yield word


def _head_of(stance: Stance, word: str) -> str:
    """The stem of the first word with a meaning of its own that follows."""
    after = stance.words[stance.words.index(word) + 1 :]
    stems = (stem for near in after[:3] for stem in content_words(near, stance.language))
    return next(stems, "")


def _modals(claim: Stance, source: Stance, around: Stance) -> str:
    if claim.negated and source.negated:
        return ""  # what must not be done may not be done
    mine = STRONG.search(claim.lowered), WEAK.search(claim.lowered)
    theirs = STRONG.search(source.lowered), WEAK.search(source.lowered)
    if mine[0] and not mine[1] and theirs[1] and not theirs[0]:
        return f"it says “{mine[0][0]}” where the passage says “{theirs[1][0]}”"
    if mine[1] and not mine[0] and theirs[0] and not theirs[1]:
        return f"it says “{mine[1][0]}” where the passage says “{theirs[0][0]}”"
    return ""
