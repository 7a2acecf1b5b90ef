"""What a crawler reads of a page."""

from ingestion.parsing.html_links import PageLinks, read_links

HERE = "https://example.org/docs/page"


def links(html):
    return read_links(html, HERE).links


def test_links_are_absolute_and_each_is_there_once_in_order():
    html = '<a href="b#x">1</a><a href="/a">2</a><a href="b">3</a><area href="//other.org?q=1">'
    assert links(html) == (
        "https://example.org/docs/b", "https://example.org/a", "https://other.org/?q=1",
    )  # fmt: skip


def test_other_schemes_and_nonsense_are_left_out():
    html = '<a href="mailto:a@b">1</a><a href="javascript:x()">2</a><a href="http://[">3</a>'
    assert links(html + '<a href="ftp://x/y">4</a><a name="x">5</a><a href="http:///x">6</a>') == ()


def test_the_base_of_the_page_counts():
    assert links('<base href="/v2/"><a href="x">1</a>') == ("https://example.org/v2/x",)


def test_what_must_not_be_followed_is_left_out():
    assert links('<a rel="noopener NOFOLLOW" href="x">1</a>') == ()


def test_addresses_are_escaped_once():
    html = '<a href="a b">1</a><a href="a%20b">2</a><a href="é?q=ü&r=%26">3</a>'
    assert links(html) == (
        "https://example.org/docs/a%20b", "https://example.org/docs/%C3%A9?q=%C3%BC&r=%26",
    )  # fmt: skip


def test_robots_and_canonical():
    html = (
        '<link rel="Canonical" href="/docs/other"><meta name="Robots" content="NoIndex">'
        '<meta name="robots" content="nofollow, noarchive">'
    )
    page = read_links(html, HERE)
    assert page == PageLinks((), "https://example.org/docs/other", noindex=True, nofollow=True)
    assert read_links('<meta name="robots" content="none">', HERE).noindex
    assert read_links("<p>text", HERE) == PageLinks()
