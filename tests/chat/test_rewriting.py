"""Which questions lean on the one before."""

import pytest

from chat.llm.base import PromptMessage
from chat.rewriting import condense

BEFORE = [PromptMessage("user", "How do I restore a backup?"), PromptMessage("assistant", "So.")]


@pytest.mark.parametrize(
    "question", ["And on Windows?", "Does it stop the lamp?", "What about logs?", "Why?"]
)
def test_a_follow_up_carries_the_question_before_it(question):
    assert condense(question, BEFORE) == f"How do I restore a backup? {question}"


@pytest.mark.parametrize(
    "question", ["What is the capital of Australia?", "What does DBSF do?", "lamp colours"]
)
def test_a_question_that_stands_alone_is_left_alone(question):
    assert condense(question, BEFORE) == question


def test_a_first_question_has_nothing_to_lean_on():
    assert condense("Why does it stop?", []) == "Why does it stop?"
