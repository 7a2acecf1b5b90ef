"""What every parser hands over: a document as sections of blocks, each with its place in the text.

All positions count characters of the decoded text. `markup` lists the spans a reader never sees
(imports, tags, comments); `visible` is the one definition of the text that is left.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Span = tuple[int, int]


class ParseError(Exception):
    """No parser can read this document."""


@dataclass(frozen=True)
class Block:
    """A piece that reads as a whole; `children` are where it may be cut if it is too long."""

    kind: str  # paragraph, code, table, row, list, item, quote, admonition, rule
    start: int
    end: int
    children: tuple["Block", ...] = ()


@dataclass(frozen=True)
class Section:
    """The text under one heading, up to the next heading of any level."""

    heading_path: tuple[str, ...]  # begins with the title of the document
    anchor: str  # "" for the top of the page
    level: int  # 0 before the first heading
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class ParsedDocument:
    title: str
    text: str  # the whole decoded source, front matter and all
    sections: tuple[Section, ...]
    markup: tuple[Span, ...] = ()  # sorted, apart
    language: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def inside(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    """The parts of sorted `spans` that lie in [start, end)."""
    first = bisect_left(spans, (start,))
    if first and spans[first - 1][1] > start:
        first -= 1
    found = []
    for index in range(first, len(spans)):
        if spans[index][0] >= end:
            break
        found.append((max(spans[index][0], start), min(spans[index][1], end)))
    return found


def without(source: str, spans: Sequence[Span], start: int, end: int) -> str:
    """source[start:end] with the spans cut out and nothing else changed."""
    pieces, position = [], start
    for cut_start, cut_end in inside(spans, start, end):
        pieces.append(source[position:cut_start])
        position = cut_end
    pieces.append(source[position:end])
    return "".join(pieces)


def visible(source: str, spans: Sequence[Span], start: int, end: int) -> str:
    """What a reader sees of source[start:end]: characters are only ever left out, never changed.

    Without markup inside it is the very slice. Otherwise the markup goes, the lines it leaves blank
    go with it, and blank lines that meet because of that become one.
    """
    cuts = inside(spans, start, end)
    if not cuts:
        return source[start:end]
    lines: list[str] = []
    gap = False  # a line was just dropped
    for line, touched in _lines(source, cuts, start, end):
        blank = not line.strip()
        if blank and (touched or (gap and (not lines or not lines[-1].strip()))):
            gap = True
            continue
        lines.append(line.rstrip() if touched else line)
        gap = gap and blank
    return "\n".join(lines).strip("\n")


def _lines(source: str, cuts: list[Span], start: int, end: int) -> list[tuple[str, bool]]:
    """Each line of source[start:end] without the cuts, and whether a cut touched it."""
    lines: list[tuple[str, bool]] = []
    rest, touched = "", False

    def add(text: str) -> None:
        nonlocal rest, touched
        first, *more = text.split("\n")
        rest += first
        for line in more:
            lines.append((rest, touched))
            rest, touched = line, False

    position = start
    for cut_start, cut_end in cuts:
        add(source[position:cut_start])
        for _ in range(source.count("\n", cut_start, cut_end)):
            lines.append((rest, True))
            rest = ""
        touched, position = True, cut_end
    add(source[position:end])
    lines.append((rest, touched))
    return lines


def blank_out(text: str, spans: Sequence[Span]) -> str:
    """The text with the spans replaced by spaces, so that every line and offset stays."""
    pieces: list[str] = []
    position = 0
    for start, end in spans:
        pieces += text[position:start], re.sub(r"[^\n]", " ", text[start:end])
        position = end
    pieces.append(text[position:])
    return "".join(pieces)
