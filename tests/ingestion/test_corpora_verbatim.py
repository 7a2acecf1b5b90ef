"""Real documentation, when it is at hand: verbatim chunks, no raw MDX, the site's own links."""

import json
import os
import re
from pathlib import Path

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import NotAPage, RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import parse
from ingestion.parsing.base import visible
from ingestion.parsing.formats import MARKDOWN, MDX, media_type_of
from ingestion.parsing.routes import DOCUSAURUS

CORPORA = Path(
    os.environ.get("EVAL_CORPORA")
    or Path(__file__).resolve().parents[3] / "shared" / "eval" / "corpora"
)
needs_corpora = pytest.mark.skipif(
    not CORPORA.is_dir(), reason=f"no evaluation corpora in {CORPORA}; set EVAL_CORPORA"
)

# What no reader of a page may meet: statements, components, fences of admonitions, shortcodes,
# inclusions, front matter, lists of attributes.
RAW_MARKUP = re.compile(
    r"^import .* from|^export |<[A-Z][A-Za-z]*[ />]|</[A-Z]|:::|\{/\*|mdx-code-block"
    r"|\{\* |\{!|8<-|^/// |^(?:!!!|\?\?\?|===) |^\[TOC\]"
    r"|\{\{[<%#]|[>%]\}\}|\{\{#|ANCHOR|^\+\+\+$|^---\n\w+:|\{:? ?[.#][\w-]+",
    re.MULTILINE,
)
CODE = re.compile(
    r"^(?P<lead>[ \t>]*(?:(?:[-*+]|\d+\.)[ \t]+)*)(?P<ticks>`{3,}|~{3,})(?!mdx-code-block)"
    r".*?(?:^[ \t>]*(?P=ticks)`*[ \t]*$|\Z)"
    r"|(?P<run>`+)(?!`)[^\n]+?(?<!`)(?P=run)(?!`)",
    re.MULTILINE | re.DOTALL,
)


FIXTURES = {
    "mkdocs": {
        "mkdocs.yml": "markdown_extensions: [{pymdownx.snippets: {base_path: [i]}}]\n",
        "i/part.md": "Part\n--8<-- [start:x]\nOnly\n--8<-- [end:x]\n",
        "i/code.py": "# code\nx = 1\n",
        "docs/index.md": "---\ntitle: T\n---\n# T {.big}\n\n[TOC]\n\n--8<-- \"part.md\"\n\n"
        "{* ../i/code.py hl[1] *}\n\n{! ../i/none.md !}\n\n!!! note \"Mind\"\n    Body\n\n"
        "=== \"Tab\"\n\n    In it\n\n??? tip\n    More\n\n[a](b){ .button }\n{: #x .y }\n",
    },
    "mdbook": {
        "book.toml": "[book]\n",
        "src/SUMMARY.md": "[One](one.md)\n",
        "src/a.rs": "// ANCHOR: a\nfn a() {}\n// ANCHOR_END: a\n",
        "src/one.md": "# One {.big}\n\n{{#title Other}}\n\n```rust\n# fn main() {\n"
        "{{#include a.rs:a}}\n# }\n```\n\n{{#include none.md}}\n\n{{#playground a.rs}}\n",
    },
    "hugo": {
        "hugo.toml": "baseURL = 'https://x.org/'\n",
        "content/_index.md": "+++\ntitle = 'T'\n+++\n# T {#t .big}\n\n"
        "Text {{< icon name=\"a\" >}}\n{.wide}\n\n{{% alert %}}\nMind\n{{% /alert %}}\n\n"
        "[a]({{< ref \"b\" >}})\n\n"
        "{{< highlight sh >}}\nls # all\n{{< /highlight >}}\n",
    },
}  # fmt: skip


def pages(root):
    """Every document in Markdown, parsed; drafts and partials included."""
    loader = FolderLoader(root)
    for key in loader.paths():
        if media_type_of(key) not in (MARKDOWN, MDX):
            continue
        try:
            raw = loader.read(key)
        except NotAPage:
            site, content = loader.sites.of(key), (loader.root / key).read_bytes()
            media_type = MDX if site.kind == DOCUSAURUS else media_type_of(key)
            raw = RawDocument(key, content, media_type, url="", site_kind=site.kind)
        yield key, parse(raw)


def without_code(text):
    """The same length, so that positions hold: a cut fence is code although it has no ticks."""
    return CODE.sub(lambda match: re.sub(r"\S", ".", match[0]), text)


def check(root):
    """How many chunks there are, and those that hold raw markup; each has to be verbatim."""
    raw, count = [], 0
    for key, parsed in pages(root):
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
    return count, raw


@needs_corpora
@pytest.mark.parametrize("name", ["docusaurus-docs", "fastapi-docs"])
def test_every_chunk_is_verbatim_and_free_of_raw_markup(name):
    count, raw = check(CORPORA / name)
    assert count > 1000
    assert raw == []


def test_the_fixture_site_of_docusaurus_is_free_of_raw_markup():
    count, raw = check(Path(__file__).parents[1] / "campaigns" / "docusaurus_site")
    assert count > 40
    assert raw == []


@pytest.mark.parametrize("kind", sorted(FIXTURES))
def test_a_site_of_every_generator_is_free_of_raw_markup(tmp_path, kind):
    for name, text in FIXTURES[kind].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert {FolderLoader(tmp_path).sites.of(key).kind for key in FIXTURES[kind]} == {kind}
    count, raw = check(tmp_path)
    assert count
    assert raw == []


@needs_corpora
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
