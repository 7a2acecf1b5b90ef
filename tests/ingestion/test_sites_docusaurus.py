"""Docusaurus: configuration, routes, versions, languages, blogs, pages and partials."""

import pytest

from ingestion.loaders.base import NotAPage, RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import parse
from ingestion.parsing.routes import NotPublished
from ingestion.parsing.sites.docusaurus import Collection, DocusaurusSite, find_docusaurus
from ingestion.parsing.sites.folder import Folder

CONFIG = """
const baseUrl = process.env.BASE_URL ?? '/';  // baseUrl: '/wrong/'
const isPreview = !!process.env.CI && process.env.CONTEXT === 'preview';
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
      path: 'docs', versions: {current: {path: 'upcoming'}},
    },
    blog: {path: 'blog', routeBasePath: 'news'},
    pages: false,
  })]],
  themeConfig: {docs: {sidebar: {hideable: true}}},
};
"""
SITE = DocusaurusSite(
    collections=(
        Collection("docs", "docs", "/docs"),
        Collection("docs", "crew", "/people", numbered=False),
        Collection("blog", "blog", "/blog"),
        Collection("pages", "src/pages", "/"),
    ),
    static=("static",),
)


@pytest.fixture
def site(tmp_path):
    """Writes files, the configuration among them, and gives the loader of the whole."""

    def build(config="module.exports = {}", /, files=()):
        (tmp_path / "docusaurus.config.js").write_text(config)
        for name, text in dict(files).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return FolderLoader(tmp_path)

    return build


def read_config(tmp_path, source):
    (tmp_path / "docusaurus.config.js").write_text(source)
    return find_docusaurus(Folder(tmp_path), "")


def text_of(loader, key):
    return loader.read(key).content.decode()


# Configuration


def test_the_configuration_is_read_without_running_it(tmp_path):
    found = read_config(tmp_path, CONFIG)
    assert (found.url, found.base_path) == ("https://docs.example.org", "/")
    assert found.trailing_slash is False  # no environment, no preview
    assert {(one.kind, one.folder, one.base) for one in found.collections} == {
        ("docs", "docs", "/docs/upcoming"),
        ("docs", "community", "/people"),
        ("docs", "api", "/"),
        ("blog", "blog", "/news"),
    }


@pytest.mark.parametrize(
    "source",
    [
        "export default {baseUrl: '/my-site/', trailingSlash: true} satisfies Config;",
        "import x from 'y'; export default f({baseUrl: '/my-site/', trailingSlash: true})",
        "async function f() { return {baseUrl: '/my-site/', trailingSlash: true}; }\n"
        "module.exports = f;",
        "const config: Config = {baseUrl: '/my-site/', trailingSlash: true}\nexport default config",
    ],
)
def test_however_it_is_exported(tmp_path, source):
    found = read_config(tmp_path, source)
    assert found.page("docs/a.md", {}).route == "/my-site/docs/a/"
    assert found.page("blog/a.md", {}).route == "/my-site/blog/a/"


def test_a_plugin_may_be_switched_off(tmp_path):
    found = read_config(tmp_path, "x = {presets: [['classic', {blog: false}]], baseUrl: '/'}")
    with pytest.raises(NotPublished, match="outside the folders"):
        found.page("blog/a.md", {})


def test_globs_of_the_configuration_leave_pages_out(tmp_path):
    found = read_config(
        tmp_path,
        "x = {presets: [['classic', {docs: {exclude: ['**/*.{wip,tmp}.md', 'old/*.md']}}]]}",
    )
    for key in ("docs/a/b.wip.md", "docs/old/c.md"):
        with pytest.raises(NotPublished, match="excluded by the site's configuration"):
            found.page(key, {})
    assert found.page("docs/old/deep/c.md", {}).route == "/docs/old/deep/c"


@pytest.mark.parametrize("url", ["javascript:alert(1)//", "data:text/html,x", "//evil.example.org"])
def test_a_configuration_may_name_web_addresses_only(tmp_path, url):
    assert read_config(tmp_path, f"module.exports = {{url: '{url}'}}").url == ""


# Routes


@pytest.mark.parametrize(
    ("key", "front_matter", "route"),
    [
        ("docs/cli.md", {}, "/docs/cli"),
        ("docs/intro.md", {"slug": "/"}, "/docs/"),
        ("docs/guides/tabs.mdx", {"slug": "/markdown/tabs", "id": "x"}, "/docs/markdown/tabs"),
        ("docs/guides/tabs.mdx", {"slug": "other"}, "/docs/guides/other"),
        ("docs/guides/tabs.mdx", {"slug": "../up"}, "/docs/up"),
        ("docs/guides/tabs.mdx", {"id": "named"}, "/docs/guides/named"),
        ("docs/01-Start/02-first.md", {}, "/docs/Start/first"),
        ("docs/2021-11-notes.md", {}, "/docs/2021-11-notes"),
        ("docs/7.0-release.md", {}, "/docs/7.0-release"),
        ("docs/guides/index.md", {}, "/docs/guides/"),
        ("docs/guides/README.md", {}, "/docs/guides/"),
        ("docs/guides/guides.md", {}, "/docs/guides/"),
        ("docs/api/docusaurus.config.js.md", {}, "/docs/api/docusaurus.config.js"),
        ("crew/5-watches.md", {}, "/people/5-watches"),
        ("blog/2021-08-21-first.md", {}, "/blog/2021/08/21/first"),
        ("blog/2021-08-21-first/index.mdx", {}, "/blog/2021/08/21/first"),
        ("blog/2021/08/21/first.md", {}, "/blog/2021/08/21/first"),
        ("blog/notes/2021-08-21-first.md", {}, "/blog/2021/08/21/notes/first"),
        ("blog/2021-08-21-first.md", {"slug": "chosen"}, "/blog/chosen"),
        ("blog/undated.md", {"date": "2021-08-21"}, "/blog/undated"),
        ("src/pages/visit.mdx", {}, "/visit"),
        ("src/pages/history/index.md", {}, "/history/"),
        ("src/pages/index.md", {}, "/"),
        ("static/files/plan.pdf", {}, "/files/plan.pdf"),
        ("static/old.html", {}, "/old.html"),
    ],
)
def test_routes(key, front_matter, route):
    assert SITE.page(key, front_matter).route == route


@pytest.mark.parametrize(
    ("key", "front_matter", "reason"),
    [
        ("docs/a.md", {"draft": True}, "draft"),
        ("docs/a.md", {"unlisted": True}, "unlisted"),
        ("docs/_partial.mdx", {}, "a partial"),
        ("docs/_partials/a.mdx", {}, "a partial"),
        ("docs/plan.pdf", {}, "only what lies in its static folders"),
        ("_dogfooding/docs/a.md", {}, "outside"),
    ],
)
def test_what_is_not_a_page_says_why(key, front_matter, reason):
    with pytest.raises(NotPublished, match=reason):
        SITE.page(key, front_matter)


@pytest.mark.parametrize(
    ("setting", "routes"),
    [
        ("undefined", ["/my/", "/my/docs/a", "/my/docs/guides/"]),
        ("true", ["/my/", "/my/docs/a/", "/my/docs/guides/"]),
        ("false", ["/my/", "/my/docs/a", "/my/docs/guides"]),
    ],
)
def test_the_slash_at_the_end_is_the_site_s_choice_but_for_its_home(tmp_path, setting, routes):
    found = read_config(tmp_path, f"x = {{baseUrl: '/my/', trailingSlash: {setting}}}")
    keys = ("src/pages/index.md", "docs/a.md", "docs/guides/index.md")
    assert [found.page(key, {}).route for key in keys] == routes


# Versions and languages


def test_the_last_version_has_no_version_in_its_address_and_the_current_one_is_next(site):
    loader = site(files={"versions.json": '["2.0", "1.0"]'})
    pages = {
        key: loader.sites.of(key).page(key, {})
        for key in (
            "docs/a.md", "versioned_docs/version-2.0/a.md", "versioned_docs/version-1.0/a.md",
        )
    }  # fmt: skip
    assert [(page.route, page.about) for page in pages.values()] == [
        ("/docs/next/a", {"version": "Next"}),
        ("/docs/a", {"version": "2.0"}),
        ("/docs/1.0/a", {"version": "1.0"}),
    ]


def test_the_options_of_versions_are_followed(site):
    loader = site(
        """x = {baseUrl: '/', presets: [['classic', {docs: {
            lastVersion: 'current', versions: {current: {label: 'Edge'}, '2.0': {path: 'two'}},
            onlyIncludeVersions: ['current', '2.0'],
        }}]]}""",
        files={"versions.json": '["2.0", "1.0"]'},
    )
    page = loader.sites.of("docs/a.md").page
    assert page("docs/a.md", {}).route == "/docs/a"
    assert page("docs/a.md", {}).about == {"version": "Edge"}
    assert page("versioned_docs/version-2.0/a.md", {}).route == "/docs/two/a"
    with pytest.raises(NotPublished):
        page("versioned_docs/version-1.0/a.md", {})


def test_each_instance_has_versions_of_its_own(site):
    loader = site(
        "x = {presets: [], plugins: [['content-docs', {id: 'sdk', path: 'sdk',"
        " routeBasePath: 'sdk', includeCurrentVersion: false}]]}",
        files={"sdk_versions.json": '["3"]'},
    )
    page = loader.sites.of("sdk/a.md").page
    assert page("sdk_versioned_docs/version-3/a.md", {}).route == "/sdk/a"
    with pytest.raises(NotPublished):
        page("sdk/a.md", {})


def test_translations_lie_below_their_language(site):
    loader = site(
        "x = {baseUrl: '/', i18n: {defaultLocale: 'en', locales: ['en', 'fr']}}",
        files={"versions.json": '["2.0"]'},
    )
    page = loader.sites.of("docs/a.md").page
    plugin = "i18n/fr/docusaurus-plugin-content"
    assert page("docs/a.md", {}).about == {"version": "Next", "language": "en"}
    found = page(f"{plugin}-docs/version-2.0/a.md", {})
    assert (found.route, found.about) == ("/fr/docs/a", {"version": "2.0", "language": "fr"})
    assert page(f"{plugin}-docs/current/a.md", {}).route == "/fr/docs/next/a"
    assert page(f"{plugin}-blog/2021-01-02-a.md", {}).route == "/fr/blog/2021/01/02/a"
    assert page(f"{plugin}-pages/a.md", {}).route == "/fr/a"
    with pytest.raises(NotPublished):
        page("i18n/de/docusaurus-plugin-content-docs/current/a.md", {})


# Partials


def test_a_partial_is_put_where_it_is_used(site):
    loader = site(
        files={
            "docs/a.mdx": "import P from './_part.mdx';\n\n# A\n\n<P name='x' />\n\n## Same\n",
            "docs/_part.mdx": "---\ntitle: no\n---\nimport B from '@site/docs/_b.md';\n\n"
            "## Same\n\nHello {props.name}.\n\n<B/>\n",
            "docs/_b.md": "Deepest.\n",
        }
    )
    parsed = parse(loader.read("docs/a.mdx"))
    assert [(s.anchor, s.heading_path[-1]) for s in parsed.sections] == [
        ("", "A"), ("same", "Same"), ("same", "Same"),
    ]  # fmt: skip
    assert "Deepest." in parsed.text
    assert "title: no" not in parsed.text
    with pytest.raises(NotAPage, match="a partial"):
        loader.read("docs/_part.mdx")


def test_a_partial_in_a_list_stays_in_its_item(site):
    loader = site(
        files={
            "docs/a.mdx": "import P from './_p.mdx'\n\n1. One:\n\n   <P>\n   </P>\n\n2. Two\n",
            "docs/_p.mdx": "Inner\n\n```sh\ncode\n```\n",
        }
    )
    (section,) = parse(loader.read("docs/a.mdx")).sections
    assert [block.kind for block in section.blocks] == ["list"]


def test_code_that_shows_an_import_is_left_as_it_is(site):
    text = "```mdx\nimport P from './_p.mdx';\n\n<P />\n```\n"
    loader = site(files={"docs/a.mdx": text, "docs/_p.mdx": "no"})
    assert text_of(loader, "docs/a.mdx") == text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("./_self.mdx", "it includes itself"),
        ("./_none.mdx", "there is no such file"),
        ("../../outside.md", "it lies outside of the source"),
        ("./_link.mdx", "it lies outside of the source"),
    ],
)
def test_what_cannot_be_included_is_left_out_with_a_warning(site, tmp_path, path, reason):
    text = f"import P from '{path}';\n\nBefore\n\n<P />\n\nAfter\n"
    outside = tmp_path.parent / "outside.md"
    outside.write_text("secret")
    loader = site(files={"docs/a.mdx": text, "docs/_self.mdx": text.replace("Before", "Inside")})
    (tmp_path / "docs" / "_link.mdx").symlink_to(outside)
    raw = loader.read("docs/a.mdx")
    assert b"secret" not in raw.content
    assert reason in raw.about["warnings"][0]


def test_partials_that_multiply_are_cut_off(site):
    files = {
        f"docs/_{n}.mdx": f"import P from './_{n + 1}.mdx';\n\n" + "<P />\n\n" * 30
        for n in range(9)
    }
    files["docs/_9.mdx"] = "Bottom. " * 100
    files["docs/a.mdx"] = files["docs/_0.mdx"]
    raw = site(files=files).read("docs/a.mdx")
    assert len(raw.content) < 2_000_000
    assert "the page would grow too long" in raw.about["warnings"][0]


def test_pages_are_read_as_mdx_unless_they_say_otherwise(site):
    page = "## x{y}z\n\na {b}\n"
    loader = site(files={"docs/a.md": page, "docs/b.md": f"---\nmdx:\n  format: md\n---\n{page}"})
    as_mdx, as_markdown = loader.read("docs/a.md"), loader.read("docs/b.md")
    assert (as_mdx.media_type, as_markdown.media_type) == ("text/mdx", "text/markdown")
    assert [parse(raw).sections[-1].anchor for raw in (as_mdx, as_markdown)] == ["xz", "xyz"]
    detecting = site("x = {markdown: {format: 'detect'}, baseUrl: '/'}")
    assert detecting.read("docs/a.md").media_type == "text/markdown"


def test_an_id_in_a_comment_is_the_anchor():
    page = "## One {/* #first */}\n\na\n\n## Two <!-- #second -->\n\nb\n"
    raw = RawDocument("docs/a.mdx", page.encode(), "text/mdx", "/a", site_kind="docusaurus")
    assert [(s.anchor, s.heading_path[-1]) for s in parse(raw).sections] == [
        ("first", "One"), ("second", "Two"),
    ]  # fmt: skip
