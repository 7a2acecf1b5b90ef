"""Markdown and MDX to sections: headings with the anchors of their site, blocks with positions."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.admon import admon_plugin

from ingestion.parsing.base import Block, ParsedDocument, Section, Span, without
from ingestion.parsing.frontmatter import read_front_matter
from ingestion.parsing.mdx import Prepass, find_markup
from ingestion.parsing.routes import DOCUSAURUS, HUGO, MDBOOK, MKDOCS, PLAIN
from ingestion.parsing.slugs import (
    GithubAnchors,
    HugoAnchors,
    MdbookAnchors,
    PythonMarkdownAnchors,
    split_explicit_id,
)

LEAVES = {"fence": "code", "code_block": "code", "hr": "rule", "html_block": "paragraph"}
CONTAINERS = {
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "list_item_open": "item",
    "blockquote_open": "quote",
    "admonition_open": "admonition",
}
HEADING_LENGTH = 1000  # it is repeated in every path below; a longer one is no heading
FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,100}\]")
HEADING_MARKS = re.compile(r"^[\s>]*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(?:#{1,6}\s+)?|(?:\s+#+)?\s*$")
COMMENTED_ID = re.compile(  # Docusaurus
    r"(?:\{/\*[ \t]*#(?P<mdx>[^\s*]+)[^{}]*\*/\}|<!--[ \t]*#(?P<html>[^\s>]+)[^>]*-->)[ \t]*$"
)
NUMBER_PREFIX = re.compile(r"^\d+\s*[-_.]+\s*(?=[^-_.\s])")


@dataclass(frozen=True)
class Heading:
    level: int
    text: str  # plain
    slug_text: str  # plain, with its line ends and the spaces that removed tags leave
    explicit_id: str | None
    end: int  # where its text ends, before the end of the line


def _block_parser(*, mdx: bool) -> MarkdownIt:
    options = {"html": False, "maxNesting": 60}
    parser = MarkdownIt("commonmark", options).enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    if mdx:
        return parser.disable("code")  # MDX has no indented code
    return parser.use(admon_plugin)


BLOCKS = {mdx: _block_parser(mdx=mdx) for mdx in (False, True)}
INLINE = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")


def parse_markdown(
    text: str,
    *,
    key: str = "",
    mdx: bool = False,
    site_kind: str = PLAIN,
    warnings: tuple[str, ...] = (),
) -> ParsedDocument:
    """`site_kind` decides the anchors; `mdx` how tags and braces are read."""
    front_matter = read_front_matter(text)
    values = front_matter.values
    prepass = find_markup(text, front_matter.end, mdx=mdx, site_kind=site_kind)
    flow = _Reader(text, prepass, mdx=mdx, site_kind=site_kind).flow()
    headings = [entry for entry in flow if isinstance(entry, Heading)]
    title = _title(values.get("title"), headings, key)
    sections = tuple(_sections(title, flow, _anchors(headings, site_kind)))
    warnings += front_matter.warnings
    if not any(section.blocks for section in sections):
        warnings += ("no text",)
    language = values.get("lang") or values.get("language")
    return ParsedDocument(
        title=title,
        text=text,
        sections=sections,
        markup=prepass.spans,
        language=language if isinstance(language, str) else None,
        metadata=values,
        warnings=warnings,
    )


def with_explicit_ids(text: str, *, mdx: bool, site_kind: str) -> str:
    """The text, in which each heading that has an id also says it."""
    prepass = find_markup(text, mdx=mdx, site_kind=site_kind)
    flow = _Reader(text, prepass, mdx=mdx, site_kind=site_kind).flow()
    headings = [entry for entry in flow if isinstance(entry, Heading)]
    pieces, position = [], 0
    for heading, anchor in zip(headings, _anchors(headings, site_kind), strict=True):
        if anchor and heading.explicit_id is None:
            pieces.append(f"{text[position : heading.end]} {{#{anchor}}}")
            position = heading.end
    return "".join(pieces) + text[position:]


def _title(given: object, headings: list[Heading], key: str) -> str:
    """Front matter, else the first main heading, else the file name made readable."""
    if given is not None and not isinstance(given, dict | list) and str(given).strip():
        return " ".join(str(given).split())
    for heading in headings:
        if heading.level == 1 and heading.text:
            return heading.text
    return readable_name(key)


def readable_name(key: str) -> str:
    path = PurePosixPath(key)
    stem = path.stem
    if stem.lower() in ("index", "readme") and path.parent.name:
        stem = path.parent.name
    words = re.sub(r"[-_\s]+", " ", NUMBER_PREFIX.sub("", stem)).strip()
    return words[:1].upper() + words[1:] or "Untitled"


def _anchors(headings: list[Heading], site_kind: str) -> list[str]:
    rule = _anchor_rule(headings, site_kind)
    anchors = [rule.anchor(heading.slug_text, heading.explicit_id) for heading in headings]
    if site_kind == DOCUSAURUS:  # it renders main headings without an id
        anchors = ["" if h.level == 1 else a for h, a in zip(headings, anchors, strict=True)]
    return anchors


def _anchor_rule(
    headings: list[Heading], site_kind: str
) -> GithubAnchors | HugoAnchors | MdbookAnchors | PythonMarkdownAnchors:
    if site_kind == MKDOCS:
        return PythonMarkdownAnchors({h.explicit_id for h in headings if h.explicit_id})
    if site_kind == HUGO:
        return HugoAnchors()
    return MdbookAnchors() if site_kind == MDBOOK else GithubAnchors()


def _sections(title: str, flow: list[Heading | Block], anchors: list[str]) -> list[Section]:
    """The flow cut at its headings; the path of each is the title and the headings above it."""
    sections: list[Section] = []
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    anchor, level = "", 0
    remaining = iter(anchors)

    def close() -> None:
        if blocks or level:
            names = [name for _, name in path if name]
            if names[:1] == [title]:
                names.pop(0)
            sections.append(Section((title, *names), anchor, level, tuple(blocks)))

    for entry in flow:
        if isinstance(entry, Block):
            blocks.append(entry)
            continue
        close()
        blocks = []
        anchor, level = next(remaining), entry.level
        path = [step for step in path if step[0] < level] + [(level, entry.text)]
    close()
    return sections


class _Reader:
    """The tokens of one page as headings and blocks, in order, with character positions."""

    def __init__(self, text: str, prepass: Prepass, *, mdx: bool, site_kind: str):
        self.text, self.prepass, self.site_kind = text, prepass, site_kind
        self.references: dict[str, object] = {}
        self.tokens = BLOCKS[mdx].parse(prepass.layout, self.references)
        self.line_starts = [0, *(m.end() for m in re.finditer("\n", text)), len(text) + 1]

    def flow(self) -> list[Heading | Block]:
        return self._siblings(0)[0]

    def _siblings(self, index: int) -> tuple[list[Heading | Block], int]:
        """Everything up to the end of the container, and the index of its closing token."""
        found: list[Heading | Block] = []
        while index < len(self.tokens) and self.tokens[index].nesting >= 0:
            token = self.tokens[index]
            if token.type == "heading_open":
                found.append(self._heading(token, self.tokens[index + 1]))
                index += 2
            elif token.type in CONTAINERS:
                children, index = self._siblings(index + 1)
                if any(isinstance(child, Heading) for child in children):
                    found += children  # a heading inside opens a section like any other
                else:
                    blocks = tuple(child for child in children if isinstance(child, Block))
                    found += self._block(CONTAINERS[token.type], token, blocks)
            elif token.type == "table_open":
                rows, index = self._rows(index)
                found += self._block("table", token, rows)
            elif token.nesting or token.type in LEAVES:
                found += self._block(LEAVES.get(token.type, "paragraph"), token)
                index += 2 * token.nesting
            index += 1
        return found, index

    def _block(self, kind: str, token: Token, children: tuple[Block, ...] = ()) -> list[Block]:
        first, last = token.map or (0, 0)
        span = self._span(kind, first, last)
        return [Block(kind, *span, children)] if span else []

    def _rows(self, index: int) -> tuple[tuple[Block, ...], int]:
        """The rows of a table; the line under the header belongs to the header."""
        starts: list[int] = []
        last = (self.tokens[index].map or (0, 0))[1]
        while self.tokens[index].type != "table_close":
            if self.tokens[index].type == "tr_open":
                starts.append((self.tokens[index].map or (0, 0))[0])
            index += 1
        spans = (self._span("row", *lines) for lines in pairwise([*starts, last]))
        return tuple(Block("row", *span) for span in spans if span), index

    def _span(self, kind: str, first: int, last: int) -> Span | None:
        """The visible characters of these lines; code keeps the indentation of its first line."""
        start = self.line_starts[first]
        shown = self.prepass.masked[start : self.line_starts[last] - 1]
        if not shown.strip():
            return None
        indent = len(shown) - len(shown.lstrip())
        if kind == "code" and shown[:indent] == self.text[start : start + indent]:
            indent = 0
        return start + indent, start + len(shown.rstrip())

    def _heading(self, token: Token, inline: Token) -> Heading:
        first, last = inline.map or (0, 0)
        start, end = self.line_starts[first], self.line_starts[last] - 1
        content = inline.content[:HEADING_LENGTH]
        commented = None
        if self.prepass.masked[start:end] != self.text[start:end]:
            source = without(self.text, self.prepass.spans, start, end)
            content = HEADING_MARKS.sub("", source[:HEADING_LENGTH])
            commented = COMMENTED_ID.search(self.text[max(start, end - HEADING_LENGTH) : end])
        attributes = self.site_kind != DOCUSAURUS
        content, explicit_id = split_explicit_id(content, attributes=attributes)
        if commented:
            explicit_id = commented["mdx"] or commented["html"]
        content = FOOTNOTE.sub(self._without_footnote, content)
        text = _text_of(INLINE.parseInline(content, self.references))
        return Heading(int(token.tag[1]), " ".join(text.split()), text, explicit_id, end)

    def _without_footnote(self, mark: re.Match[str]) -> str:
        return "" if f"{mark[0]}:" in self.text else mark[0]


def _text_of(tokens: list[Token]) -> str:
    pieces = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            pieces.append("\n")
        elif token.children:
            pieces.append(_text_of(token.children))
        else:
            pieces.append(token.content)
    return "".join(pieces)
