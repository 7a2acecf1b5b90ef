"""Sentences of Markdown: where they begin and end, and what they read like."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.sentences import plain, sentences, without_links


def cut(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


def kinds(text: str) -> list[tuple[str, str]]:
    return [(sentence.kind, sentence.text) for sentence in sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Use e.g. Postgres here.",
        "See Fig. 3 and No. 5 of vol. 2.",
        "Dr. Smith and J. Doe agree.",
        "As shown by Miller et al. Nature changed.",
        "It costs 3.5 dollars in version v1.2.3 of it.",
        "Open docusaurus.config.js in Node.js now.",
        "Read https://example.org/a.b?c=d. it helps",
        "Run `make. Then.` once.",
        "See [the guide. Part 2](https://x.org/a.b) first.",
        "Wait... there is more.",
        "It said “no. never” twice.",
        "彼は「はい。」と言った。",
    ],
)
def test_one_sentence(text):
    assert cut(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]),
        ("It works (mostly.) `foo` is next.", ["It works (mostly.)", "`foo` is next."]),
        ("**Bold end.** Next.", ["**Bold end.**", "Next."]),
        ("The answer is no. Then stop.", ["The answer is no.", "Then stop."]),
        ("これは文です。次！終わり？", ["これは文です。", "次！", "終わり？"]),
        ("¿Qué es? ¡Hola! Sí.", ["¿Qué es?", "¡Hola!", "Sí."]),
        ("यह वाक्य है। दूसरा वाक्य।", ["यह वाक्य है।", "दूसरा वाक्य।"]),
        ("Wrapped\nline. Next\none.", ["Wrapped\nline.", "Next\none."]),
        ("> Quoted\n> text. More\n> of it.", ["Quoted\n> text.", "More\n> of it."]),
    ],
)
def test_several_sentences(text, expected):
    assert cut(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Claim one. [1] Claim two [2].", ["Claim one. [1]", "Claim two [2]."]),
        ("Claim.[1][2] Next.", ["Claim.[1][2]", "Next."]),
        ("Claim. [k7f, m2p]\n\nNext.", ["Claim. [k7f, m2p]", "Next."]),
        ("Noted.[^1] Next.", ["Noted.[^1]", "Next."]),
        ("Look. [Here](x) it is.", ["Look.", "[Here](x) it is."]),
    ],
)
def test_a_marker_after_the_stop_belongs_to_the_sentence_before(text, expected):
    assert cut(text) == expected


def test_blocks_have_their_kind():
    text = (
        "# Title { #title }\n\nProse here.\n\n- Item one. More.\n- [x] Item two\n1. Numbered\n\n"
        "| a | b |\n|---|---|\n| c. D | e |\n\n```bash\nrun. This\n\n# not a heading\n```\n\n"
        ":::note Careful\n\nInside.\n\n:::\n\n---\n\nUnder\n=====\n"
    )
    assert kinds(text) == [
        ("heading", "Title { #title }"),
        ("prose", "Prose here."),
        ("item", "Item one."),
        ("item", "More."),
        ("item", "Item two"),
        ("item", "Numbered"),
        ("heading", "a | b"),
        ("row", "c. D | e"),
        ("code", "```bash\nrun. This\n\n# not a heading\n```"),
        ("prose", "Inside."),
        ("heading", "Under"),
    ]


def test_a_fence_inside_a_list_item_or_quote_is_one_unit():
    assert kinds("1. Do:\n\n   ```\n   a. B\n   ```\n")[1] == ("code", "```\n   a. B\n   ```")
    assert kinds("> ```\n> a. B\n> ```\n> After.") == [
        ("code", "```\n> a. B\n> ```"),
        ("prose", "After."),
    ]


def test_a_fence_that_is_never_closed_goes_to_the_end():
    assert kinds("Text.\n\n````\n```\na. B") == [("prose", "Text."), ("code", "````\n```\na. B")]


def test_indented_code_is_code_and_an_indented_paragraph_of_a_list_is_not():
    assert kinds("Text.\n\n    a. B\n    c\n\nMore.")[1] == ("code", "    a. B\n    c")
    assert kinds("- Item\n\n    Its second. Paragraph.")[1:] == [
        ("prose", "Its second."),
        ("prose", "Paragraph."),
    ]


@pytest.mark.parametrize(
    "text", ["---", ":::", "<Tabs>", "{* ../a.py *}", "import X from 'y';", "[a]: http://x.org"]
)
def test_lines_without_a_sentence_are_left_out(text):
    assert cut(f"Before.\n\n{text}\n\nAfter.") == ["Before.", "After."]


def test_any_text_but_a_blank_one_has_a_unit():
    assert cut("<div>\n</div>") == ["<div>\n</div>"]
    assert cut(" \n\n ") == []


@given(st.text(alphabet=st.sampled_from("aB1 .!?。\n`#|->*[]()<:~_=\t\r\u2028“”'e"), max_size=120))
def test_spans_are_verbatim_ordered_and_apart(text):
    found = sentences(text)
    assert all(text[one.start : one.end] == one.text for one in found)
    assert all(one.text.strip() for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert bool(found) == bool(text.strip())


@given(st.text(alphabet=st.sampled_from("ab`*_[]()<>!\\#{}&;/~ \n\x00"), max_size=80))
def test_stripping_never_fails(text):
    plain(text)
    without_links(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Bold**, *it*, __b__, _i_, ~~gone~~ and ***all***", "Bold, it, b, i, gone and all"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("`__init__` and `<b>*x*</b>`", "__init__ and <b>*x*</b>"),
        ('[text](http://x.org/a_(b) "t") ![alt](i.png)', "text alt"),
        ("[![badge](i.png)](http://x.org)", "badge"),
        ("<https://x.org> <abbr title='a'>API</abbr>", "https://x.org API"),
        ("Title {#title} { #other }", "Title"),
        ("a\n> b   c", "a b c"),
        (r"1 \* 2 \_ 3 &amp; 4", "1 * 2 _ 3 & 4"),
        ("See [text][ref] and [^1].", "See text and ."),
        ("```bash\nrun __x__\n```", "run __x__"),
    ],
)
def test_plain(text, expected):
    assert plain(text) == expected


def test_without_links_keeps_what_renders():
    text = "Use **[the guide](g.md)** and `[x](y)` with <b>care</b>\nnow."
    assert without_links(text) == "Use **the guide** and `[x](y)` with care now."
