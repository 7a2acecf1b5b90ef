"""sitemap.xml: which pages a site lists, and which further sitemaps."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO

from lxml import etree

from ingestion.fetching import FetchError, gunzip

BYTE_LIMIT = 10_000_000  # of one file, unpacked
PAGE_LIMIT = 50_000  # of one file, by the protocol


@dataclass(frozen=True)
class Sitemap:
    pages: dict[str, datetime | None] = field(default_factory=dict)  # address to lastmod
    nested: tuple[str, ...] = ()


class NotASitemap(ValueError):
    """It is something else, or cannot be read."""


def looks_like_sitemap(content: bytes) -> bool:
    start = content[:2000]
    return start[:2] == b"\x1f\x8b" or b"<urlset" in start or b"<sitemapindex" in start


def read_sitemap(content: bytes) -> Sitemap:
    """Plain or gzipped XML; raises NotASitemap. No entity is resolved, nothing else is loaded."""
    pages: dict[str, datetime | None] = {}
    nested: list[str] = []
    try:
        if content[:2] == b"\x1f\x8b":
            content = gunzip(content, BYTE_LIMIT)
        for kind, address, changed_at in _entries(content):
            if kind == "sitemap":
                nested.append(address)
            else:
                pages.setdefault(address, changed_at)
            if len(pages) + len(nested) >= PAGE_LIMIT:
                break
    except (etree.XMLSyntaxError, FetchError) as error:
        raise NotASitemap(str(error)) from error
    return Sitemap(pages, tuple(dict.fromkeys(nested)))


def _entries(content: bytes) -> Iterator[tuple[str, str, datetime | None]]:
    """(url or sitemap, its address, lastmod), one by one: the tree is never whole in memory."""
    elements = etree.iterparse(
        BytesIO(content), events=("end",), tag=("{*}url", "{*}sitemap"),
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False,
    )  # fmt: skip
    for _event, element in elements:
        # Direct children only: an image extension has a <loc> of its own, deeper down.
        address = (element.findtext("{*}loc") or "").strip()
        if address:
            changed_at = _moment((element.findtext("{*}lastmod") or "").strip())
            yield etree.QName(element).localname, address, changed_at
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _moment(text: str) -> datetime | None:
    """A W3C date or moment. Without a zone it is taken for UTC."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
