"""Sentences of a passage and of an answer, with what they can be compared by."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from chat.grounding.names import Name, names
from chat.grounding.quantities import Quantity, quantities
from chat.grounding.stance import Stance
from chat.sentences import Kind, plain, sentences
from chat.words import content_words

# Stems of headings that say nothing of what a page is about.
COMMON_TOPICS = frozenset(
    content_words(
        "introduction overview guide guides reference usage using use example examples getting "
        "started start more next note notes basics advanced about first create creating add adding "
        "make making work working set setting settings configure configuration options option run "
        "running how question questions answer answers page pages documentation steps step what"
    )
)
MOST_TOGETHER = 3  # sentences in a row that may bear out one sentence


@dataclass(frozen=True)
class Said:
    """One sentence: characters of its text, and what it says without markup."""

    start: int
    end: int
    markdown: str
    language: str
    kind: Kind = "prose"

    @cached_property
    def plain(self) -> str:
        return plain(self.markdown)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(content_words(self.plain, self.language))

    @cached_property
    def quantities(self) -> list[Quantity]:
        return quantities(self.plain, self.language)

    @cached_property
    def names(self) -> list[Name]:
        return names(self.markdown, self.plain, self.language)

    @cached_property
    def stance(self) -> Stance:
        return Stance(self.plain, self.language)

    @cached_property
    def spelled(self) -> frozenset[str]:
        """All words as they are written, in lower case; identifiers also in their parts."""
        text = self.plain.lower().replace("_", " ")
        return frozenset(word.strip(".,;:()") for word in text.split()) | self.stance.spelled


@dataclass(frozen=True)
class Span:
    """One to three sentences in a row of one passage."""

    parts: tuple[Said, ...]

    @property
    def start(self) -> int:
        return self.parts[0].start

    @property
    def end(self) -> int:
        return self.parts[-1].end

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset().union(*(part.words for part in self.parts))

    @cached_property
    def plain(self) -> str:
        return " ".join(part.plain for part in self.parts)


@dataclass(frozen=True)
class Text:
    """A passage cut up once for all claims: its spans, and what each word is worth in it."""

    parts: tuple[Said, ...]
    heading: Said
    spans: tuple[Span, ...]

    @cached_property
    def every_word(self) -> frozenset[str]:
        return self.heading.words.union(*(part.words for part in self.parts))

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(word for part in self.parts for word in part.words)


@lru_cache(maxsize=256)
def text_of(text: str, breadcrumb: str, language: str) -> Text:
    """Remembered: a conversation cites the same passages again."""
    found = tuple(Said(s.start, s.end, s.text, language, s.kind) for s in sentences(text))
    parts = found or (Said(0, len(text), text, language),)
    return Text(parts, Said(0, 0, breadcrumb, language, "heading"), tuple(_spans(parts)))


def _spans(parts: Sequence[Said]) -> Iterator[Span]:
    for size in range(1, MOST_TOGETHER + 1):
        for first in range(len(parts) - size + 1):
            yield Span(tuple(parts[first : first + size]))


@lru_cache(maxsize=1024)
def topic_of(breadcrumb: str, language: str) -> frozenset[str]:
    """What a passage is about: the words of its title and headings that are not everywhere."""
    return frozenset(w for w in content_words(breadcrumb, language) if len(w) > 3) - COMMON_TOPICS


def weights(words: Iterable[str], texts: Iterable[Text]) -> dict[str, float]:
    """What a word is worth: more, the fewer sentences of these passages have it (smoothed IDF)."""
    texts = list(texts)
    total = sum(len(text.parts) for text in texts)
    return {
        word: math.log(1 + (total + 1) / (sum(text.counts[word] for text in texts) + 0.5))
        for word in words
    }


def share(words: frozenset[str], held: frozenset[str], worth: dict[str, float]) -> float:
    """Of what the words are worth, the part that is held; 0 to 1."""
    return sum(worth[word] for word in words & held) / (sum(worth[word] for word in words) or 1.0)
