"""Addresses of pages, whatever publishes them, and which generator that is."""

import pytest

from ingestion.parsing.routes import NotPublished, located, page_url
from ingestion.parsing.sites import Sites
from ingestion.parsing.sites.folder import Folder
from ingestion.parsing.sites.plain import PlainSite


def kind_of(root):
    return Sites(Folder(root)).of("docs/a.md").kind


def test_page_urls():
    assert page_url("https://x.org/", "/docs/a b") == "https://x.org/docs/a%20b"
    assert page_url("https://x.org/my", "/my/docs/a", "/my/") == "https://x.org/my/docs/a"
    assert page_url("https://x.org/es/", "/tutorial/cors/") == "https://x.org/es/tutorial/cors/"
    assert page_url("", "/docs/@x/plugin") == "/docs/@x/plugin"


def test_places_are_told_from_the_root_of_the_source():
    assert located("website", "../docs") == "docs"
    assert located("", ".") == ""
    assert located("a", "..", "..", "b") == "../b"  # which no Folder reads


@pytest.mark.parametrize(
    ("key", "route"),
    [
        ("docs/01-a.mdx", "docs/01-a"),
        ("notes.rst", "notes"),
        ("manual/report.PDF", "manual/report.PDF"),
        ("book/one.html", "book/one.html"),
        ("notes.txt", "notes.txt"),
    ],
)
def test_in_a_plain_folder_only_what_no_server_shows_loses_its_suffix(key, route):
    assert PlainSite().page(key, {"slug": "/not-read"}).route == route


@pytest.mark.parametrize("word", ["draft", "unlisted"])
def test_a_plain_folder_has_drafts_too(word):
    with pytest.raises(NotPublished, match=f"{word}: true"):
        PlainSite().page("a.md", {word: True})


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("docusaurus.config.ts", "export default {}", "docusaurus"),
        ("mkdocs.yml", "site_name: x", "mkdocs"),
        ("book.toml", "[book]", "mdbook"),
        ("hugo.yaml", "title: x", "hugo"),
        ("config.toml", "baseURL = 'https://x.org/'", "hugo"),
        ("config.toml", "base_url = 'https://x.org/'", "plain"),
        ("README.md", "# x", "plain"),
    ],
)
def test_the_configuration_file_tells_the_generator(tmp_path, name, content, kind):
    (tmp_path / "content").mkdir()
    (tmp_path / name).write_text(content)
    folder = "content" if kind == "hugo" else "src" if kind == "mdbook" else "docs"
    assert Sites(Folder(tmp_path)).of(f"{folder}/a.md").kind == kind


def test_sites_are_found_two_folders_deep_and_may_publish_a_folder_beside_them(tmp_path):
    for path in ("website/docusaurus.config.js", "packages/manual/mkdocs.yml"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("")
    (tmp_path / "website/docusaurus.config.js").write_text(
        "module.exports = {presets: [['classic', {docs: {path: '../docs'}}]]}"
    )
    sites = Sites(Folder(tmp_path))
    assert sites.of("docs/a.md").kind == sites.of("website/blog/a.md").kind == "docusaurus"
    assert sites.of("packages/manual/docs/a.md").kind == "mkdocs"
    assert sites.of("README.md").kind == "plain"
    assert sites.only is None


def test_a_configuration_that_is_no_text_means_the_defaults(tmp_path):
    (tmp_path / "mkdocs.yml").write_bytes(b"site_name: \xff\xfe\x00\x01\x02\x03" + bytes(100))
    assert kind_of(tmp_path) == "mkdocs"
    (tmp_path / "docusaurus.config.js").symlink_to("/dev/zero")
    assert kind_of(tmp_path) == "mkdocs"
