"""What the citations of a claim have to offer: sentences that bear it out, or speak against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chat.grounding.likeness import undecided
from chat.grounding.objections import missing_keys, nearest, objection
from chat.grounding.order import put_in_place
from chat.grounding.spans import Said, Span, Text, share, weights
from chat.words import content_words

LOOKED_AT = 6  # spans of a passage
ABOUT_THE_SAME = 2  # words: more in common, and two sentences speak of one thing
CLEARLY = 0.85  # of the share: what speaks against a better span speaks against the claim
NOT_THERE = "not in the cited passages: "
LENGTH = 0.03  # of the share: what one more sentence in a span must bring


@dataclass(frozen=True)
class Weighed:
    """The best that the citations of a claim have to offer: which spans, and how near they are."""

    claim: Said
    number: int
    spans: tuple[Span, ...]  # of several citations together, one of each
    share: float
    objection: str

    @property
    def texts(self) -> tuple[str, str]:
        return self.claim.plain, " ".join(span.plain for span in self.spans)

    @property
    def pending(self) -> bool:
        return not self.objection and undecided(self.share)


def weigh(
    claim: Said,
    texts: Mapping[int, Text],
    foreign: frozenset[str] = frozenset(),
) -> Weighed:
    """The best span of the best citation; where one is not enough, two spans together.

    `foreign`: what other passages of the turn are about. A claim about that is not borne out by
    a passage that never speaks of it.
    """
    worth = weights(claim.words, texts.values())
    best = sorted((_best(claim, n, text, worth) for n, text in texts.items()), key=_rank)
    top = best[-1]
    if top.objection or undecided(top.share):
        seconds = [*best[:-1], _second(claim, top, texts[top.number], worth)]
        pairs = [(top, other) for other in seconds if other and _adds(claim, top, other)]
        found = [_together(claim, pair, texts, worth) for pair in pairs]
        top = max([top, *found], key=_rank)
    return _in_its_place(claim, _about_the_same(claim, top, texts, foreign), texts, worth)


def _rank(weighed: Weighed) -> float:
    """By how much it holds; what is objected to must hold clearly more to be preferred."""
    return weighed.share * (CLEARLY if weighed.objection else 1.0)


def _best(claim: Said, number: int, text: Text, worth: dict[str, float]) -> Weighed:
    """A longer span must be better by as much as a few more words would bring by chance."""
    shares = [share(claim.words, span.words | text.heading.words, worth) for span in text.spans]
    ranked = sorted(
        zip(shares, text.spans, strict=True),
        key=lambda one: LENGTH * (len(one[1].parts) - 1) - one[0],
    )[:LOOKED_AT]
    found = []
    for held, span in ranked:
        missing = missing_keys(claim, [span], [text.heading])
        said = objection(claim, span, text, worth, missing)
        found.append(Weighed(claim, number, (span,), held, said))
        if not said:
            break
    return max(found, key=_rank)


def _second(claim: Said, first: Weighed, text: Text, worth: dict[str, float]) -> Weighed | None:
    """What else the passage says of the claim, further away."""
    used = first.spans[0]
    rest = claim.words - used.words - text.heading.words
    apart = [s for s in text.spans if s.end <= used.start or s.start >= used.end]
    if not rest or not apart:
        return None
    span = max(apart, key=lambda s: share(rest, s.words, worth) - LENGTH * len(s.parts))
    missing = missing_keys(claim, [span], [text.heading])
    said = objection(claim, span, text, worth, missing)
    return Weighed(claim, first.number, (span,), share(claim.words, span.words, worth), said)


def _adds(claim: Said, first: Weighed, second: Weighed) -> bool:
    """Whether the second is about the same, and brings more of the claim than a word."""
    held = claim.words & second.spans[0].words
    return len(held) > ABOUT_THE_SAME and len(held - first.spans[0].words) >= ABOUT_THE_SAME


def _together(
    claim: Said, best: Sequence[Weighed], texts: Mapping[int, Text], worth: dict[str, float]
) -> Weighed:
    """Two spans, of two citations or of one: each bears out a part of the claim."""
    spans = tuple(weighed.spans[0] for weighed in best)
    headings = [texts[weighed.number].heading for weighed in best]
    held = frozenset().union(*(span.words for span in spans), *(head.words for head in headings))
    if missing := missing_keys(claim, spans, headings):
        said = f"{NOT_THERE}{', '.join(missing[:5])}"
    else:
        said = objection(claim, spans[0], texts[best[0].number], worth)
    return Weighed(claim, best[0].number, spans, share(claim.words, held, worth), said)


def _about_the_same(
    claim: Said, weighed: Weighed, texts: Mapping[int, Text], foreign: frozenset[str]
) -> Weighed:
    held = frozenset().union(*(span.words for span in weighed.spans))
    strange = (claim.words & foreign) - held - texts[weighed.number].every_word
    if strange and not weighed.objection and weighed.share < 1:
        spelled = [w for w in claim.plain.split() if content_words(w, claim.language) & strange]
        return replace(weighed, objection=f"the passage does not speak of “{spelled[0]}”")
    return weighed


def _in_its_place(
    claim: Said, weighed: Weighed, texts: Mapping[int, Text], worth: dict[str, float]
) -> Weighed:
    if weighed.objection or len(weighed.spans) > 1:
        return weighed
    anchor = nearest(claim, weighed.spans[0], worth)
    known = texts[weighed.number].every_word
    return replace(weighed, objection=put_in_place(claim.stance, anchor.stance, known))
