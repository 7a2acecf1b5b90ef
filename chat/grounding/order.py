"""Which words stand where: "A before B" is not "B before A", though the words are the same."""

import re
from difflib import SequenceMatcher
from itertools import combinations

from chat.grounding.opposites import GROUPS, GROUPS_OF
from chat.grounding.stance import Stance
from chat.words import content_words

FOLLOWS = 0.6  # of the words of a claim: as many in the source's order, and it follows it
LONGEST = 3  # words that stand for others
LITTLE = frozenset(
    "a an the of to in on at is are be it its and or as by for with that this".split()
)
PART_END = re.compile(r"[;:.!?](?=\s|$)")
NEAR = 4  # words on either side
# Of these, what stands on which side matters: "A before B".
DIRECTED = (
    "before",
    "after",
    "than",
    "until",
    "instead of",
    "rather than",
    "over",
    "into",
    "from",
    "subclass of",
    "part of",
)
TURNED = {"before": "after", "after": "before"}


def turned_round(claim: Stance, source: Stance, around: Stance) -> str:
    for word in DIRECTED:
        if (
            word in claim.lowered
            and word in source.lowered
            and sides_turned(claim, word, source, word)
        ):
            return f"what stands before and after “{word}” has changed places"
    return ""


def sides_turned(claim: Stance, word: str, source: Stance, other: str) -> bool:
    mine, theirs = _sides(claim, word), _sides(source, other)
    if mine is None or theirs is None:
        return False
    straight = len(mine[0] & theirs[0]) + len(mine[1] & theirs[1])
    crossed = len(mine[0] & theirs[1]) + len(mine[1] & theirs[0])
    both = bool(mine[0] & theirs[1]) and bool(mine[1] & theirs[0])
    return both and (crossed > straight or not mine[1] & theirs[1])


def _sides(stance: Stance, word: str) -> tuple[set[str], set[str]] | None:
    """The stems on both sides of a word; a sentence that opens with it is turned round first."""
    found = re.search(rf"\b{word}\b", stance.lowered)
    if found is None:
        return None
    left = PART_END.split(stance.lowered[: found.start()])[-1]
    right = PART_END.split(stance.lowered[found.end() :])[0]
    if not content_words(left, stance.language) and "," in right:
        right, _, left = right.partition(",")
    one, two = content_words(left, stance.language), content_words(right, stance.language)
    return one - two, two - one


def of_the_other(claim: Stance, source: Stance, around: Stance) -> str:
    """Where the source has both sides of an opposite: which of them it says of the same."""
    for word in claim.words:
        for number in GROUPS_OF.get(word, ()):
            group = GROUPS[number]
            same = [w for w in source.words if group.get(w) == group[word]]
            others = [w for w in source.words if w in group and group[w] != group[word]]
            if not same or not others:
                continue
            mine = _near(claim, word)
            nearer = max(len(mine & _near(source, other)) for other in others)
            if nearer >= max(len(mine & _near(source, own)) for own in same) + 2:
                return f"the passage says of something else that it is “{word}”"
    return ""


def _near(stance: Stance, word: str) -> set[str]:
    """The words around the first place of this one."""
    at = stance.words.index(word)
    return {*stance.words[max(0, at - NEAR) : at], *stance.words[at + 1 : at + 1 + NEAR]}


def exchanged(claim: Stance, source: Stance, around: Stance) -> str:
    """Two pieces of the source that have changed places, in a claim that follows its wording.

    The edits that lead from one to the other (Ratcliff and Obershelp's matching blocks): what one
    of them puts in, another one takes out, and the other way round.
    """
    mine, theirs = _spelled(claim), _spelled(around)
    edits = [
        (set(mine[first:last]) - LITTLE, set(theirs[start:end]) - LITTLE)
        for kind, first, last, start, end in SequenceMatcher(
            None, mine, theirs, autojunk=False
        ).get_opcodes()
        if kind != "equal"
    ]
    for (put_in, taken_out), (other_in, other_out) in combinations(edits, 2):
        one, other = put_in & other_out, other_in & taken_out
        if one and other and not (one & taken_out or other & other_out):
            return f"“{min(one)}” and “{min(other)}” have changed places"
    return ""


def _spelled(stance: Stance) -> list[str]:
    return [word.strip(".,;:()!?\"'“”") for word in stance.lowered.split()]


def put_in_place(claim: Stance, source: Stance, known: frozenset[str]) -> str:
    """A word that stands where the source has another one, in a claim that follows its wording.

    It may be a synonym. It is none if the passage uses it itself (`known`), of something
    else: it would call the same thing by the same name.
    """
    mine, theirs = _spelled(claim), _spelled(source)
    blocks = SequenceMatcher(None, mine, theirs, autojunk=False)
    same = sum(block.size for block in blocks.get_matching_blocks())
    if same < FOLLOWS * len(mine):
        return ""
    for kind, first, last, start, end in blocks.get_opcodes():
        if kind != "replace" or last - first > LONGEST or end - start > LONGEST:
            continue
        put_in = content_words(" ".join(mine[first:last]), claim.language)
        taken_out = content_words(" ".join(theirs[start:end]), claim.language) - claim.stems
        strange = {word for word in (put_in & known) - source.stems if word.isalpha()}
        if strange and taken_out:
            return f"it says “{' '.join(mine[first:last])}” for “{' '.join(theirs[start:end])}”"
    return ""
