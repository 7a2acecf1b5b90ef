"""Text to sparse BM25 term weights, for chunks and for queries; the index adds the IDF."""

import re
import sys
import threading
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import Stemmer

# Qdrant's own formula and defaults, with the average length of our chunks in words that count
# (measured by benchmarks/retrieval.py; between 64 and 256 hardly anything changes).
K1 = 1.2
B = 0.75
AVERAGE_LENGTH = 96.0

# Longer "words" are hashes, keys and embedded data.
MAX_WORD = 40

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

# Only where they are certain: the IDF makes frequent words count little anyway.
ENGLISH = """
a about am an and are as at be been being but by can could did do does for from had has have he her
his how i if in into is it its me my no not of on or our she should so such than that the their them
then there these they this to us was we were what when where which who why will with would you your
"""
STOP_WORDS = {"en": frozenset(ENGLISH.split())}
NO_STOP_WORDS: frozenset[str] = frozenset()


def word_characters() -> str:
    r"""`\w` as a character class, with the marks of Indic and other scripts that it leaves out."""
    marks = [
        code for code in range(0x300, 0x20000)
        if unicodedata.category(chr(code))[0] == "M" and code <= sys.maxunicode
    ]  # fmt: skip
    return r"\w" + "".join(f"\\U{code:08x}" for code in marks)


_WORD_CLASS = word_characters()
# Words joined by dots are one token as well: docusaurus.config.js, 3.11, app.state.
TOKEN = re.compile(rf"[{_WORD_CLASS}]+(?:\.[{_WORD_CLASS}]+)*")
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
    terms = list(analysed(text, language))
    if not terms:
        return SparseVector((), ())
    damping = K1 * (1 - B + B * length(terms) / AVERAGE_LENGTH)
    counts = Counter(zlib.crc32(term.encode()) for term in terms)
    indices = sorted(counts)
    return SparseVector(
        tuple(indices),
        tuple(counts[index] * (K1 + 1) / (counts[index] + damping) for index in indices),
    )


def length(terms: list[str]) -> float:
    """In words: two bigrams of an unspaced script are about one."""
    return sum(1.0 if term.isascii() or not UNSPACED.match(term) else 0.5 for term in terms)


def encode_query(text: str, language: str) -> SparseVector:
    """Every term once: what it is worth is the index's business."""
    indices = sorted({zlib.crc32(term.encode()) for term in analysed(text, language)})
    return SparseVector(tuple(indices), (1.0,) * len(indices))


def analysed(text: str, language: str) -> list[str]:
    """The text's terms: lower case, stop words out, stemmed, identifiers whole and in parts."""
    language = language.lower().partition("-")[0]
    stop_words = STOP_WORDS.get(language, NO_STOP_WORDS)
    words = [
        word for word in tokens(unicodedata.normalize("NFKC", text))
        if len(word) <= MAX_WORD and word not in stop_words
    ]  # fmt: skip
    return stemmed(words, language)


def tokens(text: str) -> Iterator[str]:
    for match in TOKEN.finditer(text):
        token = match.group()
        if token.isascii():
            yield from identifier(token)
            continue
        start = 0
        for run in UNSPACED.finditer(token):
            yield from identifier(token[start : run.start()])
            yield from bigrams(run.group())
            start = run.end()
        yield from identifier(token[start:])


def identifier(token: str) -> Iterator[str]:
    """A word; or `onBrokenLinks`, `max_age`, `app.state` whole, and the words it is made of."""
    words = [word for word in re.split(r"[._]", token) if word]
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
    english = language not in STEMMERS
    if english or language in OTHER_SCRIPT:
        in_english = iter(stemmer("english").stemWords([word for word in words if word.isascii()]))
        words = [next(in_english) if word.isascii() else word for word in words]
    return words if english else stemmer(STEMMERS[language]).stemWords(words)


def stemmer(algorithm: str) -> "Stemmer.Stemmer":
    """One for each thread: they keep state while they work."""
    stemmers: dict[str, Stemmer.Stemmer] = _per_thread.__dict__
    if algorithm not in stemmers:
        stemmers[algorithm] = Stemmer.Stemmer(algorithm)
    return stemmers[algorithm]
