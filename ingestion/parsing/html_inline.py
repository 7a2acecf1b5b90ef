"""The text inside one block of HTML: white space as shown, code in backticks, formulas as TeX."""

import re
from collections.abc import Callable, Collection

from selectolax.lexbor import LexborNode

from ingestion.parsing import formulas
from ingestion.parsing.decoding import SOFT_HYPHEN
from ingestion.parsing.html_tree import attribute

# Neither is text: not shown, or only to be pressed, played and filled in.
LEFT_OUT = frozenset(
    "script style template noscript svg canvas iframe object embed audio video map head title"
    " button input select textarea option datalist progress meter dialog".split()
)
BLOCKS = frozenset(
    "address article aside blockquote body center dd details dialog dir div dl dt fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol"
    " p pre search section summary table tbody td tfoot th thead tr ul caption".split()
)
CODE = frozenset(("code", "tt", "samp"))
PERMALINKS = frozenset(("", "¶", "#", "§", "🔗", "↩", "↩︎", "↑", "⇡", "⇣"))
# One line of code each, in pages that mark lines by elements and not by line feeds.
LINES = frozenset("token-line highlight-line code-line line view-line".split())
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))  # hints where to break lines
ORDINAL = re.compile(r"\W*(?:st|nd|rd|th|er|re|e|o|os|a|as|º|ª|tm|sm|®|™|©)?\W*", re.I)
FILE_NAME = re.compile(r"\S+\.\w{2,5}")
DEPTH = 20  # of elements inside one another that each need the text of all inside them


class InlineText:
    """Collects pieces in reading order; `<br>` is the only line feed among them."""

    def __init__(self, noise: Collection[int], *, ticks: bool = True, depth: int = 0):
        self.noise, self.ticks, self.depth = noise, ticks, depth
        self.pieces: list[str] = []

    def text(self, node: LexborNode) -> None:
        # Other invisible characters are removed later on, and counted.
        if text := (node.text_content or "").replace(SOFT_HYPHEN, ""):
            self.pieces.append(re.sub(r"\s+", " ", text))

    def element(self, node: LexborNode) -> bool:
        """False: it is written as its children are. True: it has been dealt with."""
        tag = node.tag or ""
        if tag in LEFT_OUT or node.mem_id in self.noise:
            if tag == "script" and attribute(node, "type").startswith("math/tex"):
                self.pieces.append(f" {node.text()} ")  # MathJax 2 keeps its source there
            return True
        if write := WRITERS.get(tag):
            return write(self, node)
        return tag in CODE and self._code(node)

    def pop(self) -> list[str]:
        """The paragraphs: two `<br>` part them."""
        text = "".join(self.pieces)
        self.pieces = []
        parts = re.split(r"\n\s*\n", text)
        return [part for part in parts if part.translate(INVISIBLE).strip()]

    def inside(self, node: LexborNode, *, ticks: bool = False) -> str:
        if self.depth >= DEPTH:
            return " ".join(node.text().split())
        return text_of(node, self.noise, ticks=ticks, depth=self.depth + 1)

    def _code(self, node: LexborNode) -> bool:
        text = self.inside(node)
        if not self.ticks:
            self.pieces.append(text)
        elif text:
            longest = max(map(len, re.findall("`+", text)), default=0)
            ticks = "`" * (longest + 1)
            space = " " if longest else ""
            self.pieces.append(f"{ticks}{space}{text}{space}{ticks}")
        return True

    def _raised(self, node: LexborNode) -> bool:
        """10<sup>6</sup> must not become 106; 1<sup>st</sup> and notes like [1] need no sign."""
        text = self.inside(node, ticks=self.ticks)
        before = self.pieces[-1][-1:] if self.pieces else ""
        plain = not before.strip() or text.startswith(("[", "(")) or ORDINAL.fullmatch(text)
        self.pieces.append(text if plain else f"^{text}")
        return True

    def _lowered(self, node: LexborNode) -> bool:
        """H2O is written so; x_i is not xi."""
        text = self.inside(node, ticks=self.ticks)
        before = self.pieces[-1][-1:] if self.pieces else ""
        self.pieces.append(text if text.isdecimal() or not before.strip() else f"_{text}")
        return True

    def _math(self, node: LexborNode) -> bool:
        source = node.css_first("annotation[encoding*=tex], annotation[encoding*=TeX]")
        text = source.text() if source else attribute(node, "alttext") or formula(node)
        self.pieces.append(" ".join(text.split()))
        return True

    def _image(self, node: LexborNode) -> bool:
        """What the picture says, when somebody wrote it down: three words or a formula."""
        alt = " ".join(attribute(node, "alt").split())
        is_formula = "math" in attribute(node, "class").lower()
        is_emoji = 0 < len(alt) <= 4 and not alt.isascii()
        described = len(re.findall(r"[^\W\d_]{2,}", alt)) >= 3 and not FILE_NAME.fullmatch(alt)
        if is_formula or is_emoji:
            self.pieces.append(alt)
        elif described:
            self.pieces.append(f" {alt} ")
        return True

    def _reading(self, node: LexborNode) -> bool:
        """The reading above a character, in brackets: those of `<rp>` where the page has some."""
        around = node.parent
        has_brackets = around is not None and around.css_first("rp") is not None
        text = self.inside(node)
        self.pieces.append(text if has_brackets or not text else f"({text})")
        return True

    def _break(self, node: LexborNode) -> bool:
        self.pieces.append("\n")
        return True

    def _link(self, node: LexborNode) -> bool:
        """A heading's link to itself, or a note's way back, is no text."""
        if not attribute(node, "href").startswith("#"):
            return False
        first = node.first_child
        if first is not None and first.next is None and first.is_text_node:
            return (first.text_content or "").translate(INVISIBLE).strip() in PERMALINKS
        return False

    def _span(self, node: LexborNode) -> bool:
        """What docutils writes for ``code``."""
        return "docutils literal" in attribute(node, "class") and self._code(node)


WRITERS: dict[str, Callable[[InlineText, LexborNode], bool]] = {
    "sup": InlineText._raised,
    "sub": InlineText._lowered,
    "math": InlineText._math,
    "img": InlineText._image,
    "rt": InlineText._reading,
    "br": InlineText._break,
    "a": InlineText._link,
    "span": InlineText._span,
}


def text_of(node: LexborNode, noise: Collection[int], *, ticks: bool = True, depth: int = 0) -> str:
    """All text inside, on one line."""
    inline = InlineText(noise, ticks=ticks, depth=depth)
    walk(node, inline.text, inline.element, lambda tag: inline.pieces.append(" "))
    return " ".join("".join(inline.pieces).split())


def walk(
    root: LexborNode,
    on_text: Callable[[LexborNode], None],
    on_element: Callable[[LexborNode], bool],  # True: not what is inside it
    on_edge: Callable[[str], None],  # before and after a block
) -> None:
    """Without recursion: pages nest thousands of elements deep."""
    above: list[LexborNode] = []
    node = root.first_child
    while True:
        while node is None:
            if not above:
                return
            node = above.pop()
            if node.tag in BLOCKS:
                on_edge(node.tag or "")
            node = node.next
        if node.is_text_node:
            on_text(node)
        elif node.is_element_node and not on_element(node):
            if node.tag in BLOCKS:
                on_edge(node.tag or "")
            above.append(node)
            node = node.first_child
            continue
        node = node.next


def code_text(pre: LexborNode, noise: Collection[int]) -> str:
    """To the character, however the page marks its lines: line feeds, `<br>`, or elements."""
    pieces: list[str] = []

    def on_text(node: LexborNode) -> None:
        pieces.append(node.text_content or "")

    def new_line() -> None:
        while pieces and not pieces[-1]:
            pieces.pop()
        if pieces and not pieces[-1].endswith("\n"):
            pieces.append("\n")

    def on_element(node: LexborNode) -> bool:
        tag = node.tag or ""
        if tag in LEFT_OUT or node.mem_id in noise:
            return True
        if tag == "br":
            pieces.append("\n")
        elif tag in BLOCKS or LINES.intersection(attribute(node, "class").split()):
            new_line()
        return tag == "br"

    walk(pre, on_text, on_element, lambda tag: None)
    return "".join(pieces).replace("\r\n", "\n").replace("\u200b", "")


def formula(node: LexborNode, depth: int = 0) -> str:
    """MathML as a line of text."""
    if node.tag in ("mi", "mn", "mo", "mtext", "ms") or depth > DEPTH:
        return " ".join(node.text().translate(INVISIBLE).split())
    children = (child for child in node.iter() if child.tag not in ("annotation", "mspace"))
    parts = [formula(child, depth + 1) for child in children]
    if node.tag in ("mtr", "mlabeledtr"):
        return " ".join(parts)
    if node.tag == "mtable":
        return "; ".join(parts)
    return formulas.written(node.tag or "", parts)
