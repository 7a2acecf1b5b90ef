"""The words of a question, as the evidence gate weighs them: names count most, rare words more."""

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from chat.words import content_words
from documents.embedding.vocabulary import meant, rareness
from documents.index.sparse import primary, terms_of, tokens

# They ask, they do not say what about: whether a document has them means nothing.
ASKING = (
    "often many much long old far big fast soon mean explain tell show give want need get make "
    "work possible way please help thing happen difference best good exactly actually really just"
)
# German writes every noun with a capital letter.
CAPITALS_MEAN_NOTHING = frozenset({"de"})
# LDAP, maxAge, gpt4, storage.namespace
LIKE_A_NAME = re.compile(r"[A-Z].*[A-Z]|[a-z][A-Z]|[^\W\d_].*\d|\w[._]\w")
INNER_CAPITAL = re.compile(r"[a-z][A-Z]|\w[._]\w")
ENDS_A_SENTENCE, OPENING = ".?!:", " \t\n\"'“(¿¡"
MOST_WORDS = 200  # that are looked at: more are a pasted page
FOR_A_NUMBER = re.compile(
    r"\bhow (?:many|much|long|often|big|large|fast|high|old)\b|\b(?:costs?|price|fee|percent"
    r"|percentage|maximum|minimum|number of|opening hours"
    r"|per (?:second|minute|hour|day|week|month|year))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class AskedWord:
    """`rareness` is 0 for the most frequent words and 1 for what no dictionary has.

    `stems` are the whole word's and, of an identifier, those of the words that it is made of.
    `meant` is the stem of the common word that it may be a slip of the pen for; empty if that only
    builds sentences.
    """

    surface: str
    stems: tuple[str, ...]
    is_name: bool
    rareness: float
    meant: str | None = None
    follows: str = ""  # the name right before this one, of which it may be the second half

    @property
    def stem(self) -> str:
        return self.stems[0]

    def stands_together(self, texts: Iterable[str]) -> bool:
        """A name of several words stands in one of these as such: "AWS Lambda", not each alone."""
        if not self.follows:
            return True
        whole = re.compile(
            rf"{re.escape(self.follows)}[\s-]{re.escape(self.surface)}", re.IGNORECASE
        )
        return any(whole.search(text) for text in texts)

    def stands_in(self, stems: Set[str]) -> bool:
        parts = self.stems[1:]
        whole = self.stem in stems or (bool(parts) and set(parts) <= stems)
        return whole or self.meant == "" or self.meant in stems


def asked_words(question: str, language: str) -> list[AskedWord]:
    """What the question is about, each word once."""
    asking = content_words(ASKING) if primary(language) == "en" else set()
    found: dict[str, AskedWord] = {}
    if question.isupper():
        question = question.lower()  # shouted
    for word in _words(question, primary(language)):
        known = found.get(word.stem)
        if word.stem not in asking and (known is None or word.is_name > known.is_name):
            found[word.stem] = word
    return list(found.values())


def _words(question: str, language: str) -> Iterator[AskedWord]:
    capitals = language not in CAPITALS_MEAN_NOTHING and not _in_capitals(question)
    end, name = 0, ""
    for token in tokens(question)[:MOST_WORDS]:
        start = question.find(token, end)
        if start < 0:  # normalisation changed it
            start = end
        before = question[:start].rstrip(OPENING)
        begins = not before or before[-1] in ENDS_A_SENTENCE
        # Not two identifiers: who types keywords puts those side by side.
        follows = name if start == end + 1 and not INNER_CAPITAL.search(token) else ""
        end = start + len(token)
        is_name = bool(LIKE_A_NAME.search(token)) or (
            capitals and token[:1].isupper() and not begins
        )
        word = None if is_name or language != "en" else meant(token)
        rare = rareness(word or token) if language == "en" else 1.0
        slip = None if word is None else " ".join(terms_of(word, language).words)
        if stems := terms_of(token, language).words:
            yield AskedWord(token, stems, is_name, rare, slip, follows if is_name else "")
        name = token if is_name else ""


def _in_capitals(question: str) -> bool:
    """Written like a title: then a capital letter says nothing."""
    later = [word for word in tokens(question)[1:] if word[0].isalpha() and word != "I"]
    return len(later) > 2 and 3 * sum(word[0].isupper() for word in later) > 2 * len(later)


def asks_for_a_number(question: str) -> bool:
    return bool(FOR_A_NUMBER.search(question))
