"""Claim ledger: does each sentence of an answer follow from what it cites?

A first, lexical form: the words, numbers and negations of a sentence must stand close together in
the passage it cites. It cannot tell a paraphrase with other words from an invention, and calls
both unsupported; it is meant to be strict.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chat.sentences import Sentence, plain, sentences
from chat.words import content_words, negated, numbers
from documents.passages import Passage

CITED = re.compile(r"\[(\d{1,3})\]")
SUPPORT = 0.6  # share of a sentence's words that its passage must hold
WINDOW = 3  # sentences in a row that may support one sentence together
FEWEST_WORDS = 3  # fewer than this claims nothing


class Verdict(StrEnum):
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    NO_CLAIM = "no_claim"


@dataclass(frozen=True)
class CheckedClaim:
    """One sentence of the answer; `support_*` are characters of the cited chunk's text."""

    start: int
    end: int
    verdict: Verdict
    citation: int | None = None
    support_start: int | None = None
    support_end: int | None = None
    reason: str = ""


def check_claims(answer: str, cited: Mapping[int, Passage]) -> list[CheckedClaim]:
    """A verdict on every sentence. `cited` maps the n of [n] to its passage."""
    return [_check(sentence, cited) for sentence in _with_their_markers(answer)]


def _with_their_markers(answer: str) -> list[Sentence]:
    """Sentences; a marker that stands after the full stop belongs to the sentence before it."""
    found: list[Sentence] = []
    for sentence in sentences(answer):
        alone = not CITED.sub("", sentence.text).strip(" .,;:”\"'")
        if alone and found:
            last = found.pop()
            sentence = Sentence(
                last.start, sentence.end, answer[last.start : sentence.end], last.kind
            )
        found.append(sentence)
    return found


def _check(sentence: Sentence, cited: Mapping[int, Passage]) -> CheckedClaim:
    span = (sentence.start, sentence.end)
    said = plain(CITED.sub("", sentence.text)).strip()
    words = content_words(said)
    own = [n for n in map(int, CITED.findall(sentence.text)) if n in cited]
    if sentence.kind in ("code", "heading") and not own:
        return CheckedClaim(*span, Verdict.NO_CLAIM)
    if said.endswith(("?", ":")) or (len(words) < FEWEST_WORDS and not own):
        return CheckedClaim(*span, Verdict.NO_CLAIM)

    best: tuple[float, int, Sentence] | None = None
    for number in own or cited:
        share, where = _support(words, cited[number])
        if best is None or share > best[0]:
            best = (share, number, where)
    if best is None:
        return CheckedClaim(*span, Verdict.UNSUPPORTED, reason="cites nothing")
    share, number, where = best
    passage = cited[number]
    missing = numbers(said) - numbers(passage.text) - numbers(passage.breadcrumb)
    if missing:
        reason = f"not in the passage: {', '.join(sorted(missing)[:5])}"
    elif share < SUPPORT:
        reason = f"{share:.0%} of its words stand in the passage"
    elif negated(said) != negated(where.text):
        reason = "one of the two is negated"
    else:
        return CheckedClaim(*span, Verdict.SUPPORTED, number, where.start, where.end)
    return CheckedClaim(*span, Verdict.UNSUPPORTED, number, where.start, where.end, reason)


def _support(words: set[str], passage: Passage) -> tuple[float, Sentence]:
    """The best share of the words found in a few sentences in a row, headings included."""
    parts = sentences(passage.text) or [Sentence(0, len(passage.text), passage.text)]
    heading = content_words(passage.breadcrumb)
    best = (-1.0, parts[0])
    for size in range(1, WINDOW + 1):  # a longer one must be better, not only as good
        for first in range(len(parts) - size + 1):
            start, end = parts[first].start, parts[first + size - 1].end
            window = passage.text[start:end]
            share = len(words & (content_words(window) | heading)) / max(1, len(words))
            if share > best[0] + 1e-9:
                best = (share, Sentence(start, end, window, parts[first].kind))
    return best
