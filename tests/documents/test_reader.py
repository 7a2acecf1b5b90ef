"""`/read/…`: the page behind a citation, for documents that are published nowhere else."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command

from documents.models import Chunk, Corpus, Document
from documents.rendering import rendered

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = """# Hostile

<script>alert("script")</script>

## <img src=x onerror=alert(1)>

Raw <b onclick="alert(2)">HTML</b>, ![image](https://evil.example.org/pixel.png), and
[a link](javascript:alert(3)), [another](data:text/html,<script>alert(4)</script>).

<iframe src="https://evil.example.org"></iframe>

[safe](https://docs.example.org/page)

| table |
|---|
| <style>body { display: none }</style> |
"""


class Page(HTMLParser):
    """What a browser would make of it: elements, ids, addresses, text."""

    def __init__(self, response):
        super().__init__()
        self.tags, self.ids, self.hrefs, self.handlers, self.text = set(), [], [], [], ""
        self.feed(response.content.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            elif name == "href" and tag == "a":
                self.hrefs.append(value)
            elif name.startswith("on") or name == "style":
                self.handlers.append(name)

    def handle_data(self, data):
        self.text += data


def ingest(folder, *, public=True):
    call_command("ingest", str(folder), corpus="local", public=public, json=True)


@pytest.fixture
def published(site):
    ingest(site)
    return site


@pytest.fixture
def private(site):
    ingest(site, public=False)
    return site


def test_a_page_shows_its_title_headings_and_text(published, client):
    page = Page(client.get("/read/site/guide/lamp"))
    assert {"h1", "h2"} <= page.tags
    assert "The lamp shines white towards the open sea" in page.text


def test_every_chunk_can_be_reached_by_its_own_address(published, write_pages, client):
    write_pages({
        "twice.md": "# Twice\n\nTop.\n\n## Use\n\nPull.\n\n## Use\n\nPush.\n\n### Deep\n\nIn.\n",
        "long.md": "# Long\n\n## Part\n\n" + "\n\n".join(f"Word {n} " * 60 for n in range(9)),
        "skipped.md": "# Skipped\n\n#### Four\n\nText.\n\n## Two\n\nText.\n",
        "own.md": "# Own\n\n## Named {#my-name}\n\nText.\n",
        "no heading.md": "Only text.\n",
        "ünïcode.md": "# Größe\n\n## Größe\n\nText.\n",
    })  # fmt: skip
    ingest(published)
    assert Chunk.objects.count() > 20
    for chunk in Chunk.objects.select_related("document"):
        response = client.get(chunk.document.url)
        assert response.status_code == 200, chunk.url
        page = Page(response)
        assert not chunk.anchor or page.ids.count(chunk.anchor) == 1, chunk.url


def test_a_heading_above_several_chunks_stands_there_once(published, write_pages, client):
    write_pages({"long.md": "# Long\n\n## Part\n\n" + "\n\n".join(["Many words. " * 60] * 5)})
    ingest(published)
    assert Document.objects.get(key="long.md").chunks.count() > 1
    assert Page(client.get("/read/site/long")).text.count("Part") == 1


@pytest.mark.parametrize("name", ["hostile.md", "hostile.mdx"])
def test_hostile_markdown_can_do_nothing(published, write_pages, client, name):
    write_pages({name: HOSTILE})
    ingest(published)
    page = Page(client.get("/read/site/hostile"))
    assert not page.tags & {"script", "img", "iframe", "style", "b"}
    assert page.handlers == []
    assert [href for href in page.hrefs if not href.startswith(("https://docs.", "/"))] == []
    assert "https://docs.example.org/page" in page.hrefs


def test_a_hostile_title_is_text(published, write_pages, client):
    write_pages({"title.md": "---\ntitle: '</title><script>alert(1)</script>'\n---\n\nText.\n"})
    ingest(published)
    page = Page(client.get("/read/site/title"))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text


def test_links_that_lead_away_do_not_say_where_from(published, write_pages, client):
    write_pages({"link.md": "# Link\n\n[away](https://elsewhere.example.org)\n"})
    ingest(published)
    assert b'rel="noopener noreferrer nofollow"' in client.get("/read/site/link").content


def test_links_between_files_lead_to_their_pages_and_nothing_else_changes(
    published, write_pages, client
):
    write_pages({
        "guide/links.md": "# Links\n\n[lamp](lamp.md#timing), [none](none.md?a=1&b=2), "
        "[top](../index.md '<a href=') and `<a href=\"lamp.md\">`.\n"
    })  # fmt: skip
    ingest(published)
    page = Page(client.get("/read/site/guide/links"))
    wanted = ["/read/site/guide/lamp#timing", "none.md?a=1&b=2", "/read/site/index"]
    assert [href for href in page.hrefs if href in wanted] == wanted
    assert '<a href="lamp.md">' in page.text


def test_a_link_never_leads_to_an_address_that_is_no_page(published, write_pages, client):
    write_pages({"link.md": "# Link\n\n[lamp](guide/lamp.md)\n"})
    ingest(published)
    Document.objects.filter(key="guide/lamp.md").update(url="javascript:alert(1)")
    assert b"javascript" not in client.get("/read/site/link").content


def test_a_page_is_rendered_once_however_often_it_is_read(published, client):
    client.get("/read/site/guide/lamp")
    before = rendered.cache_info()
    client.get("/read/site/guide/lamp")
    after = rendered.cache_info()
    assert (after.misses, after.hits > before.hits) == (before.misses, True)
    assert after.maxsize


def test_no_script_of_others_is_allowed_by_the_page(published, client):
    policy = client.get("/read/site/index").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize(
    "address", ["/read/site/nowhere", "/read/nowhere/index", "/read/site/../x"]
)
def test_what_is_not_there_is_not_found(published, client, address):
    assert client.get(address).status_code == 404


def test_a_page_of_a_private_corpus_looks_like_a_missing_one(private, client):
    answer = client.get("/read/site/index")
    assert answer.status_code == 404
    assert b"Lighthouse" not in answer.content


def test_a_page_of_a_private_corpus_is_shown_to_who_may_view_it(private, client):
    user = User.objects.create_user("curator", is_staff=True)
    client.force_login(user)
    assert client.get("/read/site/index").status_code == 404
    names = ["view_corpus"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    assert client.get("/read/site/index").status_code == 200


def test_a_withdrawn_page_is_not_found(published, client):
    Document.objects.filter(key="index.md").set_status(Document.Status.WITHDRAWN)
    assert client.get("/read/site/index").status_code == 404


def test_a_chunk_that_was_switched_off_is_left_out(published, client):
    Chunk.objects.filter(text__contains="twelve seconds").update(enabled=False)
    page = Page(client.get("/read/site/guide/lamp"))
    assert "twelve seconds" not in page.text
    assert "open sea" in page.text


def test_pages_published_elsewhere_are_not_shown_here(site, client):
    call_command("ingest", str(site), public=True, base_url="https://x.example.org", json=True)
    assert Corpus.objects.get().is_public
    assert client.get("/read/site/index").status_code == 404


def test_a_page_that_is_not_yours_looks_like_none_down_to_its_headers(published, client):
    address = Document.objects.first().url
    Corpus.objects.update(is_public=False)
    foreign, missing = client.get(address), client.get(f"{address}.none")
    assert foreign.status_code == missing.status_code == 404
    differing = {"X-Request-ID"}
    assert {*foreign.headers.items()} ^ {*missing.headers.items()} <= {
        (name, answer[name]) for answer in (foreign, missing) for name in differing
    }
