"""The words of Markdown text with their places, whatever the markup around them."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

# Numbers stay whole, so that 16.14 is not 16, 14; signs that compare are words of their own.
# Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han. Each sign is a word,
# and counts as half of one.
UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
LETTERS = rf"[^\W_{UNSPACED}]+"
WORD = re.compile(rf"[{UNSPACED}]|\d+(?:[.,]\d+)*|{LETTERS}(?:_+{LETTERS})*|[<>=!]=|[%≥≤≠±]")
CODE = re.compile(
    r"(?P<code>```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`))", re.DOTALL
)
# What a reader does not see, or what is no word of the text: it is blanked out, so that every
# offset stays what it was.
UNSEEN = re.compile(
    CODE.pattern
    + r"""|(?x:
      <!--.*?--> | </?[A-Za-z][^<>]*> | &(?:\#\d+|\#x[0-9a-fA-F]+|\w+); | \{[ ]*\#[\w-]+[ ]*\}
    | (?<=\])\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\) | (?<=\])\[[^\[\]\n]*\] | \[\^[^\]\s]+\]
    | \[(?:\d{1,3}|[a-z]\d[a-z])(?:,[ ]?(?:\d{1,3}|[a-z]\d[a-z]))*\](?!\()
    | ^[ \t]*(?:>[ \t]?)*(?:[-*+•]|\d{1,3}[.)]|\#{1,6})[ \t]+
    )""",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Words:
    """The words in lower case; word n stands at starts[n]:ends[n] of the text."""

    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _joined(self) -> tuple[str, list[int]]:
        """All words in one string, a space around each, and where each begins in it."""
        places, at = [], 1
        for word in self.words:
            places.append(at)
            at += len(word) + 1
        return f" {' '.join(self.words)} ", places

    def find(self, wanted: Sequence[str], after: int = 0) -> int | None:
        """The number of the word at which these words stand in a row."""
        joined, places = self._joined
        if not wanted or after >= len(places):
            return None
        at = joined.find(f" {' '.join(wanted)} ", places[after] - 1)
        return None if at < 0 else bisect_left(places, at + 1)

    def count(self, first: int, last: int) -> int:
        """How many words these are, two signs of a script without spaces being one."""
        signs = sum(word >= "\u0e00" and len(word) == 1 for word in self.words[first:last])
        return last - first - signs // 2

    def between(self, start: int, end: int) -> tuple[str, ...]:
        """The words that stand in these characters of the text."""
        return self.words[bisect_left(self.starts, start) : bisect_right(self.ends, end)]


def blanked(text: str) -> str:
    """The text with spaces for all markup that carries no words, equally long."""
    return UNSEEN.sub(lambda m: m[0] if m["code"] else _spaces(m[0]), text)


def without_code(text: str) -> str:
    """The text with spaces for code, equally long."""
    return CODE.sub(lambda m: _spaces(m[0]), text)


def words_of(text: str) -> Words:
    """Of the text as its reader sees it; code is read as it stands."""
    return words_in(blanked(text))


def words_in(text: str) -> Words:
    found = [(m[0].lower(), m.start(), m.end()) for m in WORD.finditer(text.replace("’", "'"))]
    return Words(
        tuple(word for word, _, _ in found),
        tuple(start for _, start, _ in found),
        tuple(end for _, _, end in found),
    )


@lru_cache(maxsize=512)
def remembered_words(text: str) -> Words:
    """Of a passage: several sentences of an answer are compared with the same few."""
    return words_of(text)


def _spaces(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
