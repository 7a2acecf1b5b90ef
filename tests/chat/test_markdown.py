"""Where code begins and ends in a text that grows."""

import pytest

from chat.markdown import ends_in_code, open_fence


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("", ""),
        ("```python\nrow", "```"),
        ("````\n```\nrow", "````"),
        ("~~~\n```\nrow", "~~~"),
        ("```\nrow\n``` row", "```"),
        ("> > ```\n> > row", "> > ```"),
        ("> ```\n> row\n> ```", ""),
        ("> ```\n> > ```\n> row", "> ```"),
        ("```\n> ```\nrow", "```"),
        ("> ```\n> row\nA lamp.", ""),
        ("``` `row` ```", ""),
    ],
)
def test_code_is_closed_as_it_was_opened(text, closing):
    assert open_fence(text) == closing
    assert open_fence(f"{text}\n{closing}") == ""


@pytest.mark.parametrize(
    "text", ["`a", "``a` ", "```\n", "```\n``` ", "```py", "~~~ ", "> ```\n> "]
)
def test_what_may_be_code_is_taken_for_code(text):
    assert ends_in_code(text)


@pytest.mark.parametrize("text", ["", "`a` ", "``a`b`` ", "```\na\n```\n", "> ```\n> a\nb "])
def test_what_is_not_in_code_is_text(text):
    assert not ends_in_code(text)
