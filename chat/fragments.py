"""Where on its page a quotation stands, as an address that a browser scrolls to and highlights.

    https://docs.example.org/lamp#timing:~:text=The%20lamp%20turns%20once%20in%20twelve%20seconds.

After the WICG draft "URL Fragment Text Directives" (https://wicg.github.io/scroll-to-text-fragment/):
`text=[prefix-,]start[,end][,-suffix]`, each term inside one block and between word boundaries. A
browser that does not know it, or does not find the words, goes to the anchor before `:~:`. Terms
are made of what the reader sees. Where a page may show something else than its source says (a
picture, a tag, a formula, a typographic dash) a term ends, for one wrong character finds nothing.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from chat.sentences import Sentence, plain, sentences

EXACT_CHARS = 160  # a longer text is told by how it begins and how it ends
TERM_WORDS = 7
CONTEXT_WORDS = 4
# In bytes, which weigh a Chinese character like half an English word.
TELLING_BYTES = 12  # what is shorter may stand anywhere
TELLING_CELL = 20
DISTINCT_BYTES = 40  # what is shorter is told with the words around it
NOT_A_PAGE = frozenset((".pdf", ".docx", ".pptx"))  # a viewer shows them, which knows no directive
PATH_OF_OURS = re.compile(r"/(?![/\\])")
# Shown otherwise than written: what is escaped, pictures, tags, footnotes, formulas, expressions,
# hard breaks, line ends between Chinese or Japanese characters, emoji names, what typographers put
# in for dashes and dots.
BREAKS = re.compile(
    r"""(?x) \\[!-/:-@\[-`{-~] | !\[[^\]]*\](?:\([^()\n]*\)|\[[^\]]*\])? | </?[A-Za-z][^<>]*>
    | \[\^[^\]\s]+\] | \$+[^$\n]+\$+ | \{[^{}\n]*\} | (?:[ ]{2,}|\\)\r?\n
    | (?<=[\u3000-\u9fff\uff00-\uffef])\s*\n\s* | :\w+: | --+ | \.\.\. | ==+ """
)
# And what is left of markup when a sentence was cut out of the middle of it.
LEFTOVERS = re.compile(r"[\ue000*`~\[\]]|(?<!\w)_|_(?!\w)")
CELL_END = re.compile(r"(?<!\\)\|")
PAUSE = re.compile(r"(?<=[，。、；：！？）」』])")  # a word boundary where no spaces are
WORD = re.compile(r"\w")


def link_to(url: str, text: str, start: int, end: int) -> str:
    """The address of text[start:end], a span of a passage's Markdown; `url` itself if a browser
    would look for it in vain."""
    if not _is_page(url) or ":~:" in url:
        return url
    directive = text_directive(text, start, end)
    hash_sign = "" if "#" in url else "#"
    return f"{url}{hash_sign}:~:{directive}" if directive else url


def text_directive(text: str, start: int, end: int) -> str:
    """`text=…` for the sentences that the span touches; "" for code and for headings, whose anchor
    says enough."""
    every = sentences(text)
    units = [unit for unit in every if unit.start < end and start < unit.end]
    units = [unit for unit in units if unit.kind not in ("code", "heading")]
    if not units:
        return ""
    if units[0].kind == "row":
        # Browsers do not agree on what stands before a cell: the longest one, or none.
        longest = max(_runs(units[0]), key=len, default="")
        return _directive(longest) if len(longest.encode()) >= TELLING_CELL else ""
    telling = [run for unit in units for run in _runs(unit) if len(run.encode()) >= TELLING_BYTES]
    shown = telling or _runs(units[0])[:1]
    if not shown:
        return ""
    first, last = shown[0], shown[-1]
    if len(shown) > 1 or len(first) > EXACT_CHARS:
        begins = _head(first, TERM_WORDS)
        prefix = _before(text, every, units[0], first) if _is_common(begins, text) else ""
        return _directive(begins, _tail(last, TERM_WORDS), prefix=prefix)
    prefix = suffix = ""
    if _is_common(first, text):
        prefix = _before(text, every, units[0], first)
        suffix = _after(text, every, units[-1], first)
    return _directive(first, prefix=prefix, suffix=suffix) if telling or prefix or suffix else ""


def _is_page(url: str) -> bool:
    address = urlsplit(url)
    ours = not address.scheme and PATH_OF_OURS.match(url)
    web = address.scheme in ("http", "https") and address.netloc
    return bool(ours or web) and PurePosixPath(address.path).suffix.lower() not in NOT_A_PAGE


def _directive(start: str, end: str = "", *, prefix: str = "", suffix: str = "") -> str:
    before = f"{_encoded(prefix)}-," if prefix else ""
    until = f",{_encoded(end)}" if end else ""
    after = f",-{_encoded(suffix)}" if suffix else ""
    return f"text={before}{_encoded(start)}{until}{after}"


def _encoded(term: str) -> str:
    """`&`, `,` and `-` mean something in a directive; quote() leaves the last of them."""
    return quote(term, safe="").replace("-", "%2D")


# --- What a reader sees -----------------------------------------------------------------------


def _pieces(markdown: str) -> list[str]:
    """Between places that may be shown otherwise; an empty one at an end that is such a place."""
    shown = plain(BREAKS.sub("\ue000", markdown))
    return [piece.strip() for piece in LEFTOVERS.split(shown)]


def _runs(unit: Sentence) -> list[str]:
    """The pieces with words; none goes beyond a cell of a table."""
    parts = CELL_END.split(unit.text) if unit.kind == "row" else [unit.text]
    return [piece for part in parts for piece in _pieces(part) if WORD.search(piece)]


def _is_common(term: str, text: str) -> bool:
    """Whether it is short, or stands more than once in the text; browsers ignore case."""
    shown = " ".join(_pieces(text)).casefold()
    return len(term.encode()) < DISTINCT_BYTES or shown.count(term.casefold()) > 1


def _before(text: str, every: Sequence[Sentence], unit: Sentence, run: str) -> str:
    """The last words that stand before this run of the unit, in its own block."""
    at = every.index(unit)
    if not at or not _same_block(text, every[at - 1], unit) or _pieces(unit.text)[0] != run:
        return ""
    return _tail(_pieces(every[at - 1].text)[-1], CONTEXT_WORDS)


def _after(text: str, every: Sequence[Sentence], unit: Sentence, run: str) -> str:
    at = every.index(unit)
    if at + 1 == len(every) or not _same_block(text, unit, every[at + 1]):
        return ""
    return (
        _head(_pieces(every[at + 1].text)[0], CONTEXT_WORDS)
        if _pieces(unit.text)[-1] == run
        else ""
    )


def _same_block(text: str, one: Sentence, other: Sentence) -> bool:
    """One space lies between them, or one line's end, or nothing: no blank line, no bullet."""
    together = ("", " ", "\n") if one.text.isascii() else ("", " ")
    gap = text[one.end : other.start]
    return one.kind == other.kind and one.kind in ("prose", "item") and gap in together


# --- Words ------------------------------------------------------------------------------------


def _head(run: str, words: int) -> str:
    """Cut where a word ends: a term that ends inside of one is not found."""
    return "".join(_some(_words(run), words)).strip()


def _tail(run: str, words: int) -> str:
    return "".join([*_some(_words(run)[::-1], words)][::-1]).strip()


def _words(run: str) -> list[str]:
    spaced = re.findall(r"\S+\s*", run)
    return [part for word in spaced for part in (PAUSE.split(word) if len(word) > 20 else [word])]


def _some(words: Sequence[str], count: int) -> Iterator[str]:
    """So many; or fewer, when they are long already."""
    length = 0
    for number, word in enumerate(words):
        if number == count or (number and length + len(word) > EXACT_CHARS):
            return
        length += len(word)
        yield word
