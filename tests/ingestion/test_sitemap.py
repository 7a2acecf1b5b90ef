"""A web site read by its sitemap."""

import gzip
from datetime import UTC, datetime

import pytest

from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.loaders.site import SiteLoader
from ingestion.loaders.sitemap import NotASitemap, read_sitemap
from tests.ingestion.test_site import memories, walked
from tests.standins.base import Reply
from tests.websites import Website, body, canonical, page, redirect, sitemap


def loader(site, start="/", memory=None, **options):
    return SiteLoader(site.url + start, fetcher=site.fetcher(), options=options, memory=memory)


def listing(site, *paths, **how):
    return sitemap(*(site.url + path for path in paths), **how)


@pytest.fixture
def site():
    """Its pages are linked nowhere."""
    with Website({"/": page(), "/a": page("/unlisted"), "/b": page(), "/unlisted": page()}) as site:
        yield site


def test_a_listed_page_is_read_and_its_links_are_not_followed(site):
    site.pages["/sitemap.xml"] = listing(site, "/a", "/b")
    found = walked(loader(site))
    assert list(found) == ["/a", "/b"]
    assert found["/a"].modified_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert "links" not in found["/a"].memory


@pytest.mark.parametrize("start", ["/maps/mine.xml", "/maps/"])
def test_it_may_be_given_or_found_in_the_folder_of_the_start_page(site, start):
    site.pages["/maps/mine.xml"] = listing(site, "/maps/a")
    site.pages["/maps/sitemap.xml"] = site.pages["/maps/mine.xml"]
    site.pages["/maps/"] = site.pages["/maps/a"] = page()
    assert list(walked(loader(site, start))) == ["/maps/a"]


def test_robots_txt_may_name_it(site):
    site.pages["/robots.txt"] = body(f"Sitemap: {site.url}/pages.xml\n".encode(), "text/plain")
    site.pages["/pages.xml"] = listing(site, "/b")
    assert list(walked(loader(site))) == ["/b"]


def test_it_may_list_sitemaps_and_be_compressed(site):
    site.pages["/sitemap.xml"] = listing(site, "/one.xml", "/two.xml.gz", index=True)
    site.pages["/one.xml"] = listing(site, "/a")
    site.pages["/two.xml.gz"] = body(gzip.compress(listing(site, "/b")), "application/gzip")
    assert list(walked(loader(site))) == ["/a", "/b"]


def test_a_sitemap_that_lists_itself_is_read_once(site):
    site.pages["/sitemap.xml"] = listing(site, "/sitemap.xml", "/one.xml", index=True)
    site.pages["/one.xml"] = listing(site, "/a")
    assert list(walked(loader(site))) == ["/a"]


def test_sitemaps_are_read_three_levels_deep(site):
    for level in range(1, 6):
        site.pages[f"/{level}.xml"] = listing(site, f"/{level + 1}.xml", index=True)
    with pytest.raises(LoadError, match="lists a page"):
        list(loader(site, "/1.xml").paths())
    assert "/4.xml" not in site.asked_for()


def test_without_a_sitemap_links_are_followed(site):
    site.pages["/"] = page("/a")
    assert list(walked(loader(site))) == ["/", "/a", "/unlisted"]
    with pytest.raises(LoadError, match="no sitemap"):
        list(loader(site, mode="sitemap").paths())


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_sitemap_that_cannot_be_read_right_now_is_not_taken_for_none(site, status):
    site.pages["/sitemap.xml"] = Reply(status)
    with pytest.raises(LoadError) as error:
        list(loader(site).paths())
    assert error.value.retryable


def test_one_of_many_sitemaps_may_fail_and_then_nothing_counts_as_removed(site):
    site.pages["/sitemap.xml"] = listing(site, "/one.xml", "/two.xml", index=True)
    site.pages["/one.xml"] = listing(site, "/a")
    walk = loader(site)
    assert list(walked(walk)) == ["/a"]
    assert not walk.complete
    assert "/two.xml" in walk.warnings[0]


def test_a_listed_page_that_is_none_is_told_with_its_reason(site):
    site.pages["/sitemap.xml"] = listing(site, "/a", "/gone", "/moved", "/print", "/secret")
    site.pages |= {
        "/moved": redirect("/b"), "/print": page(head=canonical("/b")),
        "/robots.txt": body(b"User-agent: *\nDisallow: /secret\n", "text/plain"),
    }  # fmt: skip
    found = walked(loader(site))
    assert "answers 404" in str(found["/gone"])
    assert f"leads to {site.url}/b" in str(found["/moved"])
    assert f"its own address is {site.url}/b" in str(found["/print"])
    assert "robots.txt" in str(found["/secret"])
    assert all(isinstance(found[path], NotAPage) for path in ["/gone", "/moved", "/print"])
    assert isinstance(found["/b"], RawDocument)  # unlisted, but where two of them lead


def test_a_listed_page_behind_a_login_is_still_there(site):
    site.pages["/sitemap.xml"] = listing(site, "/a", "/closed")
    site.pages["/closed"] = Reply(403)
    error = walked(loader(site))["/closed"]
    assert isinstance(error, LoadError)
    assert not isinstance(error, NotAPage)
    assert not error.retryable


def test_unchanged_pages_are_not_sent_again(site):
    site.pages["/sitemap.xml"] = listing(site, "/a", "/b")
    first = walked(loader(site))
    site.pages["/b"] = page(text="New.")
    second = walked(loader(site, memory=memories(first)))
    assert [bool(raw.unmodified_hash) for raw in second.values()] == [True, False]


def test_pages_of_other_sites_are_not_read(site):
    site.pages["/sitemap.xml"] = sitemap("http://127.0.0.1:9/x", "https://example.org/y")
    with pytest.raises(LoadError, match="origins"):
        list(loader(site, "/sitemap.xml").paths())


def test_pages_of_another_of_its_addresses_are_read_if_told_so(site):
    with Website({"/y": page()}) as other:
        site.pages["/sitemap.xml"] = sitemap(f"{site.url}/a", f"{other.url}/y")
        fetcher = site.fetcher(other.address)
        options = {"origins": [other.url]}
        keys = list(SiteLoader(site.url, fetcher=fetcher, options=options).paths())
    assert keys == [f"{site.url}/a", f"{other.url}/y"]


def test_a_query_that_a_sitemap_lists_is_kept_but_for_tracking(site):
    site.pages["/sitemap.xml"] = listing(site, "/a?id=1&amp;utm_source=x", "/a?id=2")
    assert list(walked(loader(site))) == ["/a?id=1", "/a?id=2"]


def test_more_pages_than_allowed_are_left_for_another_time(site):
    site.pages["/sitemap.xml"] = listing(site, *(f"/p{number}" for number in range(30)))
    walk = loader(site, max_pages=5)
    assert len(list(walk.paths())) == 5
    assert not walk.complete


def test_images_and_translations_in_a_sitemap_are_no_pages():
    content = b"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
        xmlns:i="http://www.google.com/schemas/sitemap-image/1.1"><url>
        <loc> https://a.test/x </loc><i:image><i:loc>https://a.test/x.png</i:loc></i:image>
        </url></urlset>"""
    assert list(read_sitemap(content).pages) == ["https://a.test/x"]


@pytest.mark.parametrize("content", [b"", b"<html><p>", b"\x1f\x8bnonsense", b"<urlset><url>"])
def test_what_is_no_sitemap_is_told(content):
    with pytest.raises(NotASitemap):
        read_sitemap(content)


def test_a_sitemap_loads_and_unfolds_nothing():
    secret = b'<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    content = secret + b"<urlset><url><loc>https://a.test/&x;</loc></url></urlset>"
    assert list(read_sitemap(content).pages) == ["https://a.test/"]

    laughs = b"".join(b'<!ENTITY x%d "%s">' % (n, b"&x%d;" % (n - 1) * 10) for n in range(1, 12))
    bomb = (
        b'<!DOCTYPE u [<!ENTITY x0 "ha">'
        + laughs
        + b"]><urlset><url><loc>&x9;</loc></url></urlset>"
    )
    with pytest.raises(NotASitemap):
        read_sitemap(bomb)
    with pytest.raises(NotASitemap, match="more than"):
        read_sitemap(gzip.compress(b" " * 50_000_000))
