"""The same words that say something else."""

import pytest

from chat.grounding.polarity import contradiction
from chat.grounding.stance import Stance

AGREE = [
    ("It never stops", "It does not stop"),
    ("No key is needed", "It does not need a key"),
    ("The radio is disabled", "The radio is not enabled"),
    ("The file is read before the rows", "The rows are read after the file"),
    ("It is retried only if the flag is passed", "It is not retried unless the flag is passed"),
    ("Only the owner may delete it", "Nobody but the owner may delete it"),
    ("It must not be opened", "It may not be opened"),
    ("Some 1000 ships pass", "1000 ships pass every year"),
    ("SOCKS5 works, SOCKS4 is not supported", "SOCKS5 is supported, SOCKS4 is not"),
    ("Not only readers may search", "Readers and others may search"),
]
DISAGREE = [
    ("The lamp turns", "The lamp does not turn"),
    ("The lamp does not turn", "The lamp turns"),
    ("The radio is enabled", "The radio is disabled"),
    ("The file is read after the rows", "The file is read before the rows"),
    ("The rows are read before the file", "The file is read before the rows"),
    ("It needs at most 2 GB", "It needs at least 2 GB"),
    ("All pages are cached", "Some pages are cached"),
    ("Some pages are cached", "All pages are cached"),
    ("Pages are cached", "Most pages are cached"),
    ("Only pages are cached", "Pages are cached"),
    ("It must be set", "It may be set"),
    ("It may be set", "It must be set"),
    ("It is unlocked after five attempts", "It is locked after five attempts, unlocked by others"),
    ("The main motor is louder than the spare one", "The spare motor is louder than the main one"),
    ("Food is allowed, water is forbidden", "Food is forbidden, water is allowed"),
    ("Safe between processes but not between threads",
     "Safe between threads but not between processes"),
    ("`Grid` is a subclass of `Table`", "`Table` is a subclass of `Grid`"),
]  # fmt: skip


def said(claim: str, source: str, language: str = "en") -> str:
    there = Stance(source, language)
    return contradiction(Stance(claim, language), there, there)


@pytest.mark.parametrize(("claim", "source"), AGREE)
def test_other_words_for_the_same(claim, source):
    assert said(claim, source) == ""


@pytest.mark.parametrize(("claim", "source"), DISAGREE)
def test_hardly_other_words_for_something_else(claim, source):
    assert said(claim, source)


@pytest.mark.parametrize(
    ("language", "claim", "source"),
    [
        ("de", "Die Lampe dreht sich nicht", "Die Lampe dreht sich"),
        ("es", "La lámpara no gira", "La lámpara gira"),
        ("fr", "La lampe ne tourne jamais", "La lampe tourne"),
        ("zh", "灯不转", "灯转"),
    ],
)
def test_negations_of_other_languages(language, claim, source):
    assert said(claim, source, language)
    assert said(source, claim, language)
    assert not said(claim, claim, language)
