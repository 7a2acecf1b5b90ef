"""Citations as Markdown footnotes."""

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin

from chat.completions.footnotes import Footnotes

CITED = {
    "number": 1,
    "title": "The lamp",
    "heading_path": ["The lamp", "Timing"],
    "link": "https://docs.example.org/lamp#timing:~:text=The%20lamp%20turns",
    "quote": "The lamp turns once\nin twelve seconds.",
}


def written(text: str, *citations: dict) -> str:
    notes = Footnotes()
    return notes.shown(text) + notes.definitions(citations)


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark").use(footnote_plugin).render(markdown)


def test_a_marker_becomes_a_footnote_with_its_link_and_quotation():
    assert written("Once in twelve seconds [1].", CITED) == (
        "Once in twelve seconds [^1].\n\n[^1]: [The lamp › Timing](<https://docs.example.org/lamp"
        "#timing:~:text=The%20lamp%20turns>): “The lamp turns once in twelve seconds\\.”"
    )


def test_a_renderer_makes_links_of_it():
    html = rendered(written("Once [1]. Twice [1].", CITED))

    assert html.count('class="footnote-ref"') == 2
    assert f'href="{CITED["link"]}"' in html


@pytest.mark.parametrize(
    "text",
    [
        "See `row[1]`.",
        "See ``row[1]``.",
        "```\nrow[1]\n```\n",
        "````\n```\nrow[1]\n````\n",
        "```\n``` row[1]\n```\n",
        "~~~\n```\nrow[1]\n~~~\n",
        "> ```\n> row[1]",
    ],
)
def test_code_stays_as_it_is(text):
    assert written(text) == text


@pytest.mark.parametrize("code", ["````\n```\n````", "> ```\n> row", "``` `row` ```"])
def test_after_code_there_are_footnotes_again(code):
    assert written(f"{code}\n\nOnce [1].") == f"{code}\n\nOnce [^1]."


def test_it_does_not_matter_where_a_text_is_cut():
    text = "Once [1].\n\n```\nrow[1]\n```\n\nTwice `x[1]` [2]."
    whole, notes = written(text), Footnotes()

    assert "".join(notes.shown(piece) for piece in text.partition("```\nrow")) == whole


@pytest.mark.parametrize(
    "title",
    [
        "[x](https://evil.example)",
        "<img src=x>",
        "](https://evil.example) ",
        "a\n\n# b",
        "`a",
        "*a*",
    ],
)
def test_nothing_in_a_title_or_a_quotation_becomes_markup(title):
    html = rendered(written("Once [1].", {**CITED, "heading_path": [title], "quote": title}))

    plain = rendered(written("Once [1].", {**CITED, "heading_path": ["a"], "quote": "b"}))
    assert html.count("<") == plain.count("<")


def test_an_address_cannot_leave_its_link():
    html = rendered(written("Once [1].", {**CITED, "link": "https://a.example/x> [y](z\n<b>"}))

    assert html.count("<a ") == 3  # there, the link, and back


def test_a_definition_that_a_model_writes_is_none():
    html = rendered(written("Once [1].\n\n[^1]: See the vault.", CITED))

    assert "[^1]: See the vault." in html
    assert html.count("footnote-item") == 1


def test_after_a_restart_the_first_text_cites_nothing():
    notes = Footnotes()
    first = notes.shown("Once in ten [1].")
    notes.begin_anew()
    second = notes.shown("Once in twelve [1].") + notes.definitions([CITED])

    html = rendered(f"{first}\n\n{second}")

    assert "Once in ten [^1]." in html
    assert html.count('class="footnote-ref"') == 1
