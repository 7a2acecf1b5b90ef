"""Names and identifiers: words that have no synonyms, so a claim must share them with its source.

Code spans, paths, flags, addresses, words with underscores, dots, digits or capitals inside, and
capitalised words that do not open a sentence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import combining, normalize

from chat.words import content_words
from documents.index.sparse import primary

CODE_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
IDENTIFIER = re.compile(
    r"https?://[^\s<>()\"“”]+[^\s<>()\"“”.,;:!?]"
    r"|(?<![\w/.-])(?:~|\.{0,2})/?[\w.@-]+(?:/[\w.@*-]+)+/?"  # paths
    r"|(?<![\w-])--?[A-Za-z][\w-]+"  # flags
    r"|(?<![\w.])\w+(?:\.\w+)+(?:\(\))?"  # docusaurus.config.js, app.state
    r"|\w+\(\)|\w*[^\W_]_[^\W_]\w*"
    r"|\b[a-z]+[A-Z]\w*|\b[A-Z][a-z]+[A-Z]\w*|\b[A-Z]{2,}\w*\b|\b(?=\w*[A-Za-z])(?=\w*\d)\w+\b"
)
CAPITALISED = re.compile(r"(?<![\w'’.-])[^\W\d_a-zß-öø-ÿ][^\W\d_]+(?:-[^\W\d_]+)*")
OPENING = re.compile(r"(?:^|[.!?:;…]\s|\|\s?|[\n•]|[—–]\s)[\s\"'“„«(\[*_>-]*$")
NUMERIC = re.compile(r"[-v]?[\d.,:]+(?:st|nd|rd|th|[A-Za-zµ%]{1,3})?(?:\(\))?$")
# Languages that write every noun with a capital.
ALL_NOUNS = frozenset({"de", "lb"})
# Capitals by custom, and abbreviations that are words.
NOT_NAMES = frozenset(
    "i ok id ids e.g i.e eg ie vs etc a.m p.m faq pdf url urls note tip warning important yes "
    "no".split()
)  # fmt: skip


MONTHS = frozenset(
    "january february march april june july august september october november december".split()
)  # fmt: skip


# Capitalised only because they open a sentence, whatever name follows.
OPENERS = frozenset(
    "every some all only both most many when while since until unless although because each any no "
    "also however then here there today on in at by for from with without before after under over "
    "like unlike though use using run set see first second last next both either neither".split()
)


@dataclass(frozen=True)
class Name:
    text: str
    code: bool  # compared with its case, and as a whole


def names(markdown: str, plain: str, language: str = "en") -> list[Name]:
    """Of one sentence: with its markup, and without it."""
    code = [" ".join(found[2].split()) for found in CODE_SPAN.finditer(markdown)]
    prose = plain
    for span in code:
        prose = prose.replace(span, " ␀ ")
    return [
        *(Name(span, code=True) for span in code if re.search(r"\w", span)),
        *_in_prose(prose, language),
    ]


def _in_prose(prose: str, language: str) -> Iterator[Name]:
    taken: list[tuple[int, int]] = []
    for found in IDENTIFIER.finditer(prose):
        if NUMERIC.match(found[0]) or found[0].lower() in NOT_NAMES:
            continue
        taken.append(found.span())
        yield Name(found[0], code=False)
    if primary(language) in ALL_NOUNS:
        return
    for found in CAPITALISED.finditer(prose):
        if found[0].lower() in NOT_NAMES:
            continue
        if OPENING.search(prose[: found.start()]) and not _first_of_a_name(prose, found, language):
            continue
        if not any(start <= found.start() < end for start, end in taken):
            yield Name(found[0], code=False)


def _first_of_a_name(prose: str, found: re.Match[str], language: str) -> bool:
    """ "Anna Holm" opens a sentence with a name; "Every Monday" does not."""
    following = CAPITALISED.match(prose, found.end() + 1)
    word = found[0].lower()
    return bool(following and word not in OPENERS and content_words(word, language))


def holds(text: str, name: Name) -> bool:
    """Whether a text without markup holds this name as a whole."""
    wanted = " ".join(name.text.split())
    if _stands(text, wanted, case=name.code):
        return True
    if name.code:
        # `pause()` for a "pause", `LIMIT=6` for a LIMIT that is 6: the parts, all of them.
        parts = [
            part
            for part in re.split(r"\(\)|[=()\[\]{}<>]|^[-.@]+", wanted)
            if re.search(r"\w", part)
        ]
        return (
            parts != [wanted]
            and bool(parts)
            and all(_stands(text, part.strip(" '\""), case=True) for part in parts)
        )
    return any(_stands(text, form, case=False) for form in _forms(wanted))


def _forms(name: str) -> Iterator[str]:
    """Singular, plural and possessive; a call without its brackets; Hyphened-Names; months."""
    if name.lower() in MONTHS:
        yield name[:3]
    for ending in ("'s", "’s", "es", "s", "()", "/"):
        if name.endswith(ending) and len(name) - len(ending) > 1:
            yield name.removesuffix(ending)
    yield f"{name}s"
    yield f"{name}es"
    if name.endswith("y"):
        yield f"{name[:-1]}ies"
    if name.endswith("ies"):
        yield f"{name[:-3]}y"
    if "-" in name.strip("-"):
        yield name.replace("-", " ")


def _stands(text: str, wanted: str, *, case: bool) -> bool:
    if not case:
        text, wanted = _folded(text), _folded(wanted)
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not (_joins(before, wanted[0]) or _joins(after, wanted[-1])):
            return True
        start = text.find(wanted, start + 1)
    return False


@lru_cache(maxsize=2048)
def _folded(text: str) -> str:
    """Lower case without accents: Khloé is Khloe."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in normalize("NFKD", text.lower()) if not combining(c))


def _joins(outer: str, inner: str) -> bool:
    """Whether these two characters are of one word."""
    return bool(outer) and (outer.isalnum() or outer == "_") and (inner.isalnum() or inner == "_")
