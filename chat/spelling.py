"""Slips of the pen: a word of the query that nothing found holds, and the word that was meant.

There is no dictionary and no stored vocabulary: what was meant stands in the candidates of the
first search, because the other words and the vector lead there. Strict, since a name that the
content does not know must not turn into a word that it knows: one slip, and the first letter right.
Four slips in five are one letter too many, one too few, one wrong, or two swapped (Damerau 1964);
hardly any is in the first letter (Pollock & Zamora 1984).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from os.path import commonprefix  # of any texts, letter by letter
from unicodedata import normalize

from chat.words import content_words
from documents.index.sparse import UNSPACED
from documents.passages import Passage

MOST_SLIPS = 8  # of one query: more is another language, or an attack
# A word that stands alone, of letters only: no part of an identifier, a path or an address.
ALONE = re.compile(r"(?<![\w./@:\\-])[^\W\d_]{5,30}(?![\w/@\\-]|[.:]\w)")
WORD = re.compile(r"[^\W\d_]{4,31}")
# Letters that are taken for each other: the classes of Soundex. Any other replacement makes
# "stack" of "slack" as easily as "evidence" of "evidense".
CLASSES = ("aeiouyhw", "bfpv", "cgjkqsxz", "dt", "l", "mn", "r")
CLASS_OF = {letter: letters for letters in CLASSES for letter in letters}


def slips(query: str, candidates: Sequence[Passage], language: str = "en") -> dict[str, str]:
    """Words of the query that no candidate holds, with the candidates' word that looks alike."""
    text = "\n".join(f"{found.breadcrumb}\n{found.text}" for found in candidates).casefold()
    absent = [word for word in _words(query) if not _held(word, text, language)][:MOST_SLIPS]
    if not absent:
        return {}  # nearly always, and after a fraction of a millisecond
    known = Counter(WORD.findall(text))
    meant = {word: _look_alike(word.casefold(), known) for word in absent}
    return {word: found for word, found in meant.items() if found}


def respelled(query: str, slips: Mapping[str, str]) -> str:
    return ALONE.sub(lambda found: slips.get(found[0], found[0]), query)


def _words(query: str) -> list[str]:
    """Those that may be misspelled: a capital inside of a word or of a sentence marks a name."""
    found = [
        match[0]
        for match in ALONE.finditer(query)
        if match[0].islower() or (match.start() == 0 and match[0][1:].islower())
    ]
    return [word for word in dict.fromkeys(found) if not UNSPACED.search(word)]


def _held(word: str, text: str, language: str) -> bool:
    stems = content_words(word, language)
    return not stems or word.casefold() in text or all(stem in text for stem in stems)


def _look_alike(word: str, known: Mapping[str, int]) -> str | None:
    """The most frequent of the known words that are one slip away."""
    alike = [(-count, other) for other, count in known.items() if one_slip(word, other)]
    return min(alike)[1] if alike else None


def one_slip(word: str, other: str) -> bool:
    """One letter to insert, to delete, to replace by one like it, or to swap with the next."""
    if word[0] != other[0] or abs(len(word) - len(other)) > 1 or word == other:
        return False
    start = len(commonprefix([word, other]))  # noqa: RUF071
    left, right = word[start:], other[start:]
    end = len(commonprefix([left[::-1], right[::-1]]))  # noqa: RUF071
    left, right = left[: len(left) - end], right[: len(right) - end]
    if len(left) == len(right) == 1:
        return _alike(left, right) or (_doubled(word, start) and _doubled(other, start))
    return len(left) + len(right) == 1 or (len(left) == 2 and left == right[::-1])


def _doubled(word: str, place: int) -> bool:
    """The wrong letter was doubled, "fotter" (Rumelhart & Norman 1982)."""
    return word[place] in (word[place - 1 : place] + word[place + 1 : place + 2])


def _alike(letter: str, other: str) -> bool:
    bare, its = (normalize("NFD", one)[0] for one in (letter, other))  # an accent was forgotten
    return bare == its or its in CLASS_OF.get(bare, "")
