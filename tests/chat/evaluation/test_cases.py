"""Question sets: what a line may hold, and what is said of one that may not."""

import json

import pytest

from chat.evaluation.cases import BadCases, Section, plain, read_cases, same_page

LAMP = {
    "id": "lh-1", "question": "How often does the lamp turn?", "type": "fact",
    "answer_page": "guide/lamp.md", "answer_heading": "Timing", "key_facts": ["twelve seconds"],
}  # fmt: skip
FULL = {
    **LAMP,
    "id": "lh-2",
    "type": "follow-up",
    "history": [{"role": "user", "content": "What is the lamp?"}],
    "also": [{"page": "guide/lamp.md", "heading": "Colours", "facts": ["white", "red"]}],
    "lang": "es",
    "answer_route": "/guide/lamp",
    "answer_anchor": None,
    "difficulty": 3,
}
UNKNOWN = {
    "id": "lh-3", "question": "Who built it?", "type": "unanswerable", "answer_page": None,
    "key_facts": [], "why": "not told", "near": "index.md", "absent": ["architect"],
}  # fmt: skip


def read(*rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return read_cases(lines, "set.jsonl")


def test_a_line_is_read_with_all_that_it_may_hold():
    (case,) = read(FULL)

    assert case.history == (("user", "What is the lamp?"),)
    assert case.sections[1] == Section("guide/lamp.md", "Colours", ("white", "red"))
    assert case.facts == ("twelve seconds", "white", "red")
    assert (case.lang, case.answer_route, case.answer_anchor) == ("es", "/guide/lamp", "")


def test_an_unanswerable_question_has_no_section():
    (case,) = read(UNKNOWN)

    assert not case.answerable
    assert case.sections == ()
    assert (case.why, case.near) == ("not told", "index.md")


@pytest.mark.parametrize("row", [LAMP, FULL, UNKNOWN], ids=["plain", "full", "unanswerable"])
def test_what_is_written_reads_the_same(row):
    cases = read(row)
    assert read(*(case.as_json() for case in cases)) == cases


def test_fields_of_others_are_kept():
    assert read(FULL)[0].as_json()["difficulty"] == 3
    assert read(UNKNOWN)[0].as_json()["absent"] == ["architect"]


def test_blank_lines_and_a_byte_order_mark_do_not_matter():
    assert len(read("\ufeff" + json.dumps(LAMP), "", "   ", FULL)) == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([LAMP, '{"id": "x",'], "set.jsonl, line 2: not JSON"),
        ([LAMP, "[1, 2]"], "line 2: not an object"),
        ([{**LAMP, "id": ""}], 'line 1: "id" is missing'),
        ([{"id": "x"}], 'line 1: "question" is missing'),
        ([LAMP, "", LAMP], 'line 3: the id "lh-1" is taken by line 1'),
        ([{**LAMP, "answer_page": None}], 'line 1: "answer_page" is missing'),
        ([{**UNKNOWN, "answer_page": "a.md"}], 'it is "unanswerable" and has an "answer_page"'),
        ([{**LAMP, "key_facts": "twelve"}], '"key_facts" must be a list'),
        ([{**LAMP, "key_facts": [12]}], '"key_facts" must be a list of texts'),
        ([{**LAMP, "lang": 5}], '"lang" must be a text, not 5'),
        ([{**LAMP, "history": [{"role": "bot", "content": "?"}]}], '"history" must hold'),
        ([{**LAMP, "also": ["index.md"]}], '"also" must hold'),
        ([], "set.jsonl holds no question"),
    ],
)
def test_a_bad_line_is_named_with_a_remedy(rows, said):
    with pytest.raises(BadCases, match=r"\.$") as raised:
        read(*rows)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("guide/lamp.md", "guide/lamp.md", True),
        ("en/docs/cors.md", "docs/cors.md", True),
        ("es/docs/cors.md", "en/docs/cors.md", True),
        ("pt-BR/docs/cors.md", "docs/cors.md", True),
        ("guide/lamp.md", "lamp.md", False),
        ("docs/cors.md", "cors.md", False),
    ],
)
def test_pages_compare_without_their_language_folder(one, other, same):
    assert same_page(one, other) is same


def test_headings_compare_without_markup():
    assert plain("Use `CORSMiddleware` { #use-corsmiddleware }") == plain("use  CORSMiddleware")
