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


@pytest.mark.parametrize("form", ['"{}"', "“{}”", "> {}", "«{}»", "„{}“"])
def test_quotations_may_be_copied(form):
    assert copied_runs(form.format(SOURCE), [SOURCE], limit=12) == []


@pytest.mark.parametrize("form", ["```\n{}\n```", "`{}`"])
def test_code_may_be_copied_and_prose_dressed_as_code_may_not(form):
    code = form.format(SOURCE)

    assert copied_runs(code, [f"Run this:\n\n{code}"], limit=12) == []
    assert [run.words for run in copied_runs(code, [SOURCE], limit=12)] == [14]


@pytest.mark.parametrize(
    "answer",
    [
        "one two *three* four\nfive six **seven** eight nine ten [1] eleven twelve thirteen",
        "- one two three four\n- five six seven eight nine\n- ten eleven twelve thirteen",
        "1. One two three four.\n2. Five six seven eight nine.\n3. Ten eleven twelve thirteen.",
        "| one two three four | five six seven | eight nine ten eleven | twelve thirteen |",
        "one two three four five [six](https://x.org) seven eight nine ten eleven twelve thirteen",
        "one two three four five six really seven eight nine ten eleven twelve thirteen",
        "one two three four five 6 seven eight nine ten eleven twelve thirteen fourteen",
        "one two three four five six eight nine ten eleven twelve thirteen fourteen",
    ],
)
def test_markup_and_small_edits_do_not_hide_a_copy(answer):
    [run] = copied_runs(answer, [SOURCE], limit=12)

    assert run.words >= 13


def test_a_quotation_that_is_not_the_sources_does_not_excuse_a_copy():
    answer = f"“{SOURCE} and what nobody wrote” [1]"

    assert [run.words for run in copied_runs(answer, [SOURCE], limit=12)] == [14]


@pytest.mark.parametrize(
    ("answer", "runs"),
    [
        ("“{}” [1]", 0),
        ("“{}”\n\n[1]", 0),
        ("As [1] has it: “{}”", 0),
        ("“{}”", 1),
        ("“{}” [2]", 1),
    ],
)
def test_a_quotation_counts_only_if_it_is_cited(answer, runs):
    found = copied_runs(answer.format(SOURCE), [SOURCE, "other"], limit=12, cited={1: 0, 2: 1})

    assert len(found) == runs


def test_what_follows_half_a_quotation_is_copied():
    first, rest = SOURCE[:13], SOURCE[14:]

    assert len(copied_runs(f"“{first}” [1] {rest} fifteen", [f"{SOURCE} fifteen"], limit=10)) == 1


def test_two_runs_are_two_findings():
    answer = f"{SOURCE} but {SOURCE}"

    assert len(copied_runs(answer, [SOURCE], limit=12)) == 2


def test_two_signs_of_a_script_without_spaces_are_one_word():
    source = "灯塔的灯每十二秒转一圈每圈闪三次红光和白光交替出现在海面上"

    assert [run.words for run in copied_runs(source, [source], limit=12)] == [15]
    assert copied_runs(source[:20], [source], limit=12) == []
    assert copied_runs(f"“{source[3:]}”", [source], limit=12) == []
