"""Hostile files: a clear error or a document, within bounds, and good files beside them as ever."""

import json
import os
import subprocess
import sys

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import LoadError, RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import ParseError, parse
from ingestion.parsing.formats import MEDIA_TYPES
from tests.hostile import archives, pdfs
from tests.hostile.cases import GOOD, GROUPS
from tests.processes import ROOT

SECONDS, MEGABYTES = 30, 1000


@pytest.mark.timeout(900)
@pytest.mark.parametrize("group", GROUPS)
def test_a_hostile_file_harms_nobody(group, tmp_path):
    folder = tmp_path / "a" / "b" / "c"  # where `../../..` would still be seen
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.run", group],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    cases = GROUPS[group]
    assert rows.keys() == {*cases, *GOOD}, done.stderr[-3000:]
    for name, row in rows.items():
        assert row["seconds"] < SECONDS, row
        assert row["megabytes"] < MEGABYTES, row
        assert not row.get("leaked"), row
        if name in GOOD:
            assert row.get("chunks") == 1, row
        elif cases[name].error:
            assert cases[name].error in row.get("error", ""), row
        elif "error" in row:
            assert 5 < len(row["error"]) < 500, row
            assert "its parser failed" not in row["error"], row
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b", "c"]


# Named as one thing, being another


CONTENTS = {
    ".pdf": pdfs.pdf([pdfs.prose("A light above the sea.")]),
    ".docx": archives.docx(),
    ".pptx": archives.pptx(),
    ".md": b"# A\n\nA light above the sea.\n",
    ".html": b"<!doctype html><html><body><p>A light above the sea.</p></body></html>",
    ".ipynb": GOOD["a good notebook"].content(),
    "old office": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
    "workbook": archives.archive({"xl/workbook.xml": "<workbook/>"}),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "photo": b"\xff\xd8\xff\xe0" + bytes(200),
    "program": b"\x7fELF" + bytes(200),
    "gzip": b"\x1f\x8b\x08" + bytes(200),
    "rich text": b"{\\rtf1 A light above the sea.}",
    "zero bytes": bytes(5000),
    "empty": b"",
}
TEXTS = (".md", ".markdown", ".mdx", ".html", ".htm", ".xhtml", ".rst", ".txt")
FITTING = {(suffix, suffix) for suffix in CONTENTS} | {
    (suffix, content)
    for suffix in TEXTS
    for content in (".md", ".html", ".ipynb", "empty")
}  # fmt: skip
COMBINATIONS = [(suffix, content) for suffix in MEDIA_TYPES for content in CONTENTS]


def parsed_as(suffix, content):
    raw = RawDocument(f"file{suffix}", CONTENTS[content], MEDIA_TYPES[suffix], "/file")
    return chunk_by_section(parse(raw))


@pytest.mark.parametrize(("suffix", "content"), COMBINATIONS)
def test_name_and_content_must_agree(suffix, content):
    if (suffix, content) in FITTING:
        assert len(parsed_as(suffix, content)) <= 1
        return
    with pytest.raises(ParseError) as caught:
        parsed_as(suffix, content)
    assert "its parser failed" not in str(caught.value)


def test_there_are_more_than_a_hundred_combinations():
    assert len(COMBINATIONS) > 100


@pytest.mark.parametrize(
    ("suffix", "content", "reason"),
    [
        (".pdf", ".md", "is named .pdf but is not a PDF"),
        (".md", ".pdf", "is named .md but is a PDF"),
        (".docx", ".pdf", "is named .docx but is not a Word document"),
        (".docx", ".pptx", "is named .docx but holds no word/ folder"),
        (".pptx", "old office", "is named .pptx but is an old or encrypted office file"),
        (".html", "photo", "is named .html but is a picture"),
        (".txt", "zero bytes", "not a text file"),
    ],
)
def test_the_reason_says_what_it_is(suffix, content, reason):
    with pytest.raises(ParseError, match=reason):
        parsed_as(suffix, content)


def test_the_declared_type_must_agree_as_well():
    page = RawDocument("https://example.org/paper.pdf", b"<p>Log in</p>", "text/html", "/a")
    with pytest.raises(ParseError, match=r"is named \.pdf but was sent as text/html"):
        parse(page)
    shown = RawDocument("https://example.org/a.md", b"<p>Shown</p>", "text/html", "/a")
    assert chunk_by_section(parse(shown))[0].text == "Shown"
    nameless = RawDocument("https://example.org/paper", CONTENTS[".md"], MEDIA_TYPES[".pdf"], "/a")
    with pytest.raises(ParseError, match="was sent as application/pdf but is not a PDF"):
        parse(nameless)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "good.md").write_text("# A\n\nA light above the sea.\n")
    with (tmp_path / "long.md").open("wb") as file:
        file.truncate(50_000_000)
    outcomes = list(FolderLoader(tmp_path).load())
    assert [type(outcome) for outcome in outcomes] == [RawDocument, LoadError]
    assert "has 50,000,000 bytes, more than the" in str(outcomes[1])
