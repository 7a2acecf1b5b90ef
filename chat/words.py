"""Words that carry meaning: what claims, copies and evidence are compared by."""

import re

from documents.index.sparse import analysed

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NEGATIONS = frozenset("no not never none nor neither cannot without n't".split())


def content_words(text: str, language: str = "en") -> set[str]:
    """Stems of the words that are not stop words."""
    return set(analysed(text, language))


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def negated(text: str) -> bool:
    lowered = text.lower()
    return "n't" in lowered or "n’t" in lowered or bool(NEGATIONS & set(lowered.split()))
