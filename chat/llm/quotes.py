"""What of a passage could be quoted: whole thoughts, verbatim, with the code they announce."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from chat.llm.base import MarkedPassage
from chat.sentences import Sentence, plain, sentences
from chat.words import content_words
from documents.passages import Passage

WHOLE_ITEM_CHARS = 320  # a list item up to this length is quoted whole
LONG = 500
SHORT = 20  # characters
# Openings that point back: such a sentence is quoted with the one before it.
POINTS_BACK = re.compile(
    r"(?:It|They|This|These|That|Those|Such|Then|Also|However|But|So|Otherwise|Instead|He|She)\b"
)
CLOSED_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[^\n]*\n.*\n[ \t>]*\1[`~]*\s*\Z", re.DOTALL)
NOT_SHOWN = re.compile(r"\s*[`~]{3,}\s*mdx-code-block")


@dataclass(frozen=True)
class Quote:
    """`text` stands at start:end of the passage; empty when the quote is only its code."""

    rank: int  # of the passage
    marker: str
    passage: Passage
    start: int
    end: int
    text: str
    code: str  # the fence that follows the text, made flush; "" when there is none
    heading: str  # the nearest one above, inside the passage

    @cached_property
    def plain(self) -> str:
        return plain(self.text or self.code)

    @cached_property
    def words(self) -> set[str]:
        code = plain(self.code) if self.plain.endswith(":") or not self.text else ""
        return content_words(f"{self.plain} {code}", self.passage.language)

    @cached_property
    def context(self) -> set[str]:
        return content_words(f"{self.passage.breadcrumb} {self.heading}", self.passage.language)

    @cached_property
    def worth(self) -> float:
        """Below 1 for what seldom answers anything when it stands alone."""
        if not self.text:
            return 1.0
        if self.plain.endswith(("?", "？")) or (self.plain.endswith(":") and not self.code):
            return 0.5
        if len(self.plain) > LONG or (len(self.plain) < SHORT and len(self.words) < 3):
            return 0.7
        return 1.0


def quotes(marked: MarkedPassage, *, rank: int) -> Iterator[Quote]:
    """In the order of the text. Headings are never quoted; code only whole."""
    passage = marked.passage
    heading = ""
    pending: tuple[int, int] | None = None
    for first, last in _thoughts(passage.text):
        if first.kind == "code":
            code = _flush(passage.text, first)
            if pending or code:
                start, end = pending or (first.start, first.start)
                text = passage.text[start:end]
                yield Quote(rank, marked.marker, passage, start, end, text, code, heading)
            pending = None
            continue
        if pending:
            text = passage.text[slice(*pending)]
            yield Quote(rank, marked.marker, passage, *pending, text, "", heading)
        pending = None
        if first.kind == "heading":
            heading = plain(first.text)
        else:
            pending = (first.start, last.end)
    if pending:
        text = passage.text[slice(*pending)]
        yield Quote(rank, marked.marker, passage, *pending, text, "", heading)


def _thoughts(text: str) -> list[tuple[Sentence, Sentence]]:
    """First and last sentence of what belongs together: short items, back references."""
    units = sentences(text)
    if not units:
        return []
    groups = [[units[0]]]
    for before, unit in pairwise(units):
        group = groups[-1]
        together = unit.kind == before.kind and not _apart(text[before.end : unit.start])
        short = unit.end - group[0].start <= WHOLE_ITEM_CHARS
        if together and short and (unit.kind == "item" or _leans(unit)):
            group.append(unit)
        else:
            groups.append([unit])
    return [(group[0], group[-1]) for group in groups]


def _leans(unit: Sentence) -> bool:
    return unit.kind == "prose" and bool(POINTS_BACK.match(unit.text))


def _apart(gap: str) -> bool:
    """Whether a blank line, a bullet or anything else stands between two sentences."""
    return gap.count("\n") > 1 or bool(gap.strip())


def _flush(text: str, code: Sentence) -> str:
    """A closed fence without the indentation of the list item it stands in; else nothing."""
    fence = code.text
    if not CLOSED_FENCE.match(fence) or NOT_SHOWN.match(fence):
        return ""
    line_start = text.rfind("\n", 0, code.start) + 1
    indent = text[line_start : code.start]
    if not indent or indent.strip(" \t>"):
        return fence
    lines = fence.split("\n")
    return "\n".join([lines[0], *(line.removeprefix(indent) for line in lines[1:])])
