"""The door: what comes back from a server, and what a bad one cannot do to us."""

import gzip
import time
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET
from threading import Thread

import pytest

from ingestion.fetching import Fetcher, FetchError, normalised
from tests.certificates import self_signed
from tests.standins.base import EMPTY_200, NEVER, NO_REPLY, RESET, Fault, Reply
from tests.websites import Website, body, growing_at_most, page, redirect

MEGABYTES = 1_000_000
PIECE = 65_536


@pytest.fixture
def site():
    with Website({"/": page()}) as site:
        yield site


@pytest.fixture
def fetcher(site):
    with site.fetcher(read_seconds=0.5, total_seconds=1.0) as fetcher:
        yield fetcher


def test_a_page_comes_with_what_is_said_of_it(site, fetcher):
    site.pages["/"] = body(
        "Grüße".encode("latin-1"), "Text/HTML; Charset=ISO-8859-1", etag='"1"',
        last_modified="Mon, 02 Mar 2026 10:00:00 GMT", x_robots_tag="NoIndex",
    )  # fmt: skip
    response = fetcher.fetch(site.url)
    assert response.status == 200
    assert response.content == "Grüße".encode("latin-1")
    assert (response.content_type, response.charset) == ("text/html", "iso-8859-1")
    assert (response.etag, response.robots) == ('"1"', "noindex")
    assert response.last_modified == "Mon, 02 Mar 2026 10:00:00 GMT"


def test_we_say_who_we_are_and_nothing_else(site):
    with site.fetcher(user_agent="reader (mail@example.org)") as fetcher:
        fetcher.fetch(site.url)
    headers = site.requests[0].headers
    assert headers["user-agent"] == "reader (mail@example.org)"
    assert headers["accept-encoding"] == "gzip"
    assert not {"cookie", "authorization", "referer"} & set(headers)


def test_one_connection_serves_many_requests(site, fetcher):
    started = time.monotonic()
    for _time in range(100):
        fetcher.fetch(site.url)
    assert time.monotonic() - started < 5
    assert len(site.requests) == 100


def test_an_unchanged_page_is_not_sent_again(site, fetcher):
    first = fetcher.fetch(site.url)
    second = fetcher.fetch(site.url, etag=first.etag)
    assert (second.status, second.content) == (304, b"")


def test_not_modified_without_having_asked_is_an_error(site, fetcher):
    site.pages["/"] = Reply(304)
    with pytest.raises(FetchError):
        fetcher.fetch(site.url)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_compressed_pages_are_unpacked(site, fetcher, compress):
    encoding = {gzip.compress: "gzip", zlib.compress: "deflate"}[compress]
    text = page(text="word " * 100_000).encode()
    site.pages["/"] = body(compress(text), "text/html", content_encoding=encoding)
    assert fetcher.fetch(site.url).content == text


def test_redirects_are_followed_or_told(site, fetcher):
    site.pages |= {"/a": redirect("b", 302), "/b": redirect("//" + site.address + "/")}
    assert fetcher.fetch(f"{site.url}/a").url == f"{site.url}/"
    told = fetcher.fetch(f"{site.url}/a", follow=False)
    assert (told.status, told.location) == (302, f"{site.url}/b")


def test_a_type_that_is_not_wanted_is_not_read(site, fetcher):
    site.pages["/"] = Reply(200, {"content-type": "video/mp4"}, (b"x" * PIECE,) * 50, streamed=True)
    with pytest.raises(FetchError, match="is video/mp4"):
        fetcher.fetch(site.url, wanted=lambda kind: kind == "text/html")


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (403, False), (404, False), (410, False), (408, True),
     (429, True), (500, True), (502, True), (503, True), (204, False)],
)  # fmt: skip
def test_a_status_is_an_error_and_whether_it_may_pass(site, fetcher, status, retryable):
    site.pages["/"] = Reply(status)
    with pytest.raises(FetchError, match=f"answers {status}") as error:
        fetcher.fetch(site.url)
    assert (error.value.status, error.value.retryable) == (status, retryable)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("a date", 60), ("-1", 0), ("soon", 0), ("9" * 400, 3600),
     ("Mon, 02 Mar 2020 10:00:00", 0)],
)  # fmt: skip
def test_a_server_says_when_it_may_be_asked_again(site, fetcher, header, seconds):
    if header == "a date":
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    site.pages["/"] = Reply(503, {"retry-after": header})
    with pytest.raises(FetchError) as error:
        fetcher.fetch(site.url)
    assert error.value.retry_after == pytest.approx(seconds, abs=5)


# --- A bad server ---


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        (NEVER, True), (NO_REPLY, True), (RESET, True),
        (Reply(200, {}, (b"half",), length=100), True),
        (body(page().encode(), "text/html").cut_after(50), True),
        (Reply(200, {}, (b"a", Fault.STALL), streamed=True), True),
        (Reply(200, {"content-encoding": "br"}, (b"abc",)), False),
        (Reply(200, {"content-encoding": "gzip"}, (b"no gzip",)), False),
        (Reply(200, {"content-encoding": "gzip"}, (gzip.compress(b"a" * 99)[:-9],)), True),
        (Reply(301), False), (redirect("http://["), False), (redirect(""), False),
        (Reply(200, {"transfer-encoding": "chunked"}, (b"zz\r\nx",)), True),
        (Reply(200, {"x": "y" * 200_000}), True),
    ],
)  # fmt: skip
def test_each_failure_is_told_and_soon(site, fetcher, reply, retryable):
    site.pages["/"] = reply
    started = time.monotonic()
    with pytest.raises(FetchError) as error:
        fetcher.fetch(site.url)
    assert error.value.retryable is retryable
    assert time.monotonic() - started < 5


def test_an_empty_page_is_a_page(site, fetcher):
    site.pages["/"] = EMPTY_200
    assert fetcher.fetch(site.url).content == b""


def test_a_server_that_sends_a_byte_now_and_then_is_left(site, fetcher):
    drops = (b"x", 0.2) * 100
    for reply in (
        Reply(200, {}, drops, streamed=True),
        Reply(silent=True, chunks=(b"HTTP/1.1 200 OK\r\n", *((b"x-a: b\r\n", 0.2) * 100))),
    ):
        site.pages["/"] = reply
        started = time.monotonic()
        with pytest.raises(FetchError, match="in time") as error:
            fetcher.fetch(site.url)
        assert error.value.retryable
        assert time.monotonic() - started < 5  # not 20


def test_ten_gigabytes_are_not_read(site):
    big = (b"x" * PIECE,) * 150_000
    with site.fetcher() as fetcher, growing_at_most(50 * MEGABYTES):
        for reply in (Reply(200, {}, big), Reply(200, {}, big, streamed=True)):
            site.pages["/"] = reply
            with pytest.raises(FetchError, match="more than the 5,000,000 bytes"):
                fetcher.fetch(site.url, byte_limit=5 * MEGABYTES)


def test_a_compression_bomb_is_stopped_while_it_unfolds(site):
    bomb = gzip.compress(b"\0" * 1_000 * MEGABYTES, compresslevel=1)
    twice = gzip.compress(gzip.compress(bytes(200 * MEGABYTES)))
    with site.fetcher() as fetcher, growing_at_most(50 * MEGABYTES):
        site.pages["/"] = body(bomb, "text/html", content_encoding="gzip")
        with pytest.raises(FetchError, match="more than the 10,000,000 bytes"):
            fetcher.fetch(site.url, byte_limit=10 * MEGABYTES)
        site.pages["/"] = body(twice, "application/gzip", content_encoding="gzip")
        assert len(fetcher.fetch(site.url).content) < MEGABYTES  # one layer, as announced


def test_redirects_in_a_circle_come_to_an_end(site, fetcher):
    site.pages |= {"/a": redirect("/b"), "/b": redirect("/a")}
    with pytest.raises(FetchError, match="5 redirects"):
        fetcher.fetch(f"{site.url}/a")
    assert len(site.requests) == 6


def test_a_body_is_not_sent_on_by_a_redirect(site, fetcher):
    site.pages["/a"] = redirect("/b", 307)
    with fetcher.open("POST", f"{site.url}/a", body=b"secret") as answer:
        assert answer.status == 307
    assert site.asked_for() == ["/a"]


def test_a_server_that_is_not_there_may_come_back():
    with Website() as site:
        address = site.address
    expected = pytest.raises(FetchError, match="cannot be reached")
    with Fetcher(allowed_addresses=[address]) as fetcher, expected as error:
        fetcher.fetch(f"http://{address}/")
    assert error.value.retryable


# --- Certificates: the connection goes to an address, the certificate is the name's ---


@pytest.fixture
def tls(tmp_path):
    """A server's certificate for docs.test, and a client that trusts whoever signed it."""
    return self_signed(tmp_path, "docs.test")


@contextmanager
def served_with(certificate):
    """Its port. A handshake that fails is the client's business, not worth a word."""

    class Greeting(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Greeting) as server:
        server.handle_error = lambda *args: None
        server.socket = certificate.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "trusting", "fits"),
    [("docs.test", True, True), ("other.test", True, False), ("docs.test", False, False)],
)
def test_a_certificate_must_be_the_name_s_though_the_address_is_connected_to(
    tls, name, trusting, fits
):
    with served_with(tls[0]) as port:
        fetcher = Fetcher(
            allowed_addresses=[f"{name}:{port}"],
            verify=tls[1] if trusting else None,
            resolver=lambda host, port, *how: [(AF_INET, 1, 6, "", ("127.0.0.1", port))],
        )
        if fits:
            assert fetcher.fetch(f"https://{name}:{port}/").status == 200
            return
        with pytest.raises(FetchError, match="no valid certificate") as error:
            fetcher.fetch(f"https://{name}:{port}/")
    assert not error.value.retryable


# --- One spelling for an address ---


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("HTTP://Example.ORG:80/a/../b/./c?x=1#y", "http://example.org/b/c?x=1"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org:443/", "https://example.org/"),
        ("https://example.org:8443/", "https://example.org:8443/"),
        ("https://münchen.example/straße", "https://xn--mnchen-3ya.example/stra%C3%9Fe"),
        ("http://[::1]:80/", "http://[::1]/"),
        *((nothing, "") for nothing in (
            "", "a/b", "ftp://example.org/", "http://", "http://u@example.org", "http://a b/",
            "http://a\\b/", "http://[", "http://[::1", f"http://{'a.' * 200}org",
        )),
    ],
)  # fmt: skip
def test_an_address_has_one_spelling(written, spelled):
    assert normalised(written) == spelled
