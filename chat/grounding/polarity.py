"""What turns a sentence into another one with hardly a word changed.

Negations, opposites, quantifiers, modal verbs, and what stands before or after what. Each
comparison says what is wrong, in a few words, or nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from chat.words import content_words
from documents.index.sparse import primary

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
CLAUSE_END = re.compile(
    r"[,;:.!?()—–]|\b(?:but|and|because|although|while|whereas|so|if|when|unless|which|that"
    r"|aber|und|pero|y|mais|et)\b"
)

NEGATORS: dict[str, frozenset[str]] = {
    "en": frozenset(
        "no not never none nor neither cannot without nothing nobody nowhere hardly".split()
    ),
    "de": frozenset(
        "nicht kein keine keinen keinem keiner keines nie niemals ohne nichts niemand "
        "weder".split()
    ),
    "es": frozenset("no nunca sin ningún ninguna ninguno nada nadie jamás tampoco".split()),
    "fr": frozenset("pas jamais sans aucun aucune rien personne ni".split()),
    "it": frozenset("non mai senza nessun nessuna nessuno niente nulla".split()),
    "pt": frozenset("não nunca sem nenhum nenhuma nada ninguém jamais".split()),
    "nl": frozenset("niet geen nooit zonder niets niemand".split()),
    "ru": frozenset("не нет никогда без ни ничего никто".split()),
}  # fmt: skip
UNSPACED_NEGATORS = {
    "zh": re.compile("不|没|無|无|未|非"),
    "ja": re.compile("ない|ません|なく|ず(?:に|、)|ぬ"),
}
# They deny without a negator: "fails to start" does not start.
DENYING = frozenset(
    "fail fails failed refuse refuses refused reject rejects rejected lack lacks lacking "
    "prevent prevents prevented avoid avoids forbid forbids forbidden prohibit prohibited "
    "deny denies denied ignore ignores ignored omit omits omitted impossible unable lose "
    "loses lost missing absent free drop drops dropped stop stops stopped skip skips skipped "
    "exclude excludes excluded except unless instead rather".split()
)  # fmt: skip
# "not only", and what means "only": nobody but the owner.
NO_DENIAL = re.compile(r" (?:only|just|but|except|other than)\b")
# They stand between a negator and what it denies.
BETWEEN = frozenset(
    "yet also even just really simply ever any be been being have has had get need needs "
    "longer more longer necessarily automatically usually always yet currently".split()
)  # fmt: skip

# Words that exclude each other; within a group, "/" parts the sides and spaces the spellings.
OPPOSITES = """
loud louder / quiet quieter silent | enable enables enabled enabling / disable disables disabled
disabling | before / after | increase increases increased increasing raise raises raised grow
grows / decrease decreases decreased decreasing reduce reduces reduced shrink shrinks lower lowers
lowered | allow allows allowed permit permits permitted / forbid forbids forbidden deny denies
denied prohibit prohibits prohibited disallow disallows disallowed block blocks blocked | accept
accepts accepted / reject rejects rejected refuse refuses refused | include includes included
including / exclude excludes excluded excluding | add adds added adding insert inserts inserted
append appends / remove removes removed removing delete deletes deleted deleting drop drops
dropped | open opens opened / close closes closed shut | start starts started starting begin
begins began begun / stop stops stopped stopping end ends ended finish finishes finished | first /
last | minimum min least lowest smallest fewest / maximum max most highest largest biggest | above
over exceeds / below under beneath | higher / lower | larger bigger greater / smaller | more /
less fewer | faster quicker / slower | longer / shorter | earlier sooner / later | newest latest
newer / oldest older | true / false | public / private | local locally / remote remotely |
synchronous synchronously / asynchronous asynchronously | import imports imported / export exports
exported | encrypt encrypts encrypted / decrypt decrypts decrypted | succeed succeeds succeeded
success successful successfully / fail fails failed failure unsuccessful | valid / invalid | safe
/ unsafe dangerous | secure / insecure | online / offline | left / right | top / bottom | upper /
lower | inside / outside | client clients client-side / server servers server-side | parent
parents / child children | ascending / descending | required mandatory compulsory / optional
optionally | mutable / immutable | inclusive / exclusive | explicit explicitly / implicit
implicitly | manual manually hand / automatic automatically | permanent permanently forever /
temporary temporarily | dynamic dynamically / static statically | sequential sequentially serial /
parallel | visible shown show shows displayed display displays / hidden hide hides invisible |
lock locks locked / unlock unlocks unlocked | connect connects connected / disconnect disconnects
disconnected | install installs installed / uninstall uninstalls uninstalled | with / without |
same identical / different | strong stronger / weak weaker | cheap cheaper / expensive | easy
easier / hard harder difficult | day daytime / night nighttime | morning / noon / evening / night
| hourly / daily / weekly / monthly / yearly annually | north northern / south southern / east
eastern / west western | white / black / red / green / blue / yellow / orange / purple / brown |
sender / receiver recipient | read-only / writable | supported / unsupported deprecated | known /
unknown | always / never / sometimes occasionally | often frequently / rarely seldom | publish
publishes published / withdraw withdraws withdrawn unpublish | hot warm / cold cool | dry / wet
moist humid | stable / unstable | push / pull | minute minutes / hour hours / day days / week
weeks / month months / year years | monday / tuesday / wednesday / thursday / friday / saturday /
sunday | january / february / march / april / june / july / august / september / october /
november / december | keep keeps kept preserve preserves preserved retain retains / discard
discards discarded lose loses lost | forward / backward backwards | vertical vertically /
horizontal horizontally | rise rises / fall falls | win wins won / lose loses lost | buy bought /
sell sold | expand expands / collapse collapses | upload uploads uploaded / download downloads
downloaded | input / output | male / female | uppercase / lowercase | inbound incoming / outbound
outgoing | positive / negative | even / odd | nearest closest / farthest furthest | free / paid
"""
GROUPS: list[dict[str, int]] = [
    {word: side for side, words in enumerate(group.split("/")) for word in words.split()}
    for group in OPPOSITES.split("|")
]
GROUPS_OF: dict[str, list[int]] = {}
for number, group_ in enumerate(GROUPS):
    for word_ in group_:
        GROUPS_OF.setdefault(word_, []).append(number)

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
ONLY = re.compile(r"\b(?:only|solely|exclusively|nothing but|no other)\b")

STRONG = re.compile(
    r"\b(?:must|shall|ha(?:s|ve) to|needs? to|required|requires?|mandatory|obligatory)\b"
)
WEAK = re.compile(
    r"\b(?:may|might|can|could|should|optional(?:ly)?|recommend(?:ed)?|advised?|encouraged?)\b"
)
HEDGED = re.compile(r"\b(?:may|might|could|possibly|perhaps|probably|likely|can)\b")

PART_END = re.compile(r"[;:.!?](?=\s|$)")
NEAR = 4  # words on either side
# Of these, what stands on which side matters: "A before B".
DIRECTED = ("before", "after", "than", "until", "instead of", "rather than", "over", "into", "from")
TURNED = {"before": "after", "after": "before"}


@dataclass(frozen=True)
class Stance:
    """How a sentence without markup says what it says."""

    text: str
    language: str = "en"

    @cached_property
    def lowered(self) -> str:
        return self.text.lower().replace("’", "'")

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(WORD.findall(self.lowered))

    @cached_property
    def spelled(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(content_words(self.text, self.language))

    @cached_property
    def denied(self) -> tuple[tuple[str, ...], ...]:
        """For each negation, the stems of its clause that follow it, the nearest first."""
        return tuple(self._denied())

    def _denied(self) -> Iterator[tuple[str, ...]]:
        negators = NEGATORS.get(primary(self.language), NEGATORS["en"])
        for found in WORD.finditer(self.lowered):
            if not (
                found[0] in negators or found[0].endswith(("n't", "n´t")) or found[0] == "cannot"
            ):
                continue
            if NO_DENIAL.match(self.lowered, found.end()):
                continue
            following = CLAUSE_END.split(self.lowered[found.end() :], maxsplit=1)[0]
            yield tuple(
                stem
                for word in WORD.findall(following)
                if word not in BETWEEN
                for stem in content_words(word, self.language)
            )
        if unspaced := UNSPACED_NEGATORS.get(primary(self.language)):
            yield from (() for _ in unspaced.finditer(self.text))

    @property
    def negated(self) -> bool:
        return bool(self.denied)

    @cached_property
    def denied_stems(self) -> frozenset[str]:
        return frozenset(stem for scope in self.denied for stem in scope)

    def denies_otherwise(self, stem: str = "") -> bool:
        """Whether a word denies by its meaning, other than the one of this stem."""
        found = DENYING & set(self.words)
        return any(stem not in content_words(word, self.language) for word in found)


def contradiction(claim: Stance, source: Stance, around: Stance) -> str:
    """What of the claim the source's sentence says otherwise; "" if nothing was found.

    `source` is the one sentence that is nearest to the claim, `around` it and its neighbours.
    """
    checks = (_negation, _bounds, _opposites, _exchanged, _order, _quantifiers, _modals)
    return next((said for check in checks if (said := check(claim, source, around))), "")


def _negation(claim: Stance, source: Stance, around: Stance) -> str:
    for scope in claim.denied:
        heads = scope[:1]
        if not heads:
            if source.negated != claim.negated:
                return "only one of the two is negated"
        elif heads[0] in around.stems:
            if heads[0] not in around.denied_stems and not source.denies_otherwise(heads[0]):
                return "it denies what the passage says"
        elif not (around.negated or around.denies_otherwise() or _turned(claim, source)):
            return "it denies what the passage does not deny"
    for scope in source.denied:
        head = scope[0] if scope else ""
        if not head and not claim.negated:
            return "the passage denies what it says"
        if head not in claim.stems or head in claim.denied_stems:
            continue
        if not claim.denies_otherwise(head):
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
        if word in TURNED and _sides_turned(claim, word, source, other):
            continue
        mine, theirs = _is_denied(claim, word), _is_denied(source, other)
        if mine == theirs:
            return f"it says “{word}” where the passage says “{other}”"
    return ""


def _exchanged(claim: Stance, source: Stance, around: Stance) -> str:
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


def _pairs(stance: Stance, word: str) -> Iterator[tuple[str, str]]:
    return (pair for pair in pairwise(stance.words) if word in pair)


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


def _order(claim: Stance, source: Stance, around: Stance) -> str:
    for word in DIRECTED:
        if (
            word in claim.lowered
            and word in source.lowered
            and _sides_turned(claim, word, source, word)
        ):
            return f"what stands before and after “{word}” has changed places"
    return ""


def _sides_turned(claim: Stance, word: str, source: Stance, other: str) -> bool:
    mine, theirs = _sides(claim, word), _sides(source, other)
    if mine is None or theirs is None:
        return False
    straight = len(mine[0] & theirs[0]) + len(mine[1] & theirs[1])
    crossed = len(mine[0] & theirs[1]) + len(mine[1] & theirs[0])
    both = bool(mine[0] & theirs[1]) and bool(mine[1] & theirs[0])
    return both and crossed > straight


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


def joined(parts: Sequence[Stance]) -> Stance:
    return (
        parts[0] if len(parts) == 1 else Stance(" ".join(p.text for p in parts), parts[0].language)
    )
