"""MkDocs: routes, what is left out, snippets, translations beside a site."""

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import parse
from ingestion.parsing.routes import NotPublished
from ingestion.parsing.sites.folder import Folder
from ingestion.parsing.sites.mkdocs import find_mkdocs


def read_config(tmp_path, source):
    (tmp_path / "mkdocs.yml").write_text(source)
    return find_mkdocs(Folder(tmp_path), "")


@pytest.fixture
def expanded(tmp_path):
    """The text of a page with what it includes, and the warnings."""

    def expand(text, config="site_name: x", /, **files):
        (tmp_path / "mkdocs.yml").write_text(config)
        for name, content in {"docs/page.md": text, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        raw = FolderLoader(tmp_path).read("docs/page.md")
        return raw.content.decode(), raw.about.get("warnings", [])

    return expand


@pytest.mark.parametrize(
    ("key", "route"),
    [
        ("docs/tutorial/cors.md", "/tutorial/cors/"),
        ("docs/index.md", "/"),
        ("docs/tutorial/index.md", "/tutorial/"),
        ("docs/tutorial/README.md", "/tutorial/"),
        ("docs/tutorial/readme.md", "/tutorial/readme/"),
        ("docs/img/Plan of it.pdf", "/img/Plan of it.pdf"),
        ("docs/old.html", "/old.html"),
    ],
)
def test_routes(tmp_path, key, route):
    site = read_config(tmp_path, "site_url: https://x.org/es/  # live\nextra: !!python/name:a.b\n")
    assert site.url == "https://x.org/es/"
    assert site.page(key, {}).route == route


def test_routes_without_directory_urls(tmp_path):
    site = read_config(tmp_path, "docs_dir: 'manual'\nuse_directory_urls: false\n")
    assert site.page("manual/a/b.md", {}).route == "/a/b.html"
    assert site.page("manual/README.md", {}).route == "/index.html"


def test_what_is_not_published_says_why(tmp_path):
    site = read_config(
        tmp_path,
        "exclude_docs: |\n  *.secret.md\n  /private/\n  !keep.secret.md\ndraft_docs: drafts/\n",
    )
    for key, reason in {
        "README.md": "outside the folder",
        "docs/a.secret.md": "exclude_docs",
        "docs/private/deep/a.md": "exclude_docs",
        "docs/templates/a.md": "exclude_docs",
        "docs/drafts/a.md": "draft_docs",
    }.items():
        with pytest.raises(NotPublished, match=reason):
            site.page(key, {})
    assert site.page("docs/keep.secret.md", {}).route == "/keep.secret/"


def test_the_navigation_and_the_theme_say_more_of_a_page(tmp_path):
    site = read_config(
        tmp_path,
        "theme: {name: material, language: fr}\n"
        "nav:\n- Home: index.md\n- Guide:\n  - a.md\n  - The B: ./sub/b.md\n",
    )
    assert site.page("docs/sub/b.md", {}).about == {"language": "fr", "title": "The B"}
    assert site.page("docs/a.md", {}).about == {"language": "fr"}


def test_a_configuration_may_inherit_another(tmp_path):
    (tmp_path / "base.yml").write_text("docs_dir: manual\nsite_url: https://x.org/\n")
    site = read_config(tmp_path, "INHERIT: base.yml\nsite_url: https://x.org/es/\n")
    assert (site.docs, site.url) == ("manual", "https://x.org/es/")
    assert read_config(tmp_path, "INHERIT: mkdocs.yml\n").docs == "docs"


@pytest.mark.parametrize(
    "source",
    [
        "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\nsite_url: https://x.org/",
        "site_url: https://x.org/\nbad: !!python/object/apply:os.system ['touch pwned']\n",
        "site_url: https://x.org/\nbroken: [",
        "site_url: https://x.org/\nx: " + "[" * 5_000,
    ],
)
def test_hostile_yaml_is_read_without_harm(tmp_path, source):
    assert read_config(tmp_path, source).url == "https://x.org/"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("url", ["javascript:alert(1)//", "data:text/html,x", "//evil.example.org"])
def test_a_configuration_may_name_web_addresses_only(tmp_path, url):
    assert read_config(tmp_path, f"site_url: {url}\n").url == ""


# Snippets


def test_snippets_are_put_in_place_and_their_marks_left_out(expanded):
    text, warnings = expanded(
        'A\n\n  --8<-- "part.md"\n\n--8<--\npart.md:only\n--8<--\n\n--8<-- "part.md:1:1"\n',
        "markdown_extensions: [{pymdownx.snippets: {base_path: [inc]}}]",
        **{"inc/part.md": "One\n--8<-- [start:only]\nTwo\n--8<-- [end:only]\n"},
    )
    assert text == "A\n\n  One\n  Two\n\nTwo\n\nOne\n"
    assert warnings == []


def test_included_code_becomes_a_listing(expanded):
    text, _ = expanded(
        "{* ../src/a.py hl[1] *}\n\n{* ../src/a.py ln[2:3] *}\n\n"
        "```python\n{!> ../src/a.py!}\n```\n",
        **{"src/a.py": "a = 1\nb = 2\nc = 3\n"},
    )
    assert text == (
        "```py\na = 1\nb = 2\nc = 3\n```\n\n```py\nb = 2\nc = 3\n```\n\n"
        "```python\na = 1\nb = 2\nc = 3\n```\n"
    )


def test_code_with_fences_gets_a_longer_one(expanded):
    text, _ = expanded("{* ../a.md *}", **{"a.md": "```\nx\n```\n"})
    assert text == "````md\n```\nx\n```\n````"


def test_a_snippet_that_includes_itself_or_leads_outside_is_left_out(expanded):
    text, warnings = expanded(
        'A\n--8<-- "round.md"\n{* ../../../etc/passwd *}\n{* /etc/passwd *}\n{!none.md!}\nB\n',
        **{"round.md": 'Round\n--8<-- "round.md"\n'},
    )
    assert text == "A\nRound\nB\n"
    assert [warning.rpartition("(")[2] for warning in warnings] == [
        "it includes itself)", "it lies outside of the source)", "there is no such file)",
        "there is no such file)",
    ]  # fmt: skip


def test_markup_of_its_extensions_is_left_out():
    text = (
        "# T { .big }\n\n[TOC]\n\n## Part {: #one .c }\n\n"
        'A [link](x){ .button target="_blank" } and :material-check: icon.\n{: .note }\n\n'
        '=== "Tab"\n\n    ## In it\n\n    Text {stays} here.\n'
    )
    sections = sections_of(text)
    assert sections == [
        ("T", "t", []),
        ("Part", "one", ["A [link](x) and  icon.\n\nTab"]),
        ("In it", "in-it", ["Text {stays} here."]),
    ]


def sections_of(text):
    raw = RawDocument("docs/a.md", text.encode(), "text/markdown", "/a", site_kind="mkdocs")
    parsed = parse(raw)
    chunks = chunk_by_section(parsed)
    return [
        (s.heading_path[-1], s.anchor, [c.text for c in chunks if c.anchor == s.anchor])
        for s in parsed.sections
    ]


# Languages


@pytest.fixture
def languages(tmp_path):
    """One configuration for several languages, in the manner of FastAPI."""
    config = (
        "site_url: https://x.org/\ntheme: {language: en}\n"
        "extra: {alternate: [{link: /, name: en}, {link: /es/, name: es}, {link: /../}]}\n"
    )
    for name, text in {
        "en/mkdocs.yml": config,
        "en/docs/a.md": "# A",
        "es/docs/a.md": "# A\n\n{* ../../code/a.py *}\n",
        "fr/docs/a.md": "# A",
        "de/mkdocs.yml": "site_url: https://de.x.org/\ntheme: {language: de}\n",
        "de/docs/a.md": "# A",
        "code/a.py": "a = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return FolderLoader(tmp_path)


def test_each_language_folder_is_a_site_of_its_own(languages):
    found = {key[:2]: languages.read(key) for key in languages.paths() if key.endswith("a.md")}
    assert {name: (raw.url, raw.about.get("language")) for name, raw in found.items()} == {
        "en": ("https://x.org/a/", "en"),
        "es": ("https://x.org/es/a/", "es"),
        "de": ("https://de.x.org/a/", "de"),
        "fr": ("fr/docs/a", None),  # which no site publishes
    }
    assert b"a = 1" in found["es"].content
