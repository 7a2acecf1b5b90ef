"""How common a word is, and what a slip of the pen was meant to be."""

import pytest

from documents.embedding.vocabulary import meant, rareness


def test_frequent_words_are_less_rare_than_seldom_ones():
    assert rareness("other") < rareness("machine") < rareness("kerosene")


def test_a_word_that_nobody_knows_is_as_rare_as_can_be():
    assert rareness("rspack") == 1.0


@pytest.mark.parametrize(
    ("slip", "word"),
    [
        ("waht", "what"),  # transposed
        ("diffrence", "difference"),  # missing
        ("evidense", "evidence"),  # wrong
        ("seearch", "search"),  # spare
    ],
)
def test_one_letter_off_is_a_slip(slip, word):
    assert meant(slip) == word


@pytest.mark.parametrize("word", ["search", "kubernetes", "svelte", "grpc", "cat", "naïve", "x86"])
def test_a_word_that_exists_or_resembles_nothing_is_left_alone(word):
    assert meant(word) is None
