"""A conversation as Markdown: nothing that somebody wrote is active in it."""

import markdown_it
import pytest

from chat.exporting import markdown, noted, quoted
from chat.markdown import in_one_line

RENDER = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).render
HOSTILE = (
    "[click](javascript:alert(1))", "<script>alert(1)</script>", "![x](https://evil.example/x)",
    "https://evil.example", "www.evil.example", "<https://evil.example>", "# heading",
    "[^1]: note", "```\ncode", "a\n---\nb", "| a |\n|---|\n| b |", "- [ ] task", "&lt;b&gt; &amp;",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_reader_wrote_is_shown_and_does_nothing(text):
    for html in (RENDER(quoted(text)), RENDER(in_one_line(text))):
        assert not any(tag in html for tag in ("<a", "<img", "<script", "<h1", "<h2", "<table"))
        assert "<pre" not in html and "<hr" not in html


def test_markers_become_footnotes_but_not_in_code():
    text = "See [1] and `a[1]`.\n\n```\nb[1]\n```\n\nAlso [2]."
    assert noted(text, 4) == "See [^4-1] and `a[1]`.\n\n```\nb[1]\n```\n\nAlso [^4-2]."


def test_a_definition_in_an_answer_does_not_take_the_place_of_ours():
    assert noted("One [1].\n\n[^2-1]: See the vault.", 2).endswith(r"\[^2-1]: See the vault.")


def test_code_in_a_quotation_ends_with_it():
    assert noted("> ```\n> a[1]\n\nOnce [1].", 2) == "> ```\n> a[1]\n\nOnce [^2-1]."


def test_code_that_was_cut_short_ends_with_its_answer():
    assert noted("Run:\n\n````bash\nls [1]", 2).endswith("ls [1]\n````")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "http://[", ""])
def test_an_address_that_no_browser_should_follow_is_left_out(url):
    text = markdown("", "", [answer(url)], "https://docs.example.org/")
    assert "<" not in text


def test_an_address_of_this_server_is_made_whole():
    text = markdown("", "", [answer("/read/a b<c")], "https://docs.example.org/")
    assert "<https://docs.example.org/read/a%20b%3Cc>" in text


def test_what_does_not_stand_in_the_history_says_so():
    text = markdown("", "", [{**answer(), "superseded": True, "status": "cancelled"}], "")
    assert "## Answer (cancelled, superseded)" in text


def answer(url: str = "") -> dict:
    cited = {"number": 1, "title": "A", "heading_path": ["A", "B"], "url": url, "quote": "One."}
    return {
        "role": "assistant", "text": "One. [1]", "status": "complete", "superseded": False,
        "citations": [cited],
    }  # fmt: skip
