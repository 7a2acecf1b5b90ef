"""Evidence gate: is there enough in the passages to answer at all? Decided before any model call.

Two signals: how close the best passage is in meaning (cosine, where vectors exist) and how many of
the question's own words the best passages hold. The thresholds were read off
`benchmarks/abstention.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chat.words import content_words
from documents.passages import Passage

LOOKED_AT = 3  # the best passages
CLOSE = 0.55  # a cosine that is enough alone
NEAR = 0.30  # a cosine that is enough with WORDS_NEAR of the question's words
WORDS_NEAR = 0.5
WORDS_ALONE = 0.7  # without vectors


@dataclass(frozen=True)
class Evidence:
    enough: bool
    similarity: float | None
    word_share: float  # of the question's content words


def weigh(question: str, passages: Sequence[Passage], language: str = "en") -> Evidence:
    """Judge the question against the best passages."""
    if not passages:
        return Evidence(enough=False, similarity=None, word_share=0.0)
    best = passages[:LOOKED_AT]
    asked = content_words(question, language)
    held: set[str] = set()
    for passage in best:
        held |= content_words(f"{passage.breadcrumb}\n{passage.text}", language)
    share = len(asked & held) / max(1, len(asked))
    known = [passage.similarity for passage in best if passage.similarity is not None]
    similarity = max(known, default=None)
    if similarity is None:
        enough = share >= WORDS_ALONE
    else:
        enough = similarity >= CLOSE or (similarity >= NEAR and share >= WORDS_NEAR)
    return Evidence(enough=enough, similarity=similarity, word_share=share)
