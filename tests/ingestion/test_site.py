"""A web site, read from link to link: what is a page of it, what has changed, where it ends."""

import time

import pytest

from documents.stopping import HandedBack, stopping
from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.loaders.site import SiteLoader
from tests.standins.base import NO_REPLY, Reply
from tests.websites import Website, body, canonical, growing_at_most, page, redirect


def loader(site, start="/", memory=None, **options):
    return SiteLoader(
        site.url + start, fetcher=site.fetcher(), options={"mode": "crawl", **options},
        memory=memory,
    )  # fmt: skip


def walked(loader):
    """Path to RawDocument, or to the error in its place."""
    found = {}
    for entry in loader.load():
        found[entry.key.removeprefix(loader.scope.origins[0])] = entry
    return found


def memories(found):
    return {raw.key: raw.memory for raw in found.values() if isinstance(raw, RawDocument)}


def test_links_are_followed_breadth_first():
    pages = {"/": page("/a", "/b"), "/a": page("/c"), "/b": page("/"), "/c": page()}
    with Website(pages) as site:
        found = walked(loader(site))
    assert list(found) == ["/", "/a", "/b", "/c"]
    assert found["/c"].url == found["/c"].key == f"{site.url}/c"
    assert found["/c"].media_type == "text/html"
    assert found["/c"].content == page().encode()
    assert site.asked_for() == ["/", "/a", "/b", "/c"]


def test_all_keys_may_be_listed_before_the_first_is_read():
    with Website({"/": page("/a"), "/a": page()}) as site:
        walk = loader(site)
        assert len(list(walk.paths())) == 2
        found = walked(walk)
    assert found["/a"].content == page().encode()
    assert site.asked_for() == ["/", "/a"]  # each once


def test_a_single_page_can_be_read_again_by_its_key():
    with Website({"/a": page()}) as site:
        assert loader(site).read(f"{site.url}/a").content == page().encode()
        with pytest.raises(NotAPage):
            loader(site).read(f"{site.url}/gone")


def test_only_the_folder_of_the_start_page_is_read():
    pages = {
        "/docs/intro": page("/docs/more", "/blog", "http://elsewhere.test/docs/x"),
        "/docs/more": page(), "/blog": page(),
    }  # fmt: skip
    with Website(pages) as site:
        assert list(walked(loader(site, "/docs/intro"))) == ["/docs/intro", "/docs/more"]


def test_patterns_say_what_is_wanted():
    pages = {"/": page("/en/a", "/en/old/b", "/de/a"), "/en/a": page(), "/de/a": page()}
    with Website(pages) as site:
        found = walked(loader(site, include=["en/*"], exclude=["*/old/*"]))
    assert list(found) == ["/en/a"]  # the start page was read for its links


def test_pictures_scripts_and_archives_are_not_even_asked_for():
    with Website({"/": page("/a.png", "/b.js", "/c.zip", "/d.tar.gz", "mailto:x@y.z")}) as site:
        assert list(walked(loader(site))) == ["/"]
    assert site.asked_for() == ["/"]


def test_an_address_without_suffix_may_turn_out_to_be_a_picture():
    pages = {"/": page("/logo"), "/logo": body(b"\x89PNG", "image/png")}
    with Website(pages) as site:
        assert list(walked(loader(site))) == ["/"]


@pytest.mark.parametrize(
    ("path", "content_type", "media_type"),
    [
        ("/a.pdf", "application/pdf", "application/pdf"),
        ("/a.pdf", "application/octet-stream", "application/pdf"),
        ("/a.md", "text/plain; charset=utf-8", "text/markdown"),
        ("/a.md", "text/html", "text/html"),  # a page about the file, as GitHub shows it
        ("/a.ipynb", "application/json", "application/x-ipynb+json"),
        ("/licence", "text/plain", "text/plain"),
        ("/a", "application/xhtml+xml", "text/html"),
    ],
)
def test_other_formats_are_documents_too(path, content_type, media_type):
    with Website({"/": page(path), path: body(b"content", content_type)}) as site:
        assert walked(loader(site))[path].media_type == media_type


def test_one_page_under_several_addresses_is_read_once():
    pages = {
        "/": page("/a/", "/a", "/a/index.html", "/a#part", "/a?utm_source=x", "/./b/../a/"),
        "/a/": page(),
    }
    with Website(pages) as site:
        assert list(walked(loader(site))) == ["/", "/a/"]
    assert site.asked_for() == ["/", "/a/"]


def test_the_server_decides_on_the_slash_at_the_end():
    pages = {"/": page("/a"), "/a": redirect("/a/"), "/a/": page(head=canonical("/a"))}
    with Website(pages) as site:
        found = walked(loader(site))
    assert list(found) == ["/", "/a/"]
    assert isinstance(found["/a/"], RawDocument)


def test_a_page_that_names_another_as_its_own_is_left_out():
    pages = {
        "/": page("/print"), "/print": page(head=canonical("/real")), "/real": page(),
    }  # fmt: skip
    with Website(pages) as site:
        known = {f"{site.url}/print": {}}
        found = walked(loader(site, memory=known))
        assert list(walked(loader(site))) == ["/", "/real"]
    assert isinstance(found["/print"], NotAPage)
    assert f"its own address is {site.url}/real" in str(found["/print"])
    assert isinstance(found["/real"], RawDocument)


def test_the_copy_of_a_site_may_name_the_original_as_its_own():
    pages = {
        "/": page("/a", head=canonical("https://docs.example.org/manual/")),
        "/a": page(head=canonical("https://docs.example.org/manual/a")),
    }
    with Website(pages) as site:
        assert [type(raw) for raw in walked(loader(site)).values()] == [RawDocument] * 2


def test_redirects_are_followed_inside_the_site_only():
    pages = {
        "/": page("/moved", "/out"), "/moved": redirect("/new"), "/new": page(),
        "/out": redirect("http://127.0.0.1:9/secret", 302),
    }  # fmt: skip
    with Website(pages) as site:
        assert list(walked(loader(site))) == ["/", "/new"]


def test_a_page_that_asks_not_to_be_indexed_still_says_where_it_leads():
    noindex = '<meta name="robots" content="noindex">'
    pages = {
        "/": page("/list", "/quiet"), "/list": page("/a", head=noindex), "/a": page(),
        "/quiet": body(page().encode(), "text/html", x_robots_tag="noindex"),
    }  # fmt: skip
    with Website(pages) as site:
        assert list(walked(loader(site))) == ["/", "/a"]


def test_nofollow_is_respected():
    nofollow = '<meta name="robots" content="nofollow">'
    with Website({"/": page("/a"), "/a": page("/b", head=nofollow), "/b": page()}) as site:
        assert list(walked(loader(site))) == ["/", "/a"]


# --- robots.txt ---


ROBOTS = b"User-agent: *\nDisallow: /private/\nCrawl-delay: 0.2\n"


def test_robots_txt_is_respected():
    pages = {
        "/robots.txt": body(ROBOTS, "text/plain"), "/": page("/private/a", "/b"),
        "/private/a": page(), "/b": page(),
    }  # fmt: skip
    with Website(pages) as site:
        started = time.monotonic()
        assert list(walked(loader(site))) == ["/", "/b"]
    assert site.asked_for() == ["/", "/b"]
    assert time.monotonic() - started > 0.2


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_without_robots_txt_nothing_is_forbidden(status):
    with Website({"/robots.txt": Reply(status), "/": page()}) as site:
        assert list(walked(loader(site))) == ["/"]


@pytest.mark.parametrize("reply", [Reply(500), Reply(503), Reply(429), NO_REPLY])
def test_while_robots_txt_cannot_be_read_nothing_is(reply):
    expected = pytest.raises(LoadError, match=r"robots.txt .* cannot be read")
    with Website({"/robots.txt": reply, "/": page()}) as site, expected as error:
        list(loader(site).paths())
    assert error.value.retryable
    assert site.asked_for() == []


def test_a_start_page_that_robots_txt_forbids_is_an_error():
    pages = {"/robots.txt": body(ROBOTS, "text/plain"), "/private/": page()}
    with Website(pages) as site, pytest.raises(LoadError, match=r"robots.txt .* does not allow"):
        list(loader(site, "/private/").paths())


# --- What has changed ---


def test_an_unchanged_page_is_not_sent_again_and_still_says_where_it_leads():
    pages = {"/": page("/a"), "/a": page("/b"), "/b": page()}
    with Website(pages) as site:
        first = walked(loader(site))
        site.pages["/b"] = page(text="Something new.")
        second = walked(loader(site, memory=memories(first)))
        assert second["/a"].fetch().content == first["/a"].content
    assert list(second) == ["/", "/a", "/b"]
    assert second["/a"].content == b""
    assert second["/a"].content_hash == first["/a"].content_hash
    assert second["/a"].media_type == "text/html"
    assert second["/a"].memory == first["/a"].memory
    assert b"Something new." in second["/b"].content


def test_the_known_form_of_an_address_keeps_its_key():
    with Website({"/": page("/a"), "/a": page(), "/a/": page()}) as site:
        known = {f"{site.url}/a/": {}}
        assert list(walked(loader(site, memory=known))) == ["/", "/a/"]


def test_what_is_remembered_of_a_page_is_small():
    links = [f"/page-{number}" for number in range(400)]
    with Website({"/": page(*links), "/page-1": page("/", "/page-2")}) as site:
        found = walked(loader(site, max_pages=3))
    assert found["/"].memory == {}  # fetched whole the next time
    assert found["/page-1"].memory["links"] == ["/", "/page-2"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_known_page_that_is_gone_is_told_as_no_page(status):
    with Website({"/": page("/a"), "/a": Reply(status)}) as site:
        found = walked(loader(site, memory={f"{site.url}/a": {}}))
    assert isinstance(found["/a"], NotAPage)
    assert f"answers {status}" in str(found["/a"])


@pytest.mark.parametrize("reply", [Reply(500), Reply(429), NO_REPLY])
def test_a_page_that_fails_is_still_there_and_so_is_what_it_leads_to(reply):
    pages = {"/": page("/a"), "/a": page("/b"), "/b": page()}
    with Website(pages) as site:
        memory = memories(walked(loader(site)))
        site.pages["/a"] = reply
        walk = loader(site, memory=memory)
        found = walked(walk)
    assert not isinstance(found["/a"], NotAPage)
    assert found["/a"].retryable
    assert isinstance(found["/b"], RawDocument)
    assert walk.complete


def test_when_it_is_not_known_where_a_failed_page_leads_nothing_counts_as_removed():
    with Website({"/": page("/a"), "/a": Reply(503)}) as site:
        walk = loader(site)
        list(walk.load())
    assert not walk.complete
    assert "/a" in walk.warnings[0]


@pytest.mark.parametrize(
    ("reply", "retryable"), [(Reply(404), False), (Reply(500), True), (NO_REPLY, True)]
)
def test_without_its_start_page_nothing_is_said_of_a_site(reply, retryable):
    with Website({"/": reply}) as site:
        walk = loader(site)
        for _time in range(2):  # and the second time it is not taken for an empty one
            with pytest.raises(LoadError) as error:
                list(walk.paths())
    assert error.value.retryable is retryable


def test_a_busy_server_gets_the_pause_it_asks_for():
    busy = Reply(429, {"retry-after": "1"})
    with Website({"/": page("/a", "/b"), "/a": busy, "/b": page()}) as site:
        list(loader(site).load())
        [a], [b] = site.requests_to("/a"), site.requests_to("/b")
    assert b.arrived_at - a.arrived_at >= 1.0


def test_nobody_sits_out_that_pause_in_a_process_that_is_to_end():
    busy = Reply(429, {"retry-after": "30"})
    with Website({"/": page("/a", "/b"), "/a": busy, "/b": page()}) as site:
        walk = iter(loader(site).load())
        assert not isinstance(next(walk), LoadError)
        assert isinstance(next(walk), LoadError)
        stopping.set()
        try:
            with pytest.raises(HandedBack):
                list(walk)
        finally:
            stopping.clear()
    assert site.asked_for() == ["/", "/a"]


def test_a_page_in_an_old_encoding_reaches_us_as_utf_8():
    with Website(
        {"/": body(page(text="日本").encode("shift_jis"), "text/html; charset=Shift_JIS")}
    ) as site:
        assert "日本" in walked(loader(site))["/"].content.decode()


def test_a_hundred_and_fifty_pages_take_seconds():
    names = [f"/page-{number}" for number in range(155)]
    with Website({"/": page(*names), **{name: page(*names) for name in names}}) as site:
        started = time.monotonic()
        assert len(walked(loader(site))) == 156
    assert time.monotonic() - started < 15


# --- Where it ends ---


def test_after_the_last_page_allowed_nothing_counts_as_removed():
    with Website({"/": page("/a", "/b", "/c"), "/a": page(), "/b": page()}) as site:
        walk = loader(site, max_pages=2)
        assert len(walked(walk)) == 2
    assert not walk.complete
    assert walk.warnings == ["stopped after 2 pages; there are more"]


def test_a_calendar_does_not_go_on_for_ever():
    def day(request):
        return page(f"/day/{int(request.path.removeprefix('/day/')) + 1}")

    with Website({"/": page("/day/1"), "/robots.txt": ""}, otherwise=day) as site:
        walk = loader(site, max_depth=10)
        assert len(walked(walk)) == 11
    assert walk.complete
    assert "more than 10 links away" in walk.warnings[0]


def test_a_path_that_goes_round_in_circles_is_left():
    with Website(otherwise=lambda request: page("a/b/c/")) as site:  # relative: ever deeper
        assert len(walked(loader(site))) < 10


def test_a_site_of_nothing_but_redirects_comes_to_an_end():
    def onwards(request):
        return redirect(f"/r/{len(request.path)}{request.path.replace('/r', '')}")

    with Website({"/": page("/r/0")}, otherwise=onwards) as site:
        assert list(walked(loader(site, max_pages=10, max_depth=1000))) == ["/"]
    assert len(site.requests) < 50


def test_a_hundred_thousand_links_on_a_page_are_too_many():
    many = page(*(f"/page-{number}" for number in range(100_000)))
    with Website({"/": many}, otherwise=lambda request: page()) as site:
        walk = loader(site, max_pages=20)
        started = time.monotonic()
        with growing_at_most(200_000_000):
            assert len(walked(walk)) == 20
    assert time.monotonic() - started < 20
    assert not walk.complete


def test_a_site_without_end_is_read_up_to_its_limit():
    def more(request):
        here = request.path.rstrip("/")
        return page(*(f"{here}-{number}" for number in range(50)))

    with Website({"/robots.txt": ""}, otherwise=more) as site:
        walk = loader(site, "/p", max_pages=300)
        with growing_at_most(50_000_000):
            assert len(walked(walk)) == 300
    assert len(site.requests) < 310


def test_too_much_in_all_ends_the_walk():
    pages = {"/": page("/a", "/b"), "/a": page(text="x" * 5000), "/b": page(text="x" * 5000)}
    with Website(pages) as site:
        walk = loader(site, total_bytes=4000)
        assert len(walked(walk)) == 2
    assert not walk.complete


def test_a_page_that_is_too_large_fails_alone():
    pages = {"/": page("/a", "/b"), "/a": page(text="x" * 5000), "/b": page()}
    with Website(pages) as site:
        found = walked(loader(site, page_bytes=3000))
    assert "more than the 3,000 bytes" in str(found["/a"])
    assert isinstance(found["/b"], RawDocument)


@pytest.mark.parametrize(
    "options",
    [{"mode": "x"}, {"include": "docs/*"}, {"max_pages": "9"}, {"delay": -1}, {"keep_query": 1}],
)
def test_a_mistake_in_the_options_is_told(options):
    with Website() as site, pytest.raises(LoadError, match="the option"):
        loader(site, **options)


@pytest.mark.parametrize("start", ["", "docs", "ftp://example.org", "http://", "file:///etc"])
def test_a_mistake_in_the_address_is_told(start):
    with Website() as site, pytest.raises(LoadError, match="is no http or https address"):
        SiteLoader(start, fetcher=site.fetcher())
