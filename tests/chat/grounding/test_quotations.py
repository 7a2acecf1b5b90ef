"""Marked quotations, and where their words stand."""

import pytest

from chat.grounding.quotations import quotations

SOURCE = "The lamp *turns* once in [twelve](https://x.org) seconds. It never stops, whatever comes."


@pytest.mark.parametrize(
    "answer",
    [
        "“The lamp turns once in twelve seconds.”", '"the lamp turns once"', "«It never stops»",
        "> The lamp turns once\n> in twelve seconds", "„It never stops“",
        "“The lamp … in twelve seconds”", "“[It] never stops”", "“**It** never [stops](y)”",
    ],
)  # fmt: skip
def test_a_true_quotation_has_its_place(answer):
    [quotation] = quotations(answer)

    start, end = quotation.place(SOURCE)
    assert SOURCE[start:end].split()[0].strip("*") in ("The", "the", "It", "never")


@pytest.mark.parametrize(
    "answer", ["“The lamp turns twice”", "“seconds … the lamp”", "“It never … twelve”"]
)
def test_a_made_up_quotation_has_none(answer):
    [quotation] = quotations(answer)

    assert quotation.place(SOURCE) is None


@pytest.mark.parametrize("text", ['`"x"`', "```\n“x y”\n```", 'a 5" pipe', "“open\n\nand gone”"])
def test_marks_in_code_and_lone_marks_quote_nothing(text):
    assert quotations(text) == []
