"""Hugo: sections, bundles, languages, permalinks, shortcodes, ids (held against Hugo 0.168)."""

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import parse
from ingestion.parsing.routes import NotPublished
from ingestion.parsing.sites.folder import Folder
from ingestion.parsing.sites.hugo import find_hugo

CONFIG = """
baseURL = "https://x.org/sub/"
[permalinks]
posts = "/:year/:month/:slug/"
[languages.en]
[languages.fr]
[languages.pt]
contentDir = "content.pt"
[languages.de]
disabled = true
"""


@pytest.fixture
def site(tmp_path):
    def build(config=CONFIG, name="hugo.toml"):
        (tmp_path / "content/posts/bundle").mkdir(parents=True, exist_ok=True)
        (tmp_path / "content/guide/leaf").mkdir(parents=True, exist_ok=True)
        (tmp_path / "content/guide/leaf/index.md").touch()
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(config)
        return find_hugo(Folder(tmp_path), "")

    return build


def page(text):
    raw = RawDocument("content/a.md", text.encode(), "text/markdown", "/a", site_kind="hugo")
    return parse(raw)


def chunks(text):
    return [chunk.text for chunk in chunk_by_section(page(text))]


@pytest.mark.parametrize(
    ("key", "front_matter", "route"),
    [
        ("content/_index.md", {}, "/sub/"),
        ("content/about.md", {}, "/sub/about/"),
        ("content/Guide/_index.md", {}, "/sub/guide/"),
        ("content/Guide/With Space/What? (x) & y,z.md", {}, "/sub/guide/with-space/what-x--yz/"),
        ("content/guide/a.b.md", {}, "/sub/guide/a.b/"),
        ("content/guide/c++.md", {}, "/sub/guide/c++/"),
        ("content/guide/Ünïcode.md", {}, "/sub/guide/ünïcode/"),
        ("content/guide/leaf/index.md", {}, "/sub/guide/leaf/"),
        ("content/guide/leaf/Data Sheet.pdf", {}, "/sub/guide/leaf/Data Sheet.pdf"),
        ("content/guide/s.md", {"slug": "My Slug"}, "/sub/guide/my-slug/"),
        ("content/guide/u.md", {"url": "/abs/here/"}, "/sub/abs/here/"),
        ("content/guide/u.md", {"URL": "rel/here.html"}, "/sub/rel/here.html"),
        ("content/guide/u.fr.md", {"url": "/abs/"}, "/sub/abs/"),
        ("content/guide/u.fr.md", {"url": "rel"}, "/sub/fr/rel/"),
        ("content/guide/s.fr.md", {}, "/sub/fr/guide/s/"),
        ("content.pt/guide/s.md", {}, "/sub/pt/guide/s/"),
        ("content/posts/a.md", {"title": "My Title: x", "date": "2023-04-05"},
         "/sub/2023/04/my-title-x/"),
        ("content/posts/a.md", {"title": "No date"}, "/sub/posts/a/"),
        ("static/Plan of it.pdf", {}, "/sub/Plan of it.pdf"),
    ],
)  # fmt: skip
def test_routes(site, key, front_matter, route):
    assert site().page(key, front_matter).route == route


def test_ugly_urls(site):
    found = site('uglyURLs = true\nbaseURL = "https://x.org/"')
    assert found.page("content/guide/a.md", {}).route == "/guide/a.html"
    assert found.page("content/guide/_index.md", {}).route == "/guide/"


@pytest.mark.parametrize(
    ("key", "front_matter", "reason"),
    [
        ("content/a.md", {"draft": True}, "draft"),
        ("content/a.md", {"headless": True}, "headless"),
        ("content/a.md", {"build": {"render": "never"}}, "not rendered"),
        ("content/guide/leaf/other.md", {}, "belongs to the page"),
        ("content/a.de.md", {}, "does not publish the language de"),
        ("README.md", {}, "outside the folders"),
    ],
)
def test_what_is_not_published_says_why(site, key, front_matter, reason):
    with pytest.raises(NotPublished, match=reason):
        site().page(key, front_matter)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("hugo.yaml", "baseURL: https://x.org/\ncontentDir: texts\n"),
        ("hugo.json", '{"baseurl": "https://x.org/", "contentDir": "texts"}'),
        ("config/_default/hugo.toml", 'baseURL = "https://x.org/"\ncontentDir = "texts"'),
        ("config.toml", 'baseURL = "https://x.org/"\ncontentdir = "texts"'),
    ],
)
def test_the_configuration_has_many_names(site, name, config):
    found = site(config, name)
    assert (found.url, found.page("texts/a.md", {}).route) == ("https://x.org", "/a/")


def test_a_document_knows_its_language(site):
    assert site().page("content/a.fr.md", {}).about == {"language": "fr"}
    assert site('baseURL = "https://x.org/"').page("content/a.md", {}).about == {}


@pytest.mark.parametrize(
    "front_matter",
    ['+++\ntitle = "T"\nslug = "s"\n+++\n', '{\n"title": "T", "slug": "s"\n}\n',
     "---\ntitle: T\nslug: s\n---\n"],
)  # fmt: skip
def test_front_matter_in_three_languages(site, tmp_path, front_matter):
    site()
    (tmp_path / "content/guide/a.md").write_text(front_matter + "\nBody.\n")
    raw = FolderLoader(tmp_path).read("content/guide/a.md")
    assert raw.url == "https://x.org/sub/guide/s/"
    assert parse(raw).title == "T"
    assert [chunk.text for chunk in chunk_by_section(parse(raw))] == ["Body."]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('A {{< icon name="x > y" >}} b', "A  b"),
        ("{{% alert title='x' %}}\nMind **this**.\n{{% /alert %}}", "Mind **this**."),
        ("{{< tabs >}}{{< tab >}}Inner{{< /tab >}}{{< /tabs >}}", "Inner"),
        ('See [that]({{< ref "page.md#a" >}}).', "See [that]()."),
        ("Shown: `{{</* tabs */>}}`", "Shown: `{{< tabs >}}`"),
        ("```go\nx := {{< v >}}1\n```", "```go\nx := 1\n```"),
        ("Text\n{.wide #a}", "Text"),
        ("{{< figure\n  src='a'\n  alt='b' >}}\n\nText", "Text"),
    ],
)
def test_shortcodes_go_and_what_they_hold_stays(text, left):
    assert chunks(text) == [left]


def test_a_highlighted_listing_is_code():
    listing = "# no heading\n\n    {{ .x }} <b>"
    text = '{{< highlight go "linenos=table" >}}\n' + listing + "\n{{< /highlight >}}\n\nText"
    parsed = page(text)
    assert [block.kind for section in parsed.sections for block in section.blocks] == [
        "code", "paragraph",
    ]  # fmt: skip
    assert chunks(text) == [f"{listing}\n\nText"]


def test_ids_follow_the_rule_of_hugo():
    text = (
        "# Home *bold* [link](u) `code` X_y\n## A & B — c's\n## A & B — c's\n"
        "## Explicit {#ex .cls}\n## ex\n## 🎉\n## dup-1\n## dup\n## dup\n\n"
        "Setext head\ntwo lines\n===\n"
    )
    assert [section.anchor for section in page(text).sections] == [
        "home-bold-link-code-x_y", "a--b--cs", "a--b--cs-1", "ex", "ex-1", "heading",
        "dup-1", "dup", "dup-2", "two-lines",
    ]  # fmt: skip
