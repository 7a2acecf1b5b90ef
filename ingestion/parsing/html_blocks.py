"""The content of an HTML page into a PageBuilder: headings with their live ids, blocks in order."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingestion.parsing.building import PageBuilder, Place
from ingestion.parsing.html_inline import BLOCKS, InlineText, code_text, text_of
from ingestion.parsing.html_tables import rows_of, spread
from ingestion.parsing.html_tabs import read_tabs
from ingestion.parsing.html_tree import attribute, first_inside

HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
LISTS = frozenset("ul ol menu dir".split())
ADMONITIONS = frozenset(
    "admonition theme-admonition custom-block hint callout markdown-alert admonitionblock".split()
)
LANGUAGE = re.compile(
    r"(?:^|\s)(?:language|lang|brush:|highlight-source|highlight|sourceCode|src)[-\s](?P<name>[\w+#.-]+)"
)
NO_LANGUAGE = frozenset("default none text plain plaintext notranslate nohighlight txt".split())
LONGEST_HEADING = 300  # with blocks inside
TABLES = 20  # inside one another; deeper ones are read as their text
CELL = 1500  # characters; a table with longer ones, and tables in them, lays out a page
BELOW_HEADINGS = 6  # levels; what an API documents comes under them

Leave = Callable[[], None]


@dataclass
class _Definitions:
    """An open `<dl>`."""

    place: Place  # to go back to after the functions it documents
    documents: bool = False
    item: bool = False
    described: bool = False  # the item has its `<dd>`


@dataclass
class _Numbers:
    """An open list, and the number of its next item."""

    ordered: bool
    number: int = 1


@dataclass
class BlockReader:
    tree: LexborHTMLParser
    builder: PageBuilder
    noise: Collection[int]
    ids: set[str] = field(init=False)
    tabs: dict[int, str] = field(init=False)  # the label of each panel

    def __post_init__(self) -> None:
        self.ids = {
            name
            for node in self.tree.css("[id], a[name]")
            for name in (attribute(node, "id"), attribute(node, "name"))
            if name
        }
        self.tabs, tab_lists = read_tabs(self.tree)
        self.noise = frozenset(self.noise) | tab_lists
        self.inline = InlineText(self.noise)
        self.lists: list[_Numbers] = []
        self.definitions: list[_Definitions] = []
        self.tables = 0

    def read(self, root: LexborNode) -> None:
        """Without recursion: pages nest thousands of elements deep."""
        above: list[tuple[LexborNode, Leave]] = []
        node = root.first_child
        while True:
            while node is None:
                if not above:
                    self._end_paragraph()
                    return
                node, leave = above.pop()
                leave()
                node = node.next
            if node.is_text_node:
                self.inline.text(node)
            elif node.is_element_node and (entered := self._enter(node)):
                above.append((node, entered))
                node = node.first_child
                continue
            node = node.next

    def _enter(self, node: LexborNode) -> Leave | None:
        """What to do after its children; None when they are dealt with."""
        tag = node.tag or ""
        if tag in BLOCKS and node.mem_id not in self.noise:
            self._end_paragraph()
            if label := self.tabs.get(node.mem_id):
                self.builder.paragraph(label)
            return self._enter_block(tag, node)
        return None if self.inline.element(node) else _nothing

    def _enter_block(self, tag: str, node: LexborNode) -> Leave | None:
        if tag in HEADINGS:
            return self._heading(node)
        if tag == "pre":
            self.builder.code(code_text(node, self.noise), _language(node))
            return None
        if tag == "table":
            return self._table(node)
        if tag in LISTS:
            return self._list(tag, node)
        if tag == "li":
            return self._item(node)
        if tag == "dl":
            return self._definition_list(node)
        if tag in ("dt", "dd") and self.definitions:
            return self._term(node) if tag == "dt" else self._description()
        if tag == "blockquote":
            return self._container("quote")
        if ADMONITIONS.intersection(attribute(node, "class").split()):
            return self._container("admonition")
        return self._end_paragraph

    def _end_paragraph(self) -> None:
        for text in self.inline.pop():
            self.builder.paragraph(text)

    def _container(self, kind: str, mark: str = "") -> Leave:
        self.builder.open(kind, mark)
        return self._close

    def _close(self) -> None:
        self._end_paragraph()
        self.builder.close()

    # Headings

    def _heading(self, node: LexborNode) -> Leave | None:
        if _never_closed(node):
            return self._end_paragraph
        if text := _parted(node, self.noise):
            self.builder.heading(int((node.tag or "h6")[1]), text, self._anchor(node))
        return None

    def _anchor(self, node: LexborNode) -> str:
        """The id that a link to the heading has: its own, what its permalink says, or near it."""
        return next((name for name in self._names(node) if name in self.ids), "")

    def _names(self, node: LexborNode) -> Iterator[str]:
        yield attribute(node, "id")
        for link in node.css("a[href^='#']"):
            fragment = attribute(link, "href")[1:]
            yield fragment
            yield unquote(fragment)
        for inner in node.css("[id], a[name]"):
            yield attribute(inner, "id") or attribute(inner, "name")
        # Texinfo and others put an empty element before it, Sphinx gives the id to the section.
        before = node.prev
        targets = []
        while before is not None and not before.text(strip=True):
            targets.append(attribute(before, "id") or attribute(before, "name"))
            before = before.prev
        around = node.parent
        if before is None and around is not None and around.tag in ("section", "div", "header"):
            yield attribute(around, "id")
        yield from targets

    # Lists

    def _list(self, tag: str, node: LexborNode) -> Leave:
        start = attribute(node, "start").strip()
        number = int(start) if re.fullmatch(r"-?\d{1,9}", start) else 1
        self.lists.append(_Numbers(tag == "ol", number))
        self.builder.open("list")
        return self._end_list

    def _end_list(self) -> None:
        self._close()
        self.lists.pop()

    def _item(self, node: LexborNode) -> Leave:
        if not self.lists or not self.lists[-1].ordered:
            return self._container("item", "- ")
        numbers = self.lists[-1]
        if re.fullmatch(r"\d{1,9}", value := attribute(node, "value")):
            numbers.number = int(value)
        mark = f"{numbers.number}. "
        numbers.number += 1
        return self._container("item", mark)

    # Definition lists: a term and what it means are an item; what an API offers is a section.

    def _definition_list(self, node: LexborNode) -> Leave:
        documents = any(
            child.tag == "dt" and "sig" in attribute(child, "class").split()
            for child in node.iter()
        )
        self.definitions.append(_Definitions(self.builder.place, documents))
        if not documents:
            self.builder.open("list")
        return self._end_definitions

    def _end_definitions(self) -> None:
        self._end_paragraph()
        self._end_item()
        definitions = self.definitions.pop()
        if definitions.documents:
            self.builder.resume(definitions.place)
        else:
            self.builder.close()

    def _end_item(self) -> None:
        if self.definitions[-1].item:
            self.builder.close()
        self.definitions[-1].item = self.definitions[-1].described = False

    def _term(self, node: LexborNode) -> Leave | None:
        current = self.definitions[-1]
        if current.documents:
            self._signature(node)
            return None
        if current.described:
            self._end_item()
        if not current.item:
            self._begin_item()
        return self._end_paragraph

    def _description(self) -> Leave:
        current = self.definitions[-1]
        if not current.documents:
            if not current.item:
                self._begin_item()
            current.described = True
        return self._end_paragraph

    def _begin_item(self) -> None:
        self.builder.open("item", "- ")
        self.definitions[-1].item = True

    def _signature(self, node: LexborNode) -> None:
        """The name goes into the path, the signature in full into the text."""
        names = [*node.css(".sig-prename"), *node.css(".sig-name")]
        name = "".join(text_of(part, self.noise, ticks=False) for part in names)
        signature = text_of(node, self.noise, ticks=False)
        depth = sum(definitions.documents for definitions in self.definitions)
        # A second signature of the same thing has no id of its own.
        if name and (anchor := self._anchor(node)):
            self.builder.heading(BELOW_HEADINGS + depth, name, anchor, shown=False)
        self.builder.paragraph(f"`{signature}`")

    # Tables

    def _table(self, node: LexborNode) -> Leave | None:
        rows = [] if self.tables >= TABLES else list(rows_of(node))
        if not rows or self._lays_out(node, rows):
            self.tables += 1
            return self._end_layout
        for caption in node.iter():
            if caption.tag == "caption":
                self.builder.paragraph(text_of(caption, self.noise))
        lines = (self._cells(row) for row in spread(rows))
        self.builder.table([line for line in lines if any(line)])
        return None

    def _end_layout(self) -> None:
        self._end_paragraph()
        self.tables -= 1

    def _lays_out(self, node: LexborNode, rows: list[list[LexborNode]]) -> bool:
        """The cells are read one after the other: they hold more than a line can."""
        if attribute(node, "role") in ("presentation", "none"):
            return True
        if max(map(len, rows)) < 2 or first_inside(node, HEADINGS | {"pre"}):
            return True
        if first_inside(node, ("table",)) is None:
            return False
        return any(len(cell.text()) > CELL for row in rows for cell in row)

    def _cells(self, row: list[LexborNode | None]) -> list[str]:
        return [text_of(cell, self.noise) if cell else "" for cell in row]


def _nothing() -> None:
    """After the children of an inline element."""


def _never_closed(heading: LexborNode) -> bool:
    """It holds what comes after it; read as a heading it would swallow the page."""
    if first_inside(heading, HEADINGS):
        return True
    return first_inside(heading, BLOCKS) is not None and len(heading.text()) > LONGEST_HEADING


def _parted(heading: LexborNode, noise: Collection[int]) -> str:
    """A number and a title side by side in elements of their own are told apart by style only."""
    number = heading.css_first(".secnum, .section-number, .sectnum, .header-section-number")
    text = text_of(heading, noise, ticks=False)
    prefix = text_of(number, noise, ticks=False) if number else ""
    if prefix and text.startswith(prefix):
        return f"{prefix} {text.removeprefix(prefix).strip()}"
    return text


def _language(pre: LexborNode) -> str:
    """From the class of the code, or of the elements around it."""
    node: LexborNode | None = pre.css_first("code") or pre
    for _ in range(9):  # as far as from code to what is around a table with line numbers
        if node is None or node.tag == "body":
            break
        if name := attribute(node, "data-lang") or attribute(node, "data-language"):
            return name.lower()
        if "literal-block" in attribute(node, "class"):  # docutils misuses the attribute
            return attribute(node, "lang").lower()
        for match in LANGUAGE.finditer(attribute(node, "class")):
            if match["name"] not in NO_LANGUAGE:
                return match["name"].lower()
        node = node.parent
    return ""
