"""File to page: Docusaurus, MkDocs and plain folders."""

import pytest

from ingestion.parsing.routes import (
    DocsFolder,
    Site,
    duplicates,
    page_url,
    read_docusaurus_config,
    read_mkdocs_config,
    recognise,
)

CONFIG = """
const baseUrl = process.env.BASE_URL ?? '/';  // baseUrl: '/wrong/'
const config = {
  url: 'https://docs.example.org',
  baseUrl,
  trailingSlash: isPreview,
  plugins: [
    ['content-docs', /** @type {x} */ ({
      id: 'community', path: 'community', routeBasePath: 'people',
      editUrl: ({docPath}) => { return `https://x/${docPath}`; },
    })],
    ['@docusaurus/plugin-content-docs', {sidebar: {path: 'no'}, path: './api', routeBasePath: '/'}],
  ],
  presets: [['classic', ({
    docs: {
      // routeBasePath: '/',
      path: 'docs', versions: {current: {path: 'next'}},
    },
    blog: {path: 'blog', routeBasePath: 'news'},
  })]],
  themeConfig: {docs: {sidebar: {hideable: true}}},
};
"""
SITE = Site(kind="docusaurus", folders=(DocsFolder(), DocsFolder("community", "people")))


def test_a_docusaurus_config_is_read_without_running_it():
    site = read_docusaurus_config(CONFIG)
    assert (site.url, site.base_path, site.trailing_slash) == (
        "https://docs.example.org",
        "/",
        None,
    )
    assert set(site.folders) == {
        DocsFolder("docs", "docs"),
        DocsFolder("community", "people"),
        DocsFolder("api", "/"),
    }


def test_a_bare_docusaurus_config_means_the_defaults():
    site = read_docusaurus_config("module.exports = {baseUrl: '/my-site/', trailingSlash: true}")
    assert site.folders == (DocsFolder("docs", "docs"),)
    assert site.route("docs/a.md") == "/my-site/docs/a/"


@pytest.mark.parametrize(
    ("key", "front_matter", "route"),
    [
        ("docs/cli.md", {}, "/docs/cli"),
        ("docs/intro.md", {"slug": "/"}, "/docs"),
        ("docs/guides/tabs.mdx", {"slug": "/markdown/tabs", "id": "x"}, "/docs/markdown/tabs"),
        ("docs/guides/tabs.mdx", {"slug": "other"}, "/docs/guides/other"),
        ("docs/guides/tabs.mdx", {"slug": "../up"}, "/docs/up"),
        ("docs/guides/tabs.mdx", {"id": "named"}, "/docs/guides/named"),
        ("docs/01-Start/02-first.md", {}, "/docs/Start/first"),
        ("docs/2021-11-notes.md", {}, "/docs/2021-11-notes"),
        ("docs/7.0-release.md", {}, "/docs/7.0-release"),
        ("docs/guides/index.md", {}, "/docs/guides"),
        ("docs/guides/README.md", {}, "/docs/guides"),
        ("docs/guides/guides.md", {}, "/docs/guides"),
        ("docs/api/docusaurus.config.js.md", {}, "/docs/api/docusaurus.config.js"),
        ("community/5-release-process.md", {}, "/people/release-process"),
    ],
)
def test_docusaurus_routes(key, front_matter, route):
    assert SITE.route(key, front_matter) == route


@pytest.mark.parametrize(
    ("key", "front_matter", "reason"),
    [
        ("docs/a.md", {"draft": True}, "draft"),
        ("docs/a.md", {"unlisted": True}, "unlisted"),
        ("docs/_partial.mdx", {}, "partial"),
        ("docs/_partials/a.mdx", {}, "partial"),
        ("_dogfooding/docs/a.md", {}, "outside"),
    ],
)
def test_what_is_not_a_page_says_why(key, front_matter, reason):
    assert SITE.route(key, front_matter) is None
    assert reason in SITE.why_skipped(key, front_matter)


def test_mkdocs_routes():
    site = read_mkdocs_config("site_url: https://x.org/es/  # live\nextra: !!python/name:a.b\n")
    assert site.url == "https://x.org/es/"
    assert site.route("docs/tutorial/cors.md") == "/tutorial/cors/"
    assert site.route("docs/index.md") == "/"
    assert site.route("docs/tutorial/index.md") == "/tutorial/"
    assert site.route("README.md") is None


def test_mkdocs_without_directory_urls():
    site = read_mkdocs_config("docs_dir: 'manual'\nuse_directory_urls: false\n")
    assert site.route("manual/a/b.md") == "/a/b.html"
    assert site.route("manual/index.md") == "/index.html"


def test_a_folder_without_configuration_is_plain(tmp_path):
    (tmp_path / "docs").mkdir()
    assert recognise(tmp_path).kind == "plain"
    assert recognise(tmp_path).route("docs/01-a.mdx", {"slug": "/b"}) == "docs/01-a"


def test_the_configuration_file_decides_the_kind(tmp_path):
    (tmp_path / "mkdocs.yml").write_text("site_name: x\n")
    assert recognise(tmp_path).kind == "mkdocs"
    (tmp_path / "docusaurus.config.ts").write_text("export default {}")
    assert recognise(tmp_path).kind == "docusaurus"


def test_page_urls():
    assert page_url("https://x.org/", "/docs/a b") == "https://x.org/docs/a%20b"
    assert page_url("https://x.org/my", "/my/docs/a", "/my/") == "https://x.org/my/docs/a"
    assert page_url("https://x.org/es/", "/tutorial/cors/") == "https://x.org/es/tutorial/cors/"
    assert page_url("", "/docs/@x/plugin") == "/docs/@x/plugin"


def test_two_pages_with_one_route_are_found():
    routes = {"a.md": "/a", "a/index.md": "/a/", "b.md": "/b"}
    assert duplicates(routes) == {"/a": ["a.md", "a/index.md"]}


@pytest.mark.parametrize("url", ["javascript:alert(1)//", "data:text/html,x", "//evil.example.org"])
def test_a_configuration_may_name_web_addresses_only(url):
    assert read_docusaurus_config(f"module.exports = {{url: '{url}'}}").url == ""
    assert read_mkdocs_config(f"site_url: {url}\n").url == ""
