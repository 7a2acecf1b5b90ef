"""Evidence gate: is there enough in the passages to answer at all? Decided before any model call.

Three signals: how close the best passage is in meaning (cosine, where vectors exist), how many of
the question's own words the best passages hold, and how many stand in none of the candidates. A
search by words brings up every chunk that has a rare word: one that is in no candidate is most
likely in no document. The thresholds were read off `benchmarks/abstention.py --sweep`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from chat.words import content_words
from documents.passages import Passage

LOOKED_AT = 3  # the best passages
MOST_SLIPS = 8
ALIKE = 0.8  # of the letters: a word with a slip of the pen still counts

# With vectors: similarity + SHARE * word_share - ABSENT * absent_share must reach ENOUGH.
SHARE, ABSENT, ENOUGH = 0.25, 3.0, 0.33
# Without: word_share - ABSENT_ALONE * absent_share must reach ENOUGH_ALONE.
ABSENT_ALONE, ENOUGH_ALONE = 1.5, 0.65

# They ask, they do not say what about: whether a document has them means nothing.
ASKING = (
    "often many much long old far big fast soon mean explain tell show give want need get make "
    "work possible way please help thing happen difference best good exactly actually really just"
)


@dataclass(frozen=True)
class Evidence:
    enough: bool
    similarity: float | None
    word_share: float  # of the question's content words, in the best passages
    absent_share: float  # of the question's content words, in no candidate at all


def weigh(
    question: str,
    passages: Sequence[Passage],
    candidates: Sequence[Passage],
    language: str = "en",
) -> Evidence:
    """Judge the question against the best passages, and all that were fetched."""
    if not passages:
        return Evidence(enough=False, similarity=None, word_share=0.0, absent_share=1.0)
    best = passages[:LOOKED_AT]
    asked = content_words(question, language) - content_words(ASKING)
    total = max(1, len(asked))
    share = len(held(asked, words_of(best, language))) / total
    absent = 1 - len(held(asked, words_of(candidates, language))) / total
    known = [passage.similarity for passage in best if passage.similarity is not None]
    similarity = max(known, default=None)
    if similarity is None:
        enough = share - ABSENT_ALONE * absent >= ENOUGH_ALONE
    else:
        enough = similarity + SHARE * share - ABSENT * absent >= ENOUGH
    return Evidence(enough, similarity, round(share, 3), round(absent, 3))


def words_of(passages: Sequence[Passage], language: str) -> set[str]:
    found: set[str] = set()
    for passage in passages:
        found |= _words(passage.breadcrumb, passage.text, language)
    return found


@lru_cache(maxsize=2048)
def _words(breadcrumb: str, text: str, language: str) -> frozenset[str]:
    # Kept, because fifty candidates a question would cost ten milliseconds of stemming each time.
    return frozenset(content_words(f"{breadcrumb}\n{text}", language))


def held(asked: set[str], words: set[str]) -> set[str]:
    """Those of the asked words that are among the others, or nearly."""
    # Looking for look-alikes is slow; a question has a few slips of the pen, or it is none.
    missing = sorted(word for word in asked - words if len(word) > 3)[:MOST_SLIPS]
    near = {word for word in missing if get_close_matches(word, words, 1, ALIKE)}
    return (asked & words) | near
