"""The same text in several pages or versions takes one place among the passages."""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from chat.words import numbers
from documents.passages import Passage

SHINGLE = 4  # words
RESEMBLANCE, CONTAINMENT = 0.8, 0.9  # a word or two of a paragraph differ
# Where no spaces stand between words, each letter is one.
WORD = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|\w+")


def duplicates(passages: Sequence[Passage]) -> set[UUID]:
    """Those that say the same as one before them, by the runs of four words that both have: they
    are nearly all runs of both, and nearly all of the later one, so that it has no sentence of its
    own (resemblance and containment: Broder 1997).

    Texts with other numbers are not the same: a default that changed between two versions is what
    somebody asks for.
    """
    found: set[UUID] = set()
    sizes: list[int] = []
    figures: list[set[str]] = []
    holders: dict[int, list[int]] = defaultdict(list)  # shingle -> the passages kept that have it
    for passage in passages:
        own, its = shingles(passage.text), numbers(passage.text)
        shared = Counter(kept for shingle in own for kept in holders.get(shingle, ()))
        if any(
            same >= CONTAINMENT * len(own)
            and same >= RESEMBLANCE * (len(own) + sizes[kept] - same)
            and figures[kept] == its
            for kept, same in shared.items()
        ):
            found.add(passage.chunk_id)
            continue
        for shingle in own:
            holders[shingle].append(len(sizes))
        sizes.append(len(own))
        figures.append(its)
    return found


@lru_cache(maxsize=2048)  # chunks come up again; an array takes a tenth of the memory of a set
def shingles(text: str) -> "array[int]":
    """Runs of four words, hashed, each once; of a shorter text the whole."""
    words = WORD.findall(text.casefold())
    if len(words) < SHINGLE:
        return array("q", [hash(tuple(words))])
    runs = zip(*(words[start:] for start in range(SHINGLE)), strict=False)
    return array("q", {hash(run) for run in runs})
