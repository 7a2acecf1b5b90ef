"""What a stranger may put into a repository: it costs little, and harms nothing."""

import time

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.files import FolderLoader
from ingestion.parsing.decoding import decode
from ingestion.parsing.markdown import parse_markdown
from ingestion.parsing.sites.globs import matches_any
from ingestion.parsing.sites.javascript import UNKNOWN, Script

SITES = {
    "plain": ({}, "docs/a.md"),
    "docusaurus": ({"docusaurus.config.js": "module.exports = {}"}, "docs/a.md"),
    "mkdocs": ({"mkdocs.yml": "site_name: x"}, "docs/a.md"),
    "mdbook": ({"book.toml": "", "src/SUMMARY.md": "[A](a.md)"}, "src/a.md"),
    "hugo": ({"hugo.toml": ""}, "content/a.md"),
}
SECONDS = 10  # on a busy machine; each takes a fraction of that on one that is not


@pytest.fixture
def read(tmp_path):
    """Reads, parses and cuts a page of a site, and says how long it took."""

    def run(kind, text):
        config, key = SITES[kind]
        for name, content in {**config, key: text, "docs/_p.mdx": "x", "x.py": "x"}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        start = time.monotonic()
        raw = FolderLoader(tmp_path).read(key)
        assert raw.site_kind == kind
        decoded, _ = decode(raw.content)
        mdx = raw.media_type == "text/mdx"
        parsed = parse_markdown(decoded, key=key, mdx=mdx, site_kind=kind)
        chunks = chunk_by_section(parsed)
        return parsed, chunks, time.monotonic() - start

    return run


@pytest.mark.parametrize("kind", SITES)
def test_ten_thousand_headings(read, kind):
    parsed, _, seconds = read(kind, "## Again {.wide}\n\ntext\n\n" * 10_000)
    anchors = [section.anchor for section in parsed.sections]
    assert len(set(anchors)) == len(anchors) == 10_000
    assert seconds < SECONDS


@pytest.mark.parametrize("kind", SITES)
@pytest.mark.parametrize(
    "piece",
    [
        "{", "{ .a ", "){.a ", "{{<", "{{< a >}}", "{{</*", "{{< highlight >}}\n", "{{#include ",
        "{{#include a.md}}", '--8<-- "x.py"\n', "{* x.py *}\n", "{! none !}\n", "<A ", "`{.a",
        "import A from './_p.mdx'\n\n<A ", "# x {/* #a", "<!-- #a ", "```rust\n# a\n", ":a-:a-",
        "a {a=", "+++\n", "[TOC]\n",
    ],
)  # fmt: skip
def test_marks_that_never_end(read, kind, piece):
    _, _, seconds = read(kind, piece * (40_000 // len(piece)))
    assert seconds < SECONDS


@pytest.mark.parametrize("kind", SITES)
def test_one_line_of_megabytes(read, kind):
    _, chunks, seconds = read(kind, "word ){.a} :x-y {{< a >}} " * 40_000)
    assert chunks
    assert seconds < 3 * SECONDS


@pytest.mark.parametrize(
    "source",
    [
        "const config = {a: " + "[" * 50_000,
        "const config = {a: " + "!" * 50_000 + "1}",
        "const config = {a: " + "await " * 50_000 + "1}",
        "const config = {a: " + "b ? " * 50_000 + "1}",
        "const config = {url: a}; const a = a",
        "const config = {url: a0};" + "".join(f"const a{n} = [...a{n + 1}, ...a{n + 1}];"
                                              for n in range(60)) + "const a60 = [1];",
        "const config = {url: a0};" + "".join(f"const a{n} = a{n + 1} + a{n + 1};"
                                              for n in range(60)) + "const a60 = 'xx';",
        "({" * 50_000,
        "`" * 100_000,
        "/*" * 100_000,
    ],
)  # fmt: skip
def test_scripts_that_never_end(source):
    start = time.monotonic()
    Script(source).best_object(frozenset(["url", "a"]))
    assert time.monotonic() - start < SECONDS


def test_a_script_is_never_run():
    script = Script("module.exports = {url: (() => 'x')(), title: process.exit(1), baseUrl: '/'}")
    assert script.best_object(frozenset(["url", "title", "baseUrl"])) == {
        "url": UNKNOWN, "title": UNKNOWN, "baseUrl": "/",
    }  # fmt: skip


def test_patterns_that_try_everything():
    start = time.monotonic()
    assert not matches_any("a" * 400 + "/b", ["**/" * 50 + "*a" * 50 + "c", "{a,b}" * 60])
    assert time.monotonic() - start < SECONDS
