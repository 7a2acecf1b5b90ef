"""How common an English word is, and which common word one with a slip of the pen was meant to be.

The bundled model's vocabulary lists whole words roughly by how often they occur in general English
(WordPiece as in BERT, Devlin et al. 2019). It is a file of ours: no model is loaded for this.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from string import ascii_lowercase

FILE = Path(__file__).with_name("tokenizer.json")
# Places in the vocabulary: words begin at 1996; about here they stop being everybody's words.
FIRST_WORD, COMMON = 1996, 9000
SHORTEST, SHORTEST_OF_ONE_LETTER = 4, 5  # letters of a word in which slips are looked for


@cache
def places() -> Mapping[str, int]:
    """Whole words in lower case and where they stand, the most frequent first."""
    vocabulary: dict[str, int] = json.loads(FILE.read_bytes())["model"]["vocab"]
    return {
        word: place for word, place in vocabulary.items() if place >= FIRST_WORD and word.isalnum()
    }


def rareness(word: str) -> float:
    """0 for the most frequent words, 1 for those that general English hardly has."""
    place = places().get(word.lower())
    return 1.0 if place is None else math.log(place / FIRST_WORD) / _rarest()


@cache
def _rarest() -> float:
    return math.log(max(places().values()) / FIRST_WORD)


@lru_cache(4096)
def meant(word: str) -> str | None:
    """The common word that this one becomes by one transposed, missing, wrong or spare letter
    (Damerau 1964); None for a word that exists or that nothing resembles."""
    word = word.lower()
    if word in places() or not (word.isascii() and word.isalpha()) or len(word) < SHORTEST:
        return None
    transposed = list(filter(_is_common, _transposed(word)))
    if transposed or len(word) < SHORTEST_OF_ONE_LETTER:
        return min(transposed, key=places().__getitem__, default=None)
    return min(filter(_is_common, _one_letter_off(word)), key=places().__getitem__, default=None)


def _is_common(word: str) -> bool:
    return len(word) >= SHORTEST and places().get(word, COMMON) < COMMON


def _transposed(word: str) -> Iterator[str]:
    for at in range(len(word) - 1):
        yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _one_letter_off(word: str) -> Iterator[str]:
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        for letter in ascii_lowercase:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]
        # A final s is an ending, not a slip.
        if after and after != "s":
            yield before + after[1:]
