"""What counts as a question."""

import pytest

from chat.questions import InvalidQuestion, clean_question


@pytest.mark.parametrize("text", ["", "   ", "\n", "🙂🙂", "?!…", "\u202e"])
def test_a_question_without_words_is_refused(text):
    with pytest.raises(InvalidQuestion, match="no words") as refused:
        clean_question(text, max_chars=4000)
    assert refused.value.code == "question_empty"


def test_a_question_that_is_too_long_is_refused_with_both_numbers():
    with pytest.raises(InvalidQuestion, match="100,000 characters; at most 4,000"):
        clean_question("x" * 100_000, max_chars=4000)


def test_invisible_characters_are_taken_out():
    hidden = "How\u202e do\U000e0041\U000e0042 I\x00 start?"

    assert clean_question(hidden, max_chars=4000) == "How do I start?"


@pytest.mark.parametrize("text", ["Wie geht’s?", "これは何ですか", "क्या है?", "👩‍🚀 jobs?"])
def test_every_script_is_welcome(text):
    assert clean_question(text, max_chars=4000) == text
