"""How many words in a row were taken over without quotation marks."""

import pytest

from chat.copying import copied_runs

SOURCE = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def test_a_run_longer_than_the_limit_is_found_whole():
    answer = f"So: {SOURCE}. Right."

    [run] = copied_runs(answer, ["other text", SOURCE], limit=12)

    assert (run.words, run.passage) == (14, 1)
    assert answer[run.start : run.end] == SOURCE


def test_a_run_as_long_as_the_limit_is_allowed():
    assert copied_runs(SOURCE, [SOURCE], limit=14) == []


def test_case_and_punctuation_do_not_hide_a_copy():
    answer = SOURCE.upper().replace(" ", ", ")

    assert [run.words for run in copied_runs(answer, [SOURCE], limit=12)] == [14]


@pytest.mark.parametrize("form", ['"{}"', "“{}”", "> {}", "```\n{}\n```", "`{}`", "«{}»"])
def test_quotations_and_code_may_be_copied(form):
    assert copied_runs(form.format(SOURCE), [SOURCE], limit=12) == []


def test_two_runs_are_two_findings():
    answer = f"{SOURCE} but {SOURCE}"

    assert len(copied_runs(answer, [SOURCE], limit=12)) == 2
