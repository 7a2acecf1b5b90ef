"""Markdown to sections: titles, headings, anchors, front matter."""

import pytest

from ingestion.loaders.base import RawDocument
from ingestion.parsing import ParseError, parse
from ingestion.parsing.frontmatter import read_front_matter
from ingestion.parsing.markdown import parse_markdown, with_explicit_ids
from ingestion.parsing.slugs import github_slug, python_markdown_slug


def paths(text, **options):
    return [section.heading_path for section in parse_markdown(text, **options).sections]


def anchors(text, **options):
    return [section.anchor for section in parse_markdown(text, **options).sections]


def test_the_title_comes_from_front_matter_then_heading_then_file_name():
    assert parse_markdown("---\ntitle: Given\n---\n# Heading\n").title == "Given"
    assert parse_markdown("# Heading\n", key="a/file.md").title == "Heading"
    assert parse_markdown("text", key="guides/02-getting-started.md").title == "Getting started"
    assert parse_markdown("text", key="guides/index.md").title == "Guides"


def test_every_path_begins_with_the_title_which_is_not_repeated():
    assert paths("# Top\n\na\n\n## Part\n\nb\n\n### Detail\n\n## Other\n") == [
        ("Top",),
        ("Top", "Part"),
        ("Top", "Part", "Detail"),
        ("Top", "Other"),
    ]
    assert paths("---\ntitle: Page\n---\n# Top\n\na\n") == [("Page", "Top")]


def test_heading_text_is_plain():
    text = "## A `code`, a [link](x), **strong** &amp; ![picture](p.png) {#id}\n"
    assert paths(text, key="k.md") == [("K", "A code, a link, strong & picture")]
    assert anchors(text) == ["id"]


def test_the_mark_of_a_footnote_is_no_part_of_a_heading():
    text = "## Known[^1]\n\n## Unknown[^2]\n\n[^1]: Note.\n"
    assert anchors(text, site_kind="docusaurus") == ["known", "unknown2"]


def test_setext_headings_and_headings_in_containers_open_sections():
    text = "Top\n===\n\na\n\nPart\n---\n\nb\n\n> ## Quoted\n> c\n\n- ## Listed\n"
    assert [path[-1] for path in paths(text)] == ["Top", "Part", "Quoted", "Listed"]


def test_a_hash_in_code_is_no_heading():
    assert paths("# T\n\n```sh\n# comment\n```\n\n    # indented\n\n<pre>\n# pre\n</pre>\n") == [
        ("T",)
    ]


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("What is safe to swizzle?", "what-is-safe-to-swizzle"),
        ("docusaurus.config.js settings", "docusaurusconfigjs-settings"),
        ("Color mode - dark mode", "color-mode---dark-mode"),
        ("📦 plugin-content-docs", "-plugin-content-docs"),
        ("Fija tu versión de fastapi", "fija-tu-versión-de-fastapi"),
        ("添加自定义响应头", "添加自定义响应头"),
        ("I ♥ unicode", "i--unicode"),
        ("snake_case & x²", "snake_case--x"),
        ("हिन्दी पाठ", "हिन्दी-पाठ"),
        ("<BrowserOnly>", "browseronly"),
    ],
)
def test_github_slugs(heading, slug):
    assert github_slug(heading) == slug


def test_like_headings_get_different_anchors():
    assert anchors("# T\n## A\n## A\n## A-1\n## A\n") == ["t", "a", "a-1", "a-1-1", "a-2"]


def test_mkdocs_slugs_follow_python_markdown():
    assert python_markdown_slug("Fija tu versión: `x`") == "fija-tu-version-x"
    text = "# 注意\n## A\n## A\n## B { #a_2 .wide }\n## A\n"
    assert anchors(text, site_kind="mkdocs") == ["_1", "a", "a_1", "a_2", "a_3"]


def test_explicit_ids_win():
    text = "## One {#first-one}\n## Two { #second }\n## Weird {#a b}\n"
    assert anchors(text, mdx=True, site_kind="docusaurus") == ["first-one", "second", "a b"]


def test_docusaurus_gives_the_main_heading_no_anchor():
    assert anchors("# Top\n\n## Top\n", site_kind="docusaurus") == ["", "top-1"]


def test_attributes_that_hold_no_id_are_no_part_of_a_heading():
    text = "# A {.wide}\n## B {: .wide data-x='1' }\n## C {.wide #sea}\n## {curly}\n"
    assert anchors(text, site_kind="mkdocs") == ["a", "b", "sea", "curly"]
    assert paths(text, site_kind="mkdocs")[1] == ("A", "B")


def test_headings_can_be_made_to_say_their_ids():
    text = "# T\n\n## A\n\n- ### A\n\n## B {#c}\n\nSet\n---\n\n```\n# x\n```\n"
    assert with_explicit_ids(text, mdx=True, site_kind="docusaurus") == (
        "# T\n\n## A {#a}\n\n- ### A {#a-1}\n\n## B {#c}\n\nSet {#set}\n---\n\n```\n# x\n```\n"
    )


def test_tags_in_a_heading_are_not_part_of_it():
    text = "## Using <Badge text='new'/> tabs {#tabs}\n\n## New <b>bold</b> thing\n"
    assert [path[-1] for path in paths(text, mdx=True)] == ["Using tabs", "New bold thing"]
    assert anchors(text, mdx=True) == ["tabs", "new-bold-thing"]


def test_invalid_front_matter_keeps_the_body_and_names_the_line():
    parsed = parse_markdown("---\nslug: /a\ntitle: One: two\n---\n\nBody.\n")
    assert parsed.title == "One: two"
    assert parsed.metadata["slug"] == "/a"
    assert parsed.warnings == ("front matter, line 3: mapping values are not allowed here",)
    assert len(parsed.sections[0].blocks) == 1


def test_yaml_aliases_are_refused():
    parsed = parse_markdown("---\na: &a [x]\nb: [*a, *a]\n---\nBody.\n")
    assert "line 3: aliases are not supported" in parsed.warnings[0]


@pytest.mark.parametrize(
    ("text", "values", "rest"),
    [
        ('+++\ntitle = "A"\n+++\nBody', {"title": "A"}, "Body"),
        ("+++\nbroken =\n+++\nBody", {}, "Body"),
        ('{\n"title": "A\\u0000"\n}\nBody', {"title": "A"}, "Body"),
        ("{\nnot json\n}\nBody", {}, "{\nnot json\n}\nBody"),
        ("+++ no front matter", {}, "+++ no front matter"),
    ],
)
def test_front_matter_may_be_toml_or_json(text, values, rest):
    front_matter = read_front_matter(text)
    assert (front_matter.values, text[front_matter.end :]) == (values, rest)


def test_a_thematic_break_is_not_front_matter():
    parsed = parse_markdown("---\n\nJust prose here.\n\n---\n\nMore.\n")
    assert parsed.metadata == {}
    assert len(parsed.sections[0].blocks) == 4


def test_the_language_is_that_of_the_front_matter():
    assert parse_markdown("---\nlang: ur\n---\nمتن\n").language == "ur"
    assert parse_markdown("text").language is None


@pytest.mark.parametrize("text", ["", "\n\n", "---\ntitle: T\n---\n", "<!-- nothing -->\n"])
def test_an_empty_page_has_no_sections_and_says_so(text):
    parsed = parse_markdown(text)
    assert parsed.sections == ()
    assert parsed.warnings == ("no text",)


def test_the_media_type_picks_the_parser():
    page = RawDocument("a.mdx", b"\xef\xbb\xbf# T\n\n{x} y\n", "text/mdx", "/a")
    assert parse(page).title == "T"
    assert parse(page).markup == ((5, 8),)
    with pytest.raises(ParseError, match="no parser for image/png"):
        parse(RawDocument("a", b"", "image/png", "/a"))


def test_main_headings_of_docusaurus_have_no_anchor():
    page = RawDocument("a.mdx", b"# T\n\nHello\n", "text/mdx", "/a", site_kind="docusaurus")
    assert parse(page).sections[0].anchor == ""
    assert parse(page, site_kind="plain").sections[0].anchor == "t"


def test_what_decoding_changed_is_a_warning():
    page = RawDocument("a.md", b"caf\xe9", "text/markdown", "/a")
    assert parse(page).warnings == ("not UTF-8: read as Windows-1252",)
