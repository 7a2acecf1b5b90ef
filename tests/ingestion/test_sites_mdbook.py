"""mdBook: what SUMMARY.md lists, includes, hidden lines, ids."""

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import NotAPage, RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import parse

SUMMARY = """# Summary

[Preface](README.md)

# Part one

- [The `first` one](one/first.md)
  - [Nested [really]](./one/nested%20page.md)
- [A draft]()
<!-- - [Hidden](hidden.md) -->
---
[Thanks](thanks.md)
"""


@pytest.fixture
def book(tmp_path):
    """Writes the files of a book and gives its loader."""

    def write(config="[book]\nlanguage = 'en'\n", /, **files):
        for name, text in {"book.toml": config, "src/SUMMARY.md": SUMMARY, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return FolderLoader(tmp_path)

    return write


def page(text):
    raw = RawDocument("src/a.md", text.encode(), "text/markdown", "/a", site_kind="mdbook")
    return parse(raw)


def expanded(book, text, **files):
    raw = book(**{"src/one/first.md": text, **files}).read("src/one/first.md")
    return raw.content.decode(), raw.about.get("warnings", [])


def test_the_summary_says_what_is_a_page(book):
    loader = book(
        "[output.html]\nsite-url = '/manual/'\n",
        **{
            "src/README.md": "# P",
            "src/one/first.md": "# F",
            "src/one/nested page.md": "# N",
            "src/hidden.md": "# H",
            "src/files/plan.pdf": "%PDF-",
            "README.md": "# repository",
        },
    )
    found = {entry.key: entry for entry in loader.load()}
    pages = {key: raw.url for key, raw in found.items() if isinstance(raw, RawDocument)}
    assert pages == {
        "src/README.md": "/manual/index.html",
        "src/one/first.md": "/manual/one/first.html",
        "src/one/nested page.md": "/manual/one/nested%20page.html",
        "src/files/plan.pdf": "/manual/files/plan.pdf",
    }
    assert found["src/one/first.md"].about == {"title": "The first one"}
    assert "SUMMARY.md does not list it" in str(found["src/hidden.md"])
    assert "SUMMARY.md does not list it" in str(found["src/SUMMARY.md"])
    assert isinstance(found["README.md"], NotAPage)


CODE = "a\n// ANCHOR: part\nb\n// ANCHOR: other\nc\n// ANCHOR_END: part\nd\n"


@pytest.mark.parametrize(
    ("link", "lines"),
    [
        ("{{#include ../../code.rs:1}}", "a"),
        ("{{#include ../../code.rs:1:3}}", "a\n// ANCHOR: part\nb"),
        ("{{#include ../../code.rs:7:}}", "d"),
        ("{{#include ../../code.rs::1}}", "a"),
        ("{{#include ../../code.rs:part}}", "b\nc"),
        ("{{#rustdoc_include ../../code.rs:part}}", "b\nc"),
        ('{{ #include "../../code.rs":7 }}', "d"),
        ("\\{{#include x}}", "{{#include x}}"),
        ("{{#title Another}}", ""),
        ("{{#playground ../../code.rs editable}}", f"```rust\n{CODE}```"),
    ],
)
def test_links_are_replaced(book, link, lines):
    text, warnings = expanded(book, f"```\n{link}\n```\n", **{"code.rs": CODE})
    assert text == f"```\n{lines}\n```\n"
    assert warnings == []


def test_included_lines_stand_as_deep_as_the_link(book):
    text, _ = expanded(book, "- x\n\n  {{#include ../p.md}}\n", **{"src/p.md": "a\nb\n"})
    assert text == "- x\n\n  a\n  b\n"


def test_includes_nest_but_not_in_a_circle(book):
    text, warnings = expanded(
        book,
        "{{#include ../p.md}}\n{{#include ../../../x}}\n",
        **{"src/p.md": "P {{#include q.md}}", "src/q.md": "Q {{#include p.md}}"},
    )
    assert text == "P Q \n\n"
    assert [warning.partition("(")[2] for warning in warnings] == [
        "it includes itself)", "it lies outside of the source)",
    ]  # fmt: skip


def test_lines_that_rust_hides_are_left_out():
    parsed = page(
        "```rust,ignore\n# fn main() {\nlet a = 1;\n#\n#[test]\n# }\n```\n\n```sh\n# x\n```"
    )
    assert [chunk.text for chunk in chunk_by_section(parsed)] == [
        "```rust,ignore\nlet a = 1;\n#[test]\n```\n\n```sh\n# x\n```"
    ]


def test_ids_follow_the_rule_of_mdbook():
    text = (
        "# Über A\n## `--passes`: add\n## a.b_c & d\n## Two\n## Two\n"
        "## Given {#chosen .wide}\n## Classy {.wide}\n"
    )
    assert [(s.heading_path[-1], s.anchor) for s in page(text).sections] == [
        ("Über A", "Über-a"),
        ("--passes: add", "--passes-add"),
        ("a.b_c & d", "ab_c--d"),
        ("Two", "two"),
        ("Two", "two-1"),
        ("Given", "chosen"),
        ("Classy", "classy"),
    ]
