"""Copy check: how many words in a row an answer took from a passage without quoting them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

WORD = re.compile(r"\w+")
# What is marked as somebody else's words, or is code.
QUOTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|“[^”]*”|\"[^\"\n]*\"|«[^»]*»|^ {0,3}>[^\n]*$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class CopiedRun:
    """Characters of the answer, how many words, and the index of the passage."""

    start: int
    end: int
    words: int
    passage: int


def copied_runs(answer: str, passages: Sequence[str], *, limit: int) -> list[CopiedRun]:
    """Runs of more than `limit` words that stand in a passage too, outside of quotations."""
    mine = _words(QUOTED.sub(lambda quoted: " " * len(quoted[0]), answer))
    size = limit + 1
    seen: dict[tuple[str, ...], tuple[int, int]] = {}
    texts = [[word for word, _, _ in _words(text)] for text in passages]
    for number, text in enumerate(texts):
        for at in range(len(text) - size + 1):
            seen.setdefault(tuple(text[at : at + size]), (number, at))

    runs: list[CopiedRun] = []
    at = 0
    while at + size <= len(mine):
        found = seen.get(tuple(word for word, _, _ in mine[at : at + size]))
        if found is None:
            at += 1
            continue
        number, there = found
        length = size
        text = texts[number]
        while (
            at + length < len(mine)
            and there + length < len(text)
            and mine[at + length][0] == text[there + length]
        ):
            length += 1
        runs.append(CopiedRun(mine[at][1], mine[at + length - 1][2], length, number))
        at += length
    return runs


def _words(text: str) -> list[tuple[str, int, int]]:
    return [(found[0].lower(), found.start(), found.end()) for found in WORD.finditer(text)]
