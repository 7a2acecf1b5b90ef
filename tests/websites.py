"""Small web sites on loopback, with everything that can be wrong with one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ingestion.fetching import Fetcher
from tests.standins.base import Recorded, Reply, StandIn

Page = str | bytes | Reply


class Website(StandIn):
    """`pages` may be changed while it runs. Of a text it serves HTML, with an ETag."""

    def __init__(
        self,
        pages: Mapping[str, Page] | None = None,
        otherwise: Callable[[Recorded], Page | None] = lambda request: None,
    ) -> None:
        super().__init__()
        self.pages: dict[str, Page] = dict(pages or {})
        self.otherwise = otherwise

    def respond(self, request: Recorded) -> Reply:
        found = self.pages.get(request.path)
        if found is None:
            found = self.otherwise(request)
        if found is None:
            return Reply(404, {"content-type": "text/html"}, (b"<h1>Not here</h1>",))
        if isinstance(found, Reply):
            return found
        return unless_unchanged(request, found.encode() if isinstance(found, str) else found)

    @property
    def address(self) -> str:
        """host:port"""
        return urlsplit(self.url).netloc

    def asked_for(self) -> list[str]:
        """Paths in order, robots.txt and sitemaps left out."""
        paths = [request.path for request in self.requests]
        return [path for path in paths if not path.endswith(("robots.txt", "sitemap.xml"))]

    def fetcher(self, *also: str, **options: Any) -> Fetcher:
        """One that may reach this site, others if given, and nothing else on this machine."""
        return Fetcher(allowed_addresses=[self.address, *also], **options)


def unless_unchanged(request: Recorded, body: bytes, kind: str = "text/html") -> Reply:
    etag = f'"{hash(body) & 0xFFFFFFFF:x}"'
    headers = {"content-type": f"{kind}; charset=utf-8", "etag": etag}
    if request.headers.get("if-none-match") == etag:
        return Reply(304, headers)
    return Reply(200, headers, (body,))


def page(*links: str, title: str = "A page", head: str = "", text: str = "Some text.") -> str:
    anchors = "".join(f'<li><a href="{link}">{link}</a>' for link in links)
    return (
        f"<!doctype html><html><head><title>{title}</title>{head}</head>"
        f"<body><main><h1>{title}</h1><p>{text}</p><ul>{anchors}</ul></main></body></html>"
    )


def canonical(url: str) -> str:
    return f'<link rel="canonical" href="{url}">'


def redirect(location: str, status: int = 301) -> Reply:
    return Reply(status, {"location": location.encode().decode("latin-1")})


def body(content: bytes, kind: str, **headers: str) -> Reply:
    return Reply(200, {"content-type": kind}, (content,)).with_headers(**headers)


def sitemap(*urls: str, lastmod: str = "2026-03-01", index: bool = False) -> bytes:
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    entries = "".join(
        f"<{inner}><loc>{url}</loc><lastmod>{lastmod}</lastmod></{inner}>" for url in urls
    )
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0"?><{outer} xmlns="{namespace}">{entries}</{outer}>'.encode()


@contextmanager
def growing_at_most(limit: int) -> Iterator[None]:
    """By its memory, this process; the site it talks to is in it too."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not clear.exists():
        pytest.skip("needs Linux")

    def value(name: str) -> int:
        [line] = [line for line in status.read_text().splitlines() if line.startswith(name)]
        return int(line.split()[1]) * 1024

    clear.write_text("5")  # the highest so far is forgotten
    before = value("VmRSS")
    yield
    grown = value("VmHWM") - before
    assert grown < limit, f"{grown:,} bytes more"
