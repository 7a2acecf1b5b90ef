"""Slips of the pen in a query are put right by words of what was found."""

import time

import pytest

from chat.spelling import one_slip, respelled, slips
from tests.chat.passages import passage

FOUND = [
    passage("A dependency with `yield` may raise an exception. Required parameters come first."),
    passage("The footer component shares the stack.", heading="Swizzle"),
    passage("Le paramètre est défini."),
]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("yeild", "yield"),  # swapped
        ("excpetion", "exception"),
        ("requred", "required"),  # one too few
        ("componnent", "component"),  # one too many
        ("dependancy", "dependency"),  # a vowel for another
        ("evidense", "evidence"),  # a consonant for one that sounds alike
        ("fotter", "footer"),  # the wrong letter doubled
        ("parametre", "paramètre"),  # an accent forgotten
    ],
)
def test_one_slip_is_seen(typed: str, meant: str) -> None:
    assert one_slip(typed, meant)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("slack", "stack"),  # any consonant for any other
        ("email", "mail"),  # the first letter
        ("saml", "same"),
        ("percentage", "parentage"),  # two
        ("stack", "stack"),
        ("a", "ab" * 20),
    ],
)
def test_another_word_is_no_slip(name: str, word: str) -> None:
    assert not one_slip(name, word)


def test_absent_words_become_the_words_that_were_found() -> None:
    query = "how to swizle the fotter, and its componet?"
    found = slips(query, FOUND)
    assert found == {"swizle": "swizzle", "fotter": "footer", "componet": "component"}
    assert respelled(query, found) == "how to swizzle the footer, and its component?"


def test_a_word_that_was_found_in_another_form_stays() -> None:
    assert slips("requires dependencies exceptions components", FOUND) == {}


def test_names_identifiers_and_addresses_stay() -> None:
    query = "does Requred go with REQURED, requred_not, --requred, requred.py, a/requred, u@requred"
    assert slips(query, FOUND) == {}


def test_the_first_word_may_have_a_capital() -> None:
    found = slips("Excpetion", FOUND)
    assert respelled("Excpetion?", found) == "exception?"


def test_short_words_and_scripts_without_spaces_stay() -> None:
    assert slips("stak", FOUND) == {}
    assert slips("ドキュメンテション", [passage("ドキュメンテーション の 書き方")]) == {}


def test_of_equally_close_words_the_most_frequent_was_meant() -> None:
    found = [passage("locked locked locks"), passage("locked")]
    assert slips("lockd", found) == {"lockd": "locked"}


def test_nothing_found_corrects_nothing() -> None:
    assert slips("excpetion", []) == {}


def test_a_hostile_query_takes_no_longer() -> None:
    words = " ".join(f"wxyz{'abcdefghij'[n % 10]}{'qrstu' * (n % 5)}" for n in range(1000))
    many = [
        passage(" ".join(f"w{n}word" for n in range(k, k + 200))) for k in range(0, 10_000, 200)
    ]
    for query in (words, "a" * 20_000, "a-" * 10_000):
        began = time.process_time()
        slips(query, many)
        assert time.process_time() - began < 0.5
