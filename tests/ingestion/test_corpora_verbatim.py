"""Real documentation, when it is at hand: verbatim chunks, no raw MDX, the site's own links."""

import json
import os
import re
from pathlib import Path

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import RawDocument
from ingestion.loaders.files import MEDIA_TYPES, FolderLoader
from ingestion.parsing import parse
from ingestion.parsing.base import visible

CORPORA = Path(
    os.environ.get("EVAL_CORPORA")
    or Path(__file__).resolve().parents[3] / "shared" / "eval" / "corpora"
)
pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason=f"no evaluation corpora in {CORPORA}; set EVAL_CORPORA"
)

RAW_MARKUP = re.compile(
    r"^import .* from|^export |<[A-Z][A-Za-z]*[ />]|</[A-Z]|:::|\{/\*|mdx-code-block"
    r"|\{\* \.\./\.\./|^/// ",
    re.MULTILINE,
)
CODE = re.compile(
    r"^(?P<lead>[ \t>]*(?:(?:[-*+]|\d+\.)[ \t]+)*)(?P<ticks>`{3,}|~{3,})(?!mdx-code-block)"
    r".*?(?:^[ \t>]*(?P=ticks)`*[ \t]*$|\Z)"
    r"|(?P<run>`+)(?!`)[^\n]+?(?<!`)(?P=run)(?!`)",
    re.MULTILINE | re.DOTALL,
)


def pages(name):
    """Every document of the corpus, parsed; drafts and partials included."""
    loader = FolderLoader(CORPORA / name)
    for key in loader.paths():
        content = (loader.root / key).read_bytes()
        raw = RawDocument(key, content, MEDIA_TYPES[Path(key).suffix], url="")
        yield key, parse(raw, site_kind=loader.site.kind)


def without_code(text):
    """The same length, so that positions hold: a cut fence is code although it has no ticks."""
    return CODE.sub(lambda match: re.sub(r"\S", ".", match[0]), text)


@pytest.mark.parametrize("name", ["docusaurus-docs", "fastapi-docs"])
def test_every_chunk_is_verbatim_and_free_of_raw_markup(name):
    raw, count = [], 0
    for key, parsed in pages(name):
        prose = without_code(parsed.text)
        for chunk in chunk_by_section(parsed):
            span = (chunk.char_start, chunk.char_end)
            assert chunk.text == visible(parsed.text, parsed.markup, *span), key
            source = iter(parsed.text[slice(*span)])
            assert all(character in source for character in chunk.text), key
            assert len(chunk.text) <= 1200, key
            count += 1
            if found := RAW_MARKUP.search(visible(prose, parsed.markup, *span)):
                raw.append((key, chunk.line_start, found[0]))
    assert count > 1000
    assert raw == []


def test_the_site_routes_and_anchors_of_the_questions_are_reproduced():
    loader = FolderLoader(CORPORA / "docusaurus-docs")
    questions = CORPORA.parent / "questions" / "docusaurus-docs.jsonl"
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    rows = [row for row in rows if row.get("answer_page")]
    assert rows
    for row in rows:
        raw = loader.read(row["answer_page"])
        parsed = parse(raw)
        heading = row["answer_heading"].replace("`", "")
        anchors = [s.anchor for s in parsed.sections if s.heading_path[-1] == heading]
        assert raw.url == "https://docusaurus.io" + row["answer_route"]
        assert (row["answer_anchor"] or "") in anchors, row["id"]
