"""Marked quotations of an answer, and whether their words really stand in a passage.

A pair of quotation marks, or a block of lines with quote signs. What is left out of a quotation
(an ellipsis) or put into it (in square brackets) cuts it into pieces that must stand in order.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chat.grounding.tokens import Words, blanked, remembered_words, without_code, words_in

MARKS = re.compile(
    r"“[^“”]*(?:“[^“”]*”[^“”]*)*”|„[^„“”]+[“”]|«[^«»]+»|»[^«»]+«|「[^「」]+」|『[^『』]+』|(?<![\w\"])\"[^\"\n]+\"(?!\w)"
)
SIGNED = re.compile(r"^ {0,3}>[^\n]*(?:\n {0,3}>[^\n]*)*", re.MULTILINE)
LEFT_OUT = re.compile(r"\[[^\[\]]*\]|\((?:…|\.{3})\)|…|\.{3,}")
LONGEST_TERM = 3  # words: up to here marks may also set off a name or a term


@dataclass(frozen=True)
class Quotation:
    """Characters of the answer, marks included; `pieces` are its words as the reader sees them."""

    start: int
    end: int
    pieces: tuple[tuple[str, ...], ...]
    marked: bool  # by quotation marks; False: only by quote signs

    @property
    def words(self) -> int:
        return sum(map(len, self.pieces))

    def place(self, passage: str) -> tuple[int, int] | None:
        """The characters of the passage where all pieces stand, in order; None if they do not."""
        return placed(self.pieces, remembered_words(passage))


def quotations(answer: str) -> list[Quotation]:
    """In order. Inside a block of quote signs its quotation marks count, if it has any."""
    shown = blanked(without_code(answer))
    found = list(_in_marks(answer, shown))
    for block in SIGNED.finditer(answer):
        if not any(block.start() <= one.start < block.end() for one in found):
            pieces = _pieces(answer, block.start(), block.end())
            if pieces:
                found.append(Quotation(block.start(), block.end(), pieces, marked=False))
    return sorted(found, key=lambda one: one.start)


def _in_marks(answer: str, shown: str) -> Iterator[Quotation]:
    for found in MARKS.finditer(_paired(shown)):
        if "\n\n" in found[0]:
            continue  # an opening mark without its closing one
        pieces = _pieces(answer, found.start() + 1, found.end() - 1)
        if pieces:
            yield Quotation(found.start(), found.end(), pieces, marked=True)


def _paired(shown: str) -> str:
    return shown.replace("”“", "” “")


def _pieces(answer: str, start: int, end: int) -> tuple[tuple[str, ...], ...]:
    """Code inside of a quotation is quoted with it."""
    text = blanked(answer[start:end])
    pieces = (words_in(piece).words for piece in LEFT_OUT.split(text))
    return tuple(piece for piece in pieces if piece)


def placed(pieces: Sequence[Sequence[str]], words: Words) -> tuple[int, int] | None:
    first, after = -1, 0
    for piece in pieces:
        at = words.find(piece, after)
        if at is None:
            return None
        first = at if first < 0 else first
        after = at + len(piece)
    return (words.starts[first], words.ends[after - 1]) if after else None
