"""Evidence gate: is there enough in the passages to answer at all? Decided before any model call.

Six signals, weighed by a logistic regression that `benchmarks/gate.py` fits on question sets and
writes to calibration.json, one for each embedding space. What they look at: the best passages hold
the question's words, above all its names; the best one is near in meaning, and nearer than the
rest of what was found; who asks for a number finds one. A passage that is merely about the same
subject is near in meaning too, so the words decide as much as the vectors do.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from statistics import fmean, pstdev

from chat.asked import AskedWord, asked_words, asks_for_a_number
from chat.grounding.quantities import NUMBER_WORDS
from chat.sentences import plain, sentences
from chat.words import content_words
from documents.index.language import language_of
from documents.index.sparse import primary
from documents.passages import Passage

CALIBRATION = Path(__file__).with_name("calibration.json")
BY_WORDS_ALONE, UNCALIBRATED = "words", "other"  # names beside those of embedding spaces

LOOKED_AT = 3  # the best passages
MOST_NAMES = 2  # more missing ones say no more
MOST_SLIPS = 8
FEW = 2  # of a keyword and a name, one missing word is not everything
NOTHING_KNOWN = 0.5  # of words in another language: as if every second one were missing
ALIKE = 0.8  # of the letters: a word with a slip of the pen still counts
# Digits that are no part of a version, a date, a path or an identifier.
DIGITS = re.compile(r"(?<![\w./#-])\d+(?:[.,]\d+)?%?(?![\w/-]|[.,]\d)")
LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Signals:
    """What speaks for and against an answer; the first four are bad when they are high."""

    names: float  # of the question that the best passages do not hold: how many, at most two
    words: float  # the share of its other words that they do not hold
    rareness: float  # of those words, added up
    number: float  # 1 if it asks for a number and the likely sentences have none
    nearness: float | None  # the best cosine; None where only words were compared
    stands_out: float | None  # that many standard deviations above the mean of all found


@dataclass(frozen=True)
class Calibration:
    """Weights of a logistic regression over the signals, and the probability that is enough."""

    bias: float
    weights: Mapping[str, float]
    enough: float

    def chance(self, signals: Signals) -> float:
        values = asdict(signals)
        terms = (weight * (values[name] or 0.0) for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-(self.bias + sum(terms))))


@dataclass(frozen=True)
class Evidence:
    enough: bool
    chance: float  # that the passages answer, as it was calibrated
    signals: Signals | None = None
    missing: tuple[str, ...] = field(default=())  # words of the question, as they were written


def weigh(
    question: str,
    passages: Sequence[Passage],
    candidates: Sequence[Passage],
    language: str = "en",
    space: str = "",
    threshold: float = 0.0,
) -> Evidence:
    """Judge the question against the best passages, and all that were fetched. `space` names
    what the vectors were made by (`EmbeddingSpace.vectors`). `threshold` is the chance that is
    enough, instead of the calibrated one unless it is 0."""
    if not passages:
        return Evidence(enough=False, chance=0.0)
    signals, missing = look(question, passages, candidates, language)
    calibration = calibrated(space if signals.nearness is not None else BY_WORDS_ALONE)
    chance = calibration.chance(signals)
    enough = threshold or calibration.enough
    return Evidence(chance >= enough, round(chance, 4), signals, missing)


def look(
    question: str, passages: Sequence[Passage], candidates: Sequence[Passage], language: str
) -> tuple[Signals, tuple[str, ...]]:
    """The signals, and the words of the question that the best passages do not hold."""
    best = passages[:LOOKED_AT]
    asked_in = language_of(question) or primary(language)
    comparable = any(primary(passage.language or language) == asked_in for passage in best)
    asked = asked_words(question, asked_in)
    held_in = asked_in if comparable else primary(language)
    absent = not_held(asked, set().union(*(words_of(passage, held_in) for passage in best)))
    texts = [f"{passage.breadcrumb}\n{passage.text}" for passage in best]
    absent += [w for w in asked if w not in absent and not w.stands_together(texts)]
    others = [word for word in absent if not word.is_name]
    share = len(others) / max(FEW, sum(not word.is_name for word in asked))
    nearness, stands_out = standing_out(best, candidates)
    if not comparable and nearness is not None:
        others, share = [], NOTHING_KNOWN  # words of another language say nothing; names mostly do
    needs_number = comparable and asks_for_a_number(question)
    return Signals(
        names=float(min(MOST_NAMES, sum(word.is_name for word in absent))),
        words=round(share, 3),
        rareness=round(sum(word.rareness for word in others), 3),
        number=float(needs_number and not _holds_number(asked, best, held_in)),
        nearness=nearness,
        stands_out=stands_out,
    ), tuple(word.surface for word in absent if comparable or word.is_name)


def not_held(asked: Sequence[AskedWord], words: set[str]) -> list[AskedWord]:
    """Those that are not among the words, nor nearly."""
    absent = [word for word in asked if not word.stands_in(words)]
    # Looking for look-alikes is slow; a question has a few slips of the pen, or it is none.
    doubtful = [word for word in absent if len(word.stem) > 3][:MOST_SLIPS]
    near = {word for word in doubtful if get_close_matches(word.stem, words, 1, ALIKE)}
    return [word for word in absent if word not in near]


def standing_out(
    best: Sequence[Passage], candidates: Sequence[Passage]
) -> tuple[float | None, float | None]:
    """The best cosine, and its distance from the mean of all in standard deviations: that is free
    of the scale that an embedding space happens to have."""
    known = [passage.similarity for passage in best if passage.similarity is not None]
    if not known:
        return None, None
    every = [passage.similarity for passage in candidates if passage.similarity is not None]
    spread = pstdev(every) if every else 0.0
    away = (max(known) - fmean(every)) / spread if spread > 1e-6 else 0.0
    return round(max(known), 4), round(away, 3)


def _holds_number(asked: Sequence[AskedWord], passages: Sequence[Passage], language: str) -> bool:
    """In a sentence that, with its headings, holds half of what was asked."""
    for passage in passages:
        above = content_words(passage.breadcrumb, language)
        for part in sentences(passage.text):
            if _names_a_number(text := plain(part.text), language):
                said = above | content_words(text, language)
                if 2 * sum(word.stands_in(said) for word in asked) >= len(asked):
                    return True
    return False


def _names_a_number(text: str, language: str) -> bool:
    words = NUMBER_WORDS.get(primary(language), {}).keys() - {"a", "an"}
    return bool(DIGITS.search(text)) or not words.isdisjoint(LETTERS.findall(text.lower()))


def words_of(passage: Passage, language: str) -> frozenset[str]:
    return _words(passage.breadcrumb, passage.text, language)


@lru_cache(maxsize=2048)
def _words(breadcrumb: str, text: str, language: str) -> frozenset[str]:
    # Kept, because fifty candidates a question would cost ten milliseconds of stemming each time.
    return frozenset(content_words(f"{breadcrumb}\n{text}", language))


def calibrated(space: str) -> Calibration:
    """Of this space; of none in particular where it was never calibrated."""
    known = _calibrations()
    return known.get(space) or known[UNCALIBRATED]


@cache
def _calibrations() -> Mapping[str, Calibration]:
    stored = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    return {name: Calibration(**values) for name, values in stored.items()}
