"""What is searched for instead of a follow-up."""

import pytest

from chat.llm.base import PromptMessage
from chat.rewriting import CHAIN, EARLIER_CHARS, condense

FIRST = "How do I restore a backup?"
BEFORE = [PromptMessage("user", FIRST), PromptMessage("assistant", "So.")]


def test_a_follow_up_carries_the_question_before_it():
    assert condense("And on Windows?", BEFORE) == f"{FIRST} And on Windows?"


def test_a_follow_up_of_a_follow_up_reaches_back_to_what_it_is_about():
    history = [*BEFORE, PromptMessage("user", "And on Windows?")]

    assert condense("Why?", history) == f"{FIRST} And on Windows? Why?"


def test_nothing_older_than_the_question_that_stands_alone_is_carried():
    history = [PromptMessage("user", "What is CORS?"), *BEFORE]

    assert condense("Why?", history) == f"{FIRST} Why?"


def test_a_chain_and_its_links_are_bounded():
    history = [PromptMessage("user", f"And {'x' * 300} {number}?") for number in range(9)]

    query = condense("Why?", [*history, PromptMessage("user", "And " + "y" * 999)])

    assert query.count("And ") == CHAIN
    assert len(query) <= CHAIN * (EARLIER_CHARS + 1) + len("Why?")


@pytest.mark.parametrize("question", ["What is the capital of Australia?", "lamp colours"])
def test_a_question_that_stands_alone_is_left_alone(question):
    assert condense(question, BEFORE) == question


def test_a_first_question_has_nothing_to_lean_on():
    assert condense("Why does it stop?", []) == "Why does it stop?"
