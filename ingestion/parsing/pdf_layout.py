"""What the lines of a PDF's pages are: running headers, headings, paragraphs. Pure functions."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

LARGER = 1.1  # than the text around it: a heading
HEADING_LENGTH = 200
DEEPEST = 5  # PageBuilder has one level more, for the page itself
EDGE_LINES = 2  # of a page, above and below, may be running headers and footers
RUNNING_SHARE, RUNNING_PAGES = 0.4, 3  # of the pages; left and right ones may differ
PARTED = re.compile("(\\w*)\ufffe(\\w*)")  # PDFium's mark for a hyphen at the end of a line
HYPHENATED = re.compile(r"\w+-\w+")
BULLET = re.compile(r"(?:[•▪◦‣●○■□·–—*-]|\(?(?:\d{1,3}|[a-z])[.)])\s")
SENTENCE_END = (".", "!", "?", ":", ";", "。", "！", "？", "؟", "।")


@dataclass(frozen=True)
class Line:
    text: str
    size: float = 0.0  # of its letters, in points
    left: float = 0.0
    right: float = 0.0
    base: float = 0.0  # above the bottom of the page
    level: int = 0  # of the heading that it is; 0: none


Page = list[Line]
Outline = Mapping[int, Sequence[tuple[int, str]]]  # by page from 0: levels from 1, and titles


def with_whole_words(pages: Sequence[Page]) -> list[Page]:
    """Words parted at the end of a line, joined; a hyphen stays where this document has one."""
    text = "\n".join(line.text for page in pages for line in page)
    hyphenated = {word.lower() for word in HYPHENATED.findall(text)}

    def joined(match: re.Match[str]) -> str:
        first, second = match.groups()
        whole = f"{first}-{second}"
        keeps = not second[:1].islower() or whole.lower() in hyphenated
        return whole if keeps else first + second

    return [[replace(line, text=PARTED.sub(joined, line.text)) for line in page] for page in pages]


def body_size(pages: Sequence[Page]) -> float:
    """The size that most letters have."""
    letters: Counter[float] = Counter()
    for page in pages:
        for line in page:
            letters[line.size] += len(line.text)
    return max(letters, key=lambda size: (letters[size], -size), default=0.0)


def without_running_lines(pages: Sequence[Page], body: float) -> list[Page]:
    """Lines at an edge that stand on most pages, or count pages at one height, are not text."""
    edges = [_edges(page, body) for page in pages]
    seen: Counter[str] = Counter()
    counting: dict[tuple[str, int], set[str]] = {}
    for edge in edges:
        seen.update({_numberless(line) for line in edge.values()})
        for line in edge.values():
            counting.setdefault(_place(line), set()).add(line.text)
    least = max(RUNNING_PAGES, RUNNING_SHARE * sum(map(bool, pages)))

    def runs(line: Line) -> bool:
        return seen[_numberless(line)] >= least or len(counting[_place(line)]) >= RUNNING_PAGES

    kept = [
        [line for index, line in enumerate(page) if index not in edge or not runs(line)]
        for page, edge in zip(pages, edges, strict=True)
    ]
    # Pages that hold nothing but what repeats: then that is their text.
    return kept if 2 * sum(map(bool, kept)) >= sum(map(bool, pages)) else list(pages)


def _edges(page: Page, body: float) -> dict[int, Line]:
    """By index in the page; headings are not looked for."""
    by_height = sorted(range(len(page)), key=lambda index: -page[index].base)
    outer = {*by_height[:EDGE_LINES], *by_height[-EDGE_LINES:]}
    return {index: page[index] for index in outer if page[index].size < LARGER * body}


def _numberless(line: Line) -> str:
    return re.sub(r"\d+", "0", line.text)


def _place(line: Line) -> tuple[str, int]:
    return _numberless(line), round(line.base / 2)


def title_of(pages: Sequence[Page], body: float) -> str:
    """The one line of the document in the largest letters, or a first line that stands alone."""
    first, *others = [_merged(page) for page in pages]
    heads = [line for line in first if _may_head(line)]
    size = max((line.size for line in heads), default=0.0)
    titles = [line.text for line in heads if line.size == size >= LARGER * body]
    if len(titles) == 1 and all(line.size < size for page in others for line in page):
        return titles[0]
    opening = next(paragraphs(first), "")
    alone = bool(heads) and opening == heads[0].text and heads[0].size < LARGER * body
    return opening if alone and not opening.endswith(SENTENCE_END) else ""


def with_outline(pages: Sequence[Page], outline: Outline) -> list[Page] | None:
    """Headings are the lines that the bookmarks name; None when the two do not fit."""
    entries = sum(len(found) for found in outline.values())
    marked = [_marked(page, outline.get(number, ())) for number, page in enumerate(pages)]
    found = sum(line.level > 0 for page in marked for line in page)
    return marked if found >= max(2, entries / 2) else None


def _marked(page: Page, entries: Sequence[tuple[int, str]]) -> Page:
    marked = list(page)
    start = 0
    for level, title in entries:
        wanted = _letters(title)
        for index in range(start, len(marked) if wanted else 0):
            if span := _lines_of(wanted, marked, index):
                text = " ".join(line.text for line in marked[index : index + span])
                heading = replace(marked[index], text=text, level=min(level, DEEPEST))
                marked[index : index + span] = [heading]
                start = index + 1
                break
    return marked


def _lines_of(wanted: str, lines: Page, index: int) -> int:
    """How many lines from here on make the title; bookmarks may leave out the number before it."""
    text = ""
    for count, line in enumerate(lines[index : index + 4], 1):
        text += _letters(line.text)
        if text.endswith(wanted) and len(text) <= len(wanted) + 6:
            return count
        if not wanted.startswith(text):
            return 0
    return 0


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def with_sizes(pages: Sequence[Page], body: float) -> list[Page]:
    """Headings are short lines larger than the text; the larger, the higher."""
    pages = [_merged(page) for page in pages]

    def heads(line: Line) -> bool:
        return line.size >= LARGER * body and _may_head(line)

    sizes = sorted({line.size for page in pages for line in page if heads(line)}, reverse=True)
    levels = {size: min(level, DEEPEST) for level, size in enumerate(sizes, 1)}
    return [
        [replace(line, level=levels[line.size]) if heads(line) else line for line in page]
        for page in pages
    ]


def _may_head(line: Line) -> bool:
    letters = sum(character.isalpha() for character in line.text)
    return len(line.text) <= HEADING_LENGTH and letters >= 3 and not BULLET.match(line.text)


def _merged(page: Page) -> Page:
    """Lines of one large size right under each other are one heading."""
    merged: Page = []
    body = body_size([page])
    for line in page:
        above = merged[-1] if merged else None
        if (
            above is not None
            and line.size == above.size > body
            and 0 < above.base - line.base < 1.8 * line.size
            and not above.text.endswith(SENTENCE_END)
        ):
            merged[-1] = replace(above, text=f"{above.text} {line.text}", base=line.base)
        else:
            merged.append(line)
    return merged


def paragraphs(lines: Sequence[Line]) -> Iterator[str]:
    """Lines joined where a paragraph goes on: told by gaps, sizes, bullets and short last lines."""
    steps = [above.base - below.base for above, below in pairwise(lines)]
    usual = median([step for step in steps if step > 0] or [0.0])
    edge = max((line.right for line in lines), default=0.0)
    begin = min((line.left for line in lines), default=0.0)
    current: list[str] = []
    for index, line in enumerate(lines):
        if current and _ends(lines[index - 1], line, usual, begin + 0.75 * (edge - begin)):
            yield " ".join(current)
            current = []
        current.append(line.text)
    if current:
        yield " ".join(current)


def _ends(above: Line, line: Line, usual: float, short: float) -> bool:
    step = above.base - line.base
    return bool(
        step > min(1.3 * usual, 3 * line.size)
        or step < -line.size  # back up: another column, a box
        or BULLET.match(line.text)
        or (above.text.endswith(SENTENCE_END) and above.right < short)
    )
