"""Markdown text cut into sentences, each a verbatim span; and text without its inline markup.

A unit is a sentence of a paragraph or list item, a heading, a table row, or a whole code fence.
Bullets, quote signs and outer table bars stay outside of the spans.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prose", "item", "row", "code", "heading"]


@dataclass(frozen=True)
class Sentence:
    """`text` is exactly what stands between the offsets, line breaks included."""

    start: int
    end: int
    text: str
    kind: Kind = "prose"


# --- Blocks: line by line ---------------------------------------------------------------------

PREFIX = re.compile(r"[ \t]*(?:>[ \t]?)*[ \t]*")
FENCE = re.compile(r"(`{3,}|~{3,})")
HEADING = re.compile(r"#{1,6}[ \t]+")
SETEXT = re.compile(r"(?:=+|-+)[ \t]*$")
BULLET = re.compile(r"(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
ROW = re.compile(r"\|.*\S")
# Lines that hold no sentence: rules, table rules, admonition signs, lone tags, MDX imports,
# includes, link definitions.
SILENT = re.compile(
    r"""(?x)
    (?:[-*_=][ \t]*){3,}$ | \|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)+$
    | :{3,} | /{3,}(?!\S*\w\S*/) | (?:!!!|\?\?\?\+?)[ \t] | ===[ \t]"
    | (?:</?[A-Za-z][^<>]*>[ \t]*)+$ | \{[*%].*[*%]\}[ \t]*$
    | (?:import|export)[ \t].+[ \t]from[ \t]['"] | \[[^\]]+\]:[ \t]+\S+[ \t]*$
    """
)
TABLE_RULE = re.compile(r"\r?\n[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)+(?:\r?\n|$)")
CONTAINER = re.compile(r"!!!|\?\?\?|===[ \t]\"")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass
class _Block:
    start: int
    end: int
    kind: Kind


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.splitlines(keepends=True):
        # form feeds and the like also split lines; they do no harm here
        yield start, start + len(line.rstrip("\r\n"))
        start += len(line)


def _blocks(text: str) -> Iterator[_Block]:
    block: _Block | None = None  # a paragraph or item that may go on
    fence = ""
    nested = False  # indented lines belong to a list item or container: they are not code
    comment_until = -1
    for start, end in _lines(text):
        at = PREFIX.match(text, start, end).end()  # type: ignore[union-attr]
        line = text[at:end].rstrip()
        if fence and block:
            block.end = at + len(line)
            if line.startswith(fence) and not line.strip(fence[0]):
                yield block
                block, fence = None, ""
            continue
        if start < comment_until:
            continue
        if line.startswith("<!--") and (comment := COMMENT.match(text, at)):
            comment_until = comment.end()
            line = ""
        indent = len(text[start:at].expandtabs(4))
        if line and indent >= 4 and not nested and ">" not in text[start:at]:
            if block is None or block.kind == "code":
                # From the line's start: the indentation is part of the code.
                block = block or _Block(start, end, "code")
                block.end = end
                continue
        elif block and block.kind == "code" and line:
            yield block
            block = None
        if opening := FENCE.match(line):
            if block:
                yield block
            block, fence = _Block(at, at + len(line), "code"), opening[1]
        elif not line or SILENT.match(line):
            if block and block.kind == "prose" and SETEXT.match(line) and line:
                block.kind = "heading"
            if block and not (block.kind == "code" and not line):
                yield block
                block = None
            nested = nested or bool(CONTAINER.match(line))
        elif heading := HEADING.match(line):
            if block:
                yield block
            block, nested = None, False
            yield _Block(at + heading.end(), at + len(line), "heading")
        elif ROW.match(line):
            if block:
                yield block
            block = None
            kind: Kind = "heading" if TABLE_RULE.match(text, end) else "row"
            yield _Block(*_inside_bars(text, at, at + len(line)), kind)
        elif bullet := BULLET.match(line):
            if block:
                yield block
            block, nested = _Block(at + bullet.end(), at + len(line), "item"), True
        elif block:
            block.end = at + len(line)
        else:
            nested = nested and indent > 0
            block = _Block(at, at + len(line), "prose")
    if block:
        yield block


def _inside_bars(text: str, start: int, end: int) -> tuple[int, int]:
    inner = text[start:end].strip("| \t")
    first = text.index(inner, start) if inner else start
    return first, first + len(inner)


# --- Sentences inside a block -----------------------------------------------------------------

PROTECTED = re.compile(
    r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|!?\[[^\]\n]*\]\([^)\n]*\)|<[A-Za-z/][^<>\n]*>"
    r"|(?:https?://|www\.)[^\s<>()\[\]]*[^\s<>()\[\].,;:!?…'\"。！？」]",
    re.DOTALL,
)
# A citation marker that stands after the full stop still belongs to the sentence before it.
MARKERS = r"\[(?:\^?\d{1,3}|[a-z]\d[a-z])(?:,[ ]?(?:\d{1,3}|[a-z]\d[a-z]))*\](?![(:])"
FOLLOWING_MARKERS = re.compile(rf"(?:[ \t]*{MARKERS})+")
TERMINATOR = re.compile(
    rf"(?P<stop>[.!?…]+)[\"'”’»)\]*_~]*(?=\s|$|{MARKERS})|[。！？｡।]+(?:[”’」』）)*_]+(?![ぁ-ん]))?(?![”’」』）)])"
)
# fmt: off
ABBREVIATIONS = {
    "e.g", "i.e", "eg", "ie", "cf", "vs", "dr", "mr", "mrs", "ms", "prof", "approx", "al", "resp",
    "incl", "gen", "col", "capt", "rev", "viz", "ca", "z.b", "d.h", "u.a", "bzw", "vgl", "p.ej",
    "sr", "sra", "u.s", "jr",
}
BEFORE_NUMBERS = {
    "no", "nr", "n", "p", "pp", "vol", "fig", "figs", "eq", "eqs", "sec", "ch", "art", "abs",
    "chap", "tab", "ver", "v",
}
# fmt: on
LAST_WORD = re.compile(r"[^\W\d_][\w.]*$")
GAP = re.compile(r"(?:\n[ \t]*(?:>[ \t]*)*|[ \t\r\f\v\u3000])*")


def sentences(text: str) -> list[Sentence]:
    """The units of the text, in order; at least one unless the text is blank."""
    found: list[Sentence] = []
    for block in _blocks(text):
        if block.kind in ("prose", "item"):
            spans = _split(text, block.start, block.end)
        else:
            spans = iter([(block.start, block.end)])
        found.extend(
            Sentence(start, end, text[start:end], block.kind)
            for start, end in spans
            if text[start:end].strip()
        )
    if not found and (whole := text.strip()):
        start = text.index(whole)
        found.append(Sentence(start, start + len(whole), whole))
    return found


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    protected = [found.span() for found in PROTECTED.finditer(text, start, end)]
    for found in TERMINATOR.finditer(text, start, end):
        if any(first <= found.start() < last for first, last in protected):
            continue
        stop = found.end()
        if markers := FOLLOWING_MARKERS.match(text, stop, end):
            stop = markers.end()
        following = GAP.match(text, stop, end).end()  # type: ignore[union-attr]
        if found.start() < start or (
            found["stop"] and not _ends(text, start, found, following, end)
        ):
            continue
        yield start, stop
        start = following
    last = start + len(text[start:end].rstrip())
    if last > start:
        yield start, last


def _ends(text: str, start: int, found: re.Match[str], following: int, end: int) -> bool:
    """Whether this stop ends a sentence, judged by the words on its two sides."""
    if following >= end:
        return True
    after = text[following]
    if after.islower() and "?" not in found[0] and "!" not in found[0]:
        return False
    if found["stop"] != ".":
        return not after.islower()
    before = LAST_WORD.search(text[max(start, found.start() - 20) : found.start()])
    word = before[0].lower() if before else ""
    if word in BEFORE_NUMBERS:
        return not after.isdigit()
    initial = len(word) == 1 and bool(before and before[0].isupper()) and word != "i"
    return word not in ABBREVIATIONS and not initial


# --- Without markup ---------------------------------------------------------------------------

CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?:[^()\n]|\([^()\n]*\))*\)")
REFERENCE_LINK = re.compile(r"!?\[([^\[\]\n]+)\]\[[^\[\]\n]*\]")
FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]")
AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
TAG = re.compile(r"</?[A-Za-z][^<>]*>")
ANCHOR = re.compile(r"[ \t]*\{[ \t]*#[\w-]+[ \t]*\}")
QUOTE_SIGN = re.compile(r"\n[ \t]*(?:>[ \t]?)+")
STRONG = re.compile(r"(\*{1,3}|~~)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
UNDERSCORED = re.compile(r"(?<!\w)(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)", re.DOTALL)
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
SPACE = re.compile(r"\s+")
FENCED = re.compile(r"\s*(`{3,}|~{3,})[^\n]*\n(.*?)(?:\n[ \t>]*\1[`~]*\s*)?\Z", re.DOTALL)


def without_links(text: str) -> str:
    """Markdown on one line that still renders, its links reduced to their text, tags left out."""
    return _outside_code(QUOTE_SIGN.sub("\n", text), _reduce_links, keep_ticks=True)


def plain(text: str) -> str:
    """What a reader sees of a piece of inline Markdown, on one line; of a fence, its code."""
    if fenced := FENCED.match(text):
        return SPACE.sub(" ", fenced[2]).strip()
    return _outside_code(QUOTE_SIGN.sub("\n", text), _strip_markup, keep_ticks=False)


def _outside_code(text: str, change: Callable[[str], str], *, keep_ticks: bool) -> str:
    """Code spans are put aside first: what looks like markup in them is not."""
    aside: list[str] = []

    def put_aside(found: re.Match[str]) -> str:
        aside.append(found[0] if keep_ticks else found[2].strip())
        return f"\x00{len(aside) - 1}\x00"

    changed = change(CODE_SPAN.sub(put_aside, text.replace("\x00", "")))
    whole = re.sub(r"\x00(\d+)\x00", lambda found: aside[int(found[1])], changed)
    return SPACE.sub(" ", whole).strip()


def _reduce_links(text: str) -> str:
    text = AUTOLINK.sub(r"\1", LINK.sub(r"\1", LINK.sub(r"\1", text)))  # an image inside a link
    text = FOOTNOTE.sub("", REFERENCE_LINK.sub(r"\1", text))
    return ANCHOR.sub("", TAG.sub("", text))


def _strip_markup(text: str) -> str:
    text = _reduce_links(text)
    text = UNDERSCORED.sub(r"\2", STRONG.sub(r"\2", STRONG.sub(r"\2", text)))
    return html.unescape(ESCAPED.sub(r"\1", text))
