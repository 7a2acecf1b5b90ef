"""Plain text to sections."""

from ingestion.chunking import chunk_by_section
from ingestion.parsing.plain import parse_plain

TEXT = """Notes on kites
==============

First line,
  second line   kept as it is.

Wind
----

Needs wind.

A table of  values
------------------

Name  Size
----------
"""


def test_paragraphs_stay_as_they_are_typed():
    parsed = parse_plain("one\n  two\n\n\n\tthree\n", key="k.txt")
    blocks = parsed.sections[0].blocks
    assert [parsed.text[b.start : b.end] for b in blocks] == ["one\n  two", "\tthree"]


def test_only_underlined_lines_are_headings():
    parsed = parse_plain(TEXT, key="k.txt")
    assert parsed.title == "Notes on kites"
    assert [(s.heading_path, s.anchor) for s in parsed.sections] == [
        (("Notes on kites",), "notes-on-kites"),
        (("Notes on kites", "Wind"), "wind"),
    ]
    assert "A table of  values\n---" in chunk_by_section(parsed)[-1].text


def test_the_title_is_the_file_name_without_headings():
    assert parse_plain("text", key="a/release-notes.txt").title == "Release notes"


def test_an_empty_file_says_so():
    assert parse_plain(" \n\n", key="k.txt", warnings=("given",)).warnings == ("given", "no text")


def test_one_line_of_twenty_million_characters():
    parsed = parse_plain("word " * 4_000_000, key="k.txt")
    assert len(parsed.sections[0].blocks) == 1
    for blank in ("\n", " ", "\t", " \n"):
        assert parse_plain(blank * 1_000_000, key="k.txt").warnings == ("no text",)
