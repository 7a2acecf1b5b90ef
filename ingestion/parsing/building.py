"""Puts a page together for formats that are not text themselves: its text, and where blocks stand.

The text it makes is the document's text from then on: Markdown without escapes, in which every
block knows where it stands. `line_start` and quotations count in it. What it adds to the words of
the page is scaffolding only: `#`, list marks and their indentation, table pipes, fences.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ingestion.parsing.base import Block, ParsedDocument, Section

HEADING_LENGTH = 1000  # a longer one is no heading: it would be repeated in every path below
NESTING = 30  # of containers; deeper ones hand their blocks to those around them
FENCES = re.compile(r"`{3,}")


@dataclass(frozen=True)
class Place:
    """Where in the outline the page is; to go on there after a part has ended."""

    path: tuple[tuple[int, str], ...] = ()
    anchor: str = ""
    level: int = 0


@dataclass
class _Container:
    """An open block. Nothing of it is written before its first words are."""

    kind: str  # "" once a heading has cut it off: what follows belongs to the container around it
    mark: str = ""
    start: int | None = None
    children: list[Block] = field(default_factory=list)


class PageBuilder:
    """Call in reading order, then `page()`. Texts are what a reader sees, white space and all
    collapsed to single spaces, except in code."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._length = 0
        self._sections: list[tuple[Place, list[Block]]] = [(Place(), [])]
        self._open: list[_Container] = []
        self._too_deep = 0
        self._tight = False  # the next block follows without a blank line

    def heading(self, level: int, text: str, anchor: str = "", *, shown: bool = True) -> None:
        """Begins a section. `level` counts from 1; `anchor` is the page's own id, "" for none.

        Not `shown`: a name for what follows, which the text itself gives in other words.
        """
        text = collapsed(text)
        if len(text) > HEADING_LENGTH:
            self.paragraph(text)
            return
        self._cut_off()
        level = max(level, 1)
        if text and shown:
            self._write(f"{'#' * min(level, 6)} {text}")
        path = (*(step for step in self.place.path if step[0] < level), (level, text))
        self._sections.append((Place(path, anchor, level), []))

    @property
    def place(self) -> Place:
        return self._sections[-1][0]

    def resume(self, place: Place) -> None:
        """What follows belongs to an earlier heading again."""
        if place != self.place:
            self._cut_off()
            self._sections.append((place, []))

    def open(self, kind: str, mark: str = "") -> None:
        """Begins a list, item, quote or admonition; `mark` stands before the words of an item."""
        if len(self._open) >= NESTING:
            self._too_deep += 1
            return
        around = self._open[-1] if self._open else None
        if kind == "item":
            # The first one of a list stands as close to what is before as the list does.
            begun = around is not None and around.kind == "list" and around.start is not None
            self._tight = self._tight or begun
        else:
            self._tight = kind == "list" and bool(around and around.kind == "item")
        self._open.append(_Container(kind, mark))

    def close(self) -> None:
        if self._too_deep:
            self._too_deep -= 1
        else:
            self._tight = False
            self._finish(self._open.pop())

    def paragraph(self, text: str, kind: str = "paragraph") -> None:
        """`kind` as in Block: paragraph, quote, admonition."""
        if text := collapsed(text):
            self._block(kind, text)

    def code(self, text: str, language: str = "") -> None:
        """Kept to the character, in a fence that nothing inside can close."""
        if text.strip():
            self._block("code", fenced(text, language))

    def list(self, items: Sequence[str], *, ordered: bool = False) -> None:
        """An item may hold lines of its own (a nested list, indented by the caller)."""
        marks = [f"{number}. " if ordered else "- " for number in range(1, len(items) + 1)]
        lines = [
            mark + item.strip() for mark, item in zip(marks, items, strict=True) if item.strip()
        ]
        if lines:
            self._block("list", *lines, child="item")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """The first row is the header; short rows are filled up."""
        width = max((len(row) for row in rows), default=0)
        if not width:
            return
        cells = [[collapsed(cell).replace("|", "\\|") for cell in row] for row in rows]
        lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in cells]
        # The rule under the header belongs to the header's row.
        lines[0] += f"\n|{' --- |' * width}"
        self._block("table", *lines, child="row")

    def page(
        self,
        title: str,
        *,
        language: str | None = None,
        metadata: dict[str, Any] | None = None,
        warnings: Sequence[str] = (),
    ) -> ParsedDocument:
        self._cut_off()
        sections: list[Section] = []
        known: set[Place] = set()
        for place, blocks in self._sections:
            names = [name for _, name in place.path if name]
            if names[:1] == [title]:
                names.pop(0)
            # A heading without text of its own is a section; going on under one is not.
            if blocks or (place.level and place not in known):
                sections.append(Section((title, *names), place.anchor, place.level, tuple(blocks)))
            known.add(place)
        if not any(section.blocks for section in sections):
            warnings = [*warnings, "no text"]
        return ParsedDocument(
            title, "".join(self._text), tuple(sections), (), language, metadata or {},
            tuple(warnings),
        )  # fmt: skip

    def _write(self, text: str, *, from_margin: bool = False) -> tuple[int, int]:
        """After a blank line, inside the marks and the indentation of the open containers.

        `from_margin`: the indentation of the first line counts in, so that all lines have it.
        """
        self._append(("\n" if self._tight else "\n\n") if self._length else "")
        self._tight = False
        line_start, first, indent = self._length, "", ""
        for container in self._open:
            if container.start is None:
                container.start = self._length + len(first)
                first += container.mark
            else:
                first += " " * len(container.mark)
            indent += " " * len(container.mark)
        if indent:
            text = re.sub(r"\n(?!\n|$)", "\n" + indent, text)
        self._append(first + text)
        at_margin = from_margin and not first.strip()
        return line_start + (0 if at_margin else len(first)), self._length

    def _append(self, text: str) -> None:
        self._text.append(text)
        self._length += len(text)

    def _block(self, kind: str, *lines: str, child: str = "") -> None:
        start, end = self._write("\n".join(lines), from_margin=kind == "code")
        self._add(Block(kind, start, end, self._children(child, start, lines) if child else ()))

    def _children(self, kind: str, start: int, lines: Sequence[str]) -> tuple[Block, ...]:
        indent = sum(len(container.mark) for container in self._open)
        children = []
        for line in lines:
            end = start + len(line) + indent * line.count("\n")
            children.append(Block(kind, start, end))
            start = end + 1 + indent
        return tuple(children)

    def _add(self, block: Block) -> None:
        (self._open[-1].children if self._open else self._sections[-1][1]).append(block)

    def _finish(self, container: _Container) -> None:
        if not container.kind:
            for block in container.children:
                self._add(block)
        elif container.start is not None and container.children:
            children = tuple(container.children)
            if len(children) == 1 and children[0].kind == "paragraph":
                children = ()
            end = container.children[-1].end
            self._add(Block(container.kind, container.start, end, children))

    def _cut_off(self) -> None:
        """A heading ends every container around it, since sections do not nest in blocks."""
        count = len(self._open)
        while self._open:
            self._finish(self._open.pop())
        self._open = [_Container("") for _ in range(count)]
        self._tight = False


def collapsed(text: str) -> str:
    return " ".join(text.split())


def fenced(text: str, language: str = "") -> str:
    """Code between fences that are longer than any inside."""
    text = re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()
    longest = max((len(run) for run in FENCES.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
