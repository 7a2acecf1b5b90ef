"""Text to sparse BM25 term weights, for chunks and for queries; the index adds the IDF."""

import re
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from unicodedata import category, normalize

import Stemmer

from documents.index.stop_words import NO_STOP_WORDS, STOP_WORDS

# Qdrant's own formula and defaults, with the average length of our chunks in words that count
# (measured by benchmarks/quality.py; between 64 and 256 hardly anything changes).
K1 = 1.2
B = 0.75
AVERAGE_LENGTH = 96.0

# Longer "words" are hashes, keys and embedded data.
MAX_WORD = 40
MAX_REMEMBERED = 24

STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "nb": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
    "yi": "yiddish",
}  # fmt: skip
# English words inside a text in one of these (or in an unknown one) are stemmed as English.
OTHER_SCRIPT = frozenset({"ar", "el", "hi", "hy", "ne", "ru", "sr", "ta", "yi"})

# Words joined by dots are one token as well: docusaurus.config.js, 3.11, app.state.
TOKEN = re.compile(r"\w+(?:\.\w+)*")
# `\w` leaves out the marks that Indic and other scripts write words with. The class that has them
# is ten times slower, so it is for texts in which one occurs.
MARKS = frozenset(chr(code) for code in range(0x300, 0x20000) if category(chr(code))[0] == "M")
WORD = r"[\w" + "".join(sorted(MARKS)) + "]+"
TOKEN_WITH_MARKS = re.compile(rf"{WORD}(?:\.{WORD})*")
# Scripts that put no space between words: Thai, Lao, Myanmar, Khmer, kana, Han, Hangul.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
MIXED_CASE = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]{2}")


@dataclass(frozen=True)
class SparseVector:
    """Term ids (unsigned 32 bit, rising) and their weights, equally long."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


def encode_document(text: str, language: str) -> SparseVector:
    """Saturating term frequencies, longer texts discounted."""
    language = primary(language)
    counts: Counter[int] = Counter()
    length = 0.0
    for token, count in Counter(tokens(text)).items():
        terms = terms_of(token, language)
        length += count * terms.length
        for term in terms.ids:
            counts[term] += count
    damping = K1 * (1 - B + B * length / AVERAGE_LENGTH)
    ordered = sorted(counts.items())
    return SparseVector(
        tuple(term for term, _count in ordered),
        tuple(count * (K1 + 1) / (count + damping) for _term, count in ordered),
    )


def encode_query(text: str, language: str, *others: str) -> SparseVector:
    """Every term once: what it is worth is the index's business.

    `language` is the question's. In texts of `others` its words are looked for as those languages
    stem them: names, numbers and words they share. Its function words are not: "a", "no" and "me"
    stand everywhere.
    """
    stop_words = STOP_WORDS.get(primary(language), NO_STOP_WORDS)
    languages = {primary(language), *map(primary, others)}
    terms = {
        term
        for token in tokens(text)
        if token.lower() not in stop_words
        for one in languages
        for term in terms_of(token, one).ids
    }
    return SparseVector(tuple(sorted(terms)), (1.0,) * len(terms))


def analysed(text: str, language: str) -> list[str]:
    """The text's terms as words: lower case, without the language's stop words, stemmed."""
    language = primary(language)
    return [term for token in tokens(text) for term in terms_of(token, language).words]


def primary(language: str) -> str:
    return language.lower().partition("-")[0]  # "pt" of "pt-BR"


def tokens(text: str) -> list[str]:
    text = normalize("NFKC", text)
    marked = not text.isascii() and not MARKS.isdisjoint(text)
    return (TOKEN_WITH_MARKS if marked else TOKEN).findall(text)


class Terms(NamedTuple):
    """What one token is found by. `length` is what it adds to the length of its text, in words."""

    words: tuple[str, ...]
    ids: tuple[int, ...]
    length: float


def terms_of(token: str, language: str) -> Terms:
    """Texts repeat their words, but not whole runs of Chinese: those would only fill the memory."""
    return (remembered if len(token) <= MAX_REMEMBERED else split_and_stemmed)(token, language)


def split_and_stemmed(token: str, language: str) -> Terms:
    stop_words = STOP_WORDS.get(language, NO_STOP_WORDS)
    found = [word for word in split(token) if len(word) <= MAX_WORD and word not in stop_words]
    words = tuple(stemmed(found, language))
    ids = tuple(zlib.crc32(word.encode()) for word in words)
    # Two bigrams of a script without spaces are about one word.
    return Terms(words, ids, sum(0.5 if UNSPACED.match(word) else 1.0 for word in found))


remembered = lru_cache(32_768)(split_and_stemmed)


def split(token: str) -> Iterator[str]:
    """Runs of a script without spaces as bigrams, what stands between them as identifiers."""
    start = 0
    for run in UNSPACED.finditer(token):
        yield from identifier(token[start : run.start()])
        yield from bigrams(run.group())
        start = run.end()
    yield from identifier(token[start:])


def identifier(token: str) -> Iterator[str]:
    """A word; or `onBrokenLinks`, `max_age`, `app.state` whole, and the words it is made of."""
    words = [word for word in token.replace("_", ".").split(".") if word]
    if len(words) > 1:
        yield token.strip("_").lower()
    for word in words:
        yield word.lower()
        if MIXED_CASE.search(word):
            yield from (part.lower() for part in CAMEL.findall(word) if len(part) > 1)


def bigrams(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for start in range(len(run) - 1):
        yield run[start : start + 2]


_per_thread = threading.local()


def stemmed(words: list[str], language: str) -> list[str]:
    own, english = STEMMERS.get(language), stemmer("english")
    if own is None or language in OTHER_SCRIPT:
        words = [english.stemWord(word) if word.isascii() else word for word in words]
    return words if own is None else stemmer(own).stemWords(words)


def stemmer(algorithm: str) -> "Stemmer.Stemmer":
    """One for each thread: they keep state while they work."""
    stemmers: dict[str, Stemmer.Stemmer] = _per_thread.__dict__
    if algorithm not in stemmers:
        stemmers[algorithm] = Stemmer.Stemmer(algorithm)
    return stemmers[algorithm]
