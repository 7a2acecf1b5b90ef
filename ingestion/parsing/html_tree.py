"""HTML text to a tree: the one door to the HTML parser, with a guard before it.

The parser recovers from anything, as a browser does, but some recoveries cost the square of the
page: closing unclosed containers, and opening unclosed formatting again in every paragraph.
"""

import re
from collections import Counter
from collections.abc import Collection

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingestion.parsing.base import ParseError

MAX_TAGS = 2_000_000  # some 400 MB of tree
MAX_DEPTH = 20_000
MAX_OPEN_FORMATTING = 1_000
MAX_ATTRIBUTES = 20_000  # of one tag, and roughly: the parser compares each with all before it

COMMENT_OR_SCRIPT = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.I
)
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())
# Void, or closed by the next of their kind.
NEVER_DEEP = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source"
    " track wbr p li dt dd tr td th thead tbody tfoot option optgroup rb rt rp colgroup".split()
)
# In XHTML `<a id="x"/>` is complete; an HTML parser would leave it open to the end of the page.
SELF_CLOSED = re.compile(r"<([a-zA-Z][\w:.-]*)((?:\s[^<>]*?)?)/>")


def read_tree(text: str) -> LexborHTMLParser:
    """Raises ParseError for a page that would take minutes or gigabytes."""
    if text.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        text = SELF_CLOSED.sub(_opened_and_closed, text)
    _check(text)
    return LexborHTMLParser(text)


def attribute(node: LexborNode, name: str) -> str:
    """ "" when there is none; the parser has None for one without a value."""
    return node.attributes.get(name) or ""


def first_inside(node: LexborNode, tags: Collection[str]) -> LexborNode | None:
    """The first descendant of these; a selector would look for all, at every level of a nest."""
    inside = (found for found in node.traverse() if found.tag in tags)
    return next((found for found in inside if found.mem_id != node.mem_id), None)


def _opened_and_closed(match: re.Match[str]) -> str:
    name, attributes = match.groups()
    return match[0] if name.lower() in NEVER_DEEP else f"<{name}{attributes}></{name}>"


def _check(text: str) -> None:
    if text.count("<") > MAX_TAGS:
        raise ParseError(f"The page has more than {MAX_TAGS:,} tags.")
    open_tags: Counter[str] = Counter()
    formatting = depth = 0
    for match in TAG.finditer(COMMENT_OR_SCRIPT.sub("", text)):
        closing, name, attributes = match.groups()
        name = name.lower()
        if len(attributes) > MAX_ATTRIBUTES and len(attributes.split()) > MAX_ATTRIBUTES:
            raise ParseError(f"A tag of the page has more than {MAX_ATTRIBUTES:,} attributes.")
        if name in NEVER_DEEP or (closing and not open_tags[name]):
            continue
        change = -1 if closing else 1
        open_tags[name] += change
        if name in FORMATTING:
            formatting += change
        else:
            depth += change
        if depth > MAX_DEPTH or formatting > MAX_OPEN_FORMATTING:
            raise ParseError("The elements of the page are nested too deeply, or never closed.")
