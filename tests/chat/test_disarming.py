"""Markdown of a model that leads nowhere, as readers of Markdown see what comes out."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chat.disarming import Disarmer

# The two ways to read: with raw HTML, with and without tables.
READERS = [
    MarkdownIt("commonmark", {"html": True}),
    MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]),
]
ACTIVE = {"link_open", "image", "html_inline", "html_block"}
BARE = re.compile(r"(?:https?|ftp)://\w|www\.\w", re.IGNORECASE)  # what GitHub's Markdown links


def disarmed(text: str, size: int = 0) -> str:
    disarmer = Disarmer()
    parts = [text[at : at + size] for at in range(0, len(text), size)] if size else [text]
    return "".join(map(disarmer.feed, parts)) + disarmer.finish()


def active_in(markdown: str) -> list[str]:
    """What a reader of Markdown would make more of than text."""
    tokens = [token for reader in READERS for token in reader.parse(markdown)]
    tokens += [inner for token in tokens for inner in token.children or []]
    return [
        f"{token.type}: {token.content}"
        for token in tokens
        if token.type in ACTIVE or (token.type == "text" and BARE.search(token.content))
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("See [the docs](https://evil.example 'x').", "See the docs."),
        ("See [a [nested] one](https://evil.example/(x)).", "See a [nested] one."),
        ("A ![pixel](https://evil.example/?q=1) here.", "A  here."),
        ("[![badge](https://evil.example/b)](https://evil.example) Text", " Text"),
        ("<https://evil.example> <javascript:x>", "`https://evil.example` `javascript:x`"),
        ("At https://evil.example/x, or www.evil.example.",
         "At `https://evil.example/x`, or `www.evil.example`."),
        ("[text][ref]\n\n[ref]: https://evil.example",
         "[text][ref]\n\n[ref] : `https://evil.example`"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("in\u200bvi\u202esi\U000e0041ble", "invisible"),
    ],
)  # fmt: skip
def test_what_would_lead_somewhere_becomes_text(written, shown):
    assert disarmed(written) == shown
    assert active_in(disarmed(written)) == []


@pytest.mark.parametrize(
    "text",
    ["1 < 2, a <- b, x <= y", "**bold** and ~~gone~~ [optional]", "It is `a || b` or `x[0]`.",
     "`<b>https://example.org</b>`", "```html\n<a href='https://example.org'>x</a>\n```\nDone.",
     "1. Do this:\n\n   ```\n   [x](https://example.org)\n\n   <b>\n   ```\n2. Done.",
     "- A\n    - B\n\n      ```\n      <b>\n      ```", "~~~\n[x]: https://example.org\n~~~",
     "| a | b |\n|---|---|\n| `x` | y |", "Hot with ftp, www and http", "\\[x\\] \\<y"],
)  # fmt: skip
def test_code_and_ordinary_text_stay_as_they_are(text):
    assert disarmed(text) == text


@pytest.mark.parametrize("marker", ["a1b", "a1b, c2d", "1", "none"])
def test_a_marker_that_was_made_a_link_is_a_marker_again(marker):
    assert disarmed(f"So [{marker}](https://evil.example).") == f"So [{marker}]."


def test_a_marker_cannot_define_where_its_number_leads():
    """As `[1]: https://…` it would turn every [1] of the answer into a link."""
    assert disarmed("[a1b]: https://evil.example") == "[a1b] : `https://evil.example`"


def test_what_was_taken_out_is_counted():
    disarmer = Disarmer()
    disarmer.feed("[a](x) ![b](y) <b> https://evil.example and [c](z)")
    disarmer.finish()
    assert disarmer.removed == {"links": 2, "images": 1, "tags": 1, "addresses": 1}


def test_half_a_link_is_held_back_and_text_is_not():
    disarmer = Disarmer()
    parts = ["So it is", " [the", " docs](htt", "ps://evil.example", ") are", " good."]
    assert [disarmer.feed(part) for part in parts] == [
        "So it is",
        " ",
        "",
        "",
        "the docs are",
        " good.",
    ]


@pytest.mark.parametrize("opening", ["[", "[x](", "https://", "<a:", "`", "```", "![", "<"])
def test_nothing_is_held_back_for_ever(opening):
    disarmer = Disarmer()
    shown = disarmer.feed(opening + "x" * 5000) + disarmer.feed(" and so on")
    assert len(shown) > 4000


HOSTILE = [
    "- ~~~\n  x\n  ~~~\n  [x](https://evil.example)",
    "> ```\nfoo [x](https://evil.example)",
    "- ```\n[x](https://evil.example)",
    "  ```\n[x](https://evil.example)\n  ```\n",
    "text\n14. foo\n    ```\n    [x](https://evil.example)\n    ```",
    "a\n      ```\n      [x](https://evil.example)\n\n      ```",
    "`a\n- b [x](https://evil.example)`",
    "| a | b |\n|---|---|\n| `a | [x](https://evil.example) ` |",
    "| a | b |\n|---|---|\n| `a | b` https://evil.example | c |",
    "a ` b https://evil.example ` c",
    "\\https://evil.example and a\\\\[x](https://evil.example)",
    "`a`https://evil.example`b`",
    "[a `](https://evil.example) b` c](https://evil.example)",
    "[foo]![a](b)(/evil)",
    "htt[ps://evil.example](x) h![a](b)ttps://evil.example",
    "<[img src=x](y)> <![a](b)img src=x>",
    "<a href=\"`\">[x](https://evil.example)`",
    "[x]\n: https://evil.example\n\n[x]",
    "[x\ny]: https://evil.example\n\n[x\ny]",
    "```a`b\n[x](https://evil.example)\n```",
    "~~~\n[x]\n ~~~~ \n[x](https://evil.example)",
    "```\n    ```\n[x](https://evil.example)\n```\n[y](https://evil.example)",
    "\t```\n\t[x](https://evil.example)",
    "* * *\n    ```\n[x](https://evil.example)",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_trick_with_code_brings_anything_through(text):
    for size in (0, 1, 3):
        assert active_in(disarmed(text, size)) == []


PIECES = st.sampled_from(
    ["[", "]", "(", ")", "!", "<", ">", "`", "``", "```", "~~~", "\n", "\n\n", "\\", "|", ":", " ",
     "   ", "    ", "- ", "1. ", "> ", "\t", "a", "[x](/y)", "![x](/y)", "[r]: /y", "[r]", "\u200b",
     "https://e.org", "www.e.org", "<b>", "<!--", "-->", "<a:b>", "|---|---|", "\n- ", "\n```\n",
     "\n  ```\n", "\n~~~\n", "a1b", "**", "&lt;", "js"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=25))
@example(["- ", "~~~", "\n", "  ", "~~~", "\n", "  [x](/y)"])
def test_whatever_is_written_nothing_active_comes_out(pieces):
    assert active_in(disarmed("".join(pieces))) == []


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=20), st.integers(1, 6))
@example(["\n  ```\n", "\t", "`"], 1)
def test_how_the_text_is_cut_up_changes_nothing(pieces, size):
    text = "".join(pieces)
    assert disarmed(text, size) == disarmed(text)


@given(st.text(max_size=200))
def test_disarming_twice_finds_nothing_more_to_fear(text):
    assert active_in(disarmed(disarmed(text))) == []
