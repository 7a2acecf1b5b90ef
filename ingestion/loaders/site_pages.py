"""One page of a web site: asked for politely, and what it says of itself."""

import codecs
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urljoin, urlsplit

from documents.stopping import sleep
from ingestion.fetching import Fetcher, FetchError, Response, origin_of
from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.loaders.robots import Robots, read_robots
from ingestion.loaders.site_scope import Scope, SiteOptions, is_mirror, one_page, same_page
from ingestion.parsing.base import ParseError
from ingestion.parsing.decoding import decode
from ingestion.parsing.formats import BINARY, HTML, MEDIA_TYPES, PLAIN_TEXT, media_type_of
from ingestion.parsing.html_links import read_links

DELAY = 0.25  # seconds between two requests to somebody else's server
LONGEST_PAUSE = 60.0  # that a busy server gets before it is asked again
LINKS_READ = 10_000  # of one page
LINKS_REMEMBERED = 300  # of one page; one with more is fetched whole each time
HTML_BYTES = 5_000_000  # its tree takes many times as much memory
GONE = (404, 410)
VAGUE_TYPES = frozenset(  # servers send them for files they do not know
    {"", "application/octet-stream", "application/json", "application/zip", PLAIN_TEXT,
     "text/markdown", "text/x-markdown"}
)  # fmt: skip
READ_ANYWAY = ("iso8859-1", "ascii")  # as Windows-1252, by the parser
NOT_A_CHARSET = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "utf-7"})


@dataclass(frozen=True)
class Step:
    """An address to visit."""

    url: str
    depth: int = 0  # links away from the start page
    listed: bool = False  # by a sitemap: what becomes of it is told in any case
    modified_at: datetime | None = None


@dataclass(frozen=True)
class Page:
    found: RawDocument | LoadError
    links: tuple[str, ...] = ()  # that lead on inside the site, and may be followed
    target: str = ""  # the address that the page says it has


class PageReader:
    """Keeps what one walk has to know: robots.txt, and whose turn it is when."""

    def __init__(
        self, fetcher: Fetcher, options: SiteOptions, memory: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.fetcher, self.options, self.memory = fetcher, options, memory
        self._robots: dict[str, Robots] = {}
        self._ready_at: dict[str, float] = {}  # origin to when it may be asked again

    # --- Asking -----------------------------------------------------------------------------------

    def ask(self, url: str, **how: Any) -> Response:
        """Politely: in turn, and a server that wants a pause gets it. Raises FetchError."""
        origin = origin_of(url)
        sleep(max(0.0, self._ready_at.get(origin, 0.0) - time.monotonic()))
        pause = self._delay(origin)
        try:
            return self.fetcher.fetch(url, **how)
        except FetchError as error:
            pause = max(pause, min(error.retry_after, LONGEST_PAUSE))
            raise
        finally:
            self._ready_at[origin] = time.monotonic() + pause

    def _delay(self, origin: str) -> float:
        asked_for = self._robots[origin].delay if origin in self._robots else 0.0
        polite = 0.0 if self.fetcher.allowed.covers(origin) else DELAY  # our operator's own server
        return max(polite if self.options.delay < 0 else self.options.delay, asked_for)

    def rules(self, origin: str) -> Robots:
        if origin not in self._robots:
            try:
                self._robots[origin] = read_robots(self.fetcher, origin)
            except FetchError as error:
                raise LoadError(
                    f"robots.txt of {origin} cannot be read, so nothing may be: {error}",
                    retryable=error.retryable,
                ) from error
        return self._robots[origin]

    # --- Reading ----------------------------------------------------------------------------------

    def read(
        self,
        step: Step,
        scope: Scope,
        *,
        crawling: bool,
        given: Response | None = None,
        conditional: bool = True,
    ) -> Page:
        """Raises LoadError when there is no answer, NotAPage when there is nothing to read."""
        memory = self.memory.get(step.url, {})
        # An unchanged page must still say where it leads: a walk by sitemap did not note that.
        if not conditional or "hash" not in memory or (crawling and "links" not in memory):
            memory = {}
        response = given or self._answer(step, memory)
        if response.location:
            return self._moved(response, step, scope, crawling=crawling, conditional=conditional)
        raw = RawDocument(
            key=step.url,
            content=response.content,
            media_type=_media_type(response.content_type, step.url) or "",
            url=step.url,
            modified_at=step.modified_at or _moment(response.last_modified),
            memory=memory,
        )
        if response.status == 304:
            raw = replace(
                raw,
                media_type=str(memory["media_type"]),
                unmodified_hash=str(memory["hash"]),
                fetch=lambda: self._whole(step, scope, crawling=crawling),
            )
            return Page(raw, self.remembered(step.url))
        if not raw.media_type:
            raise NotAPage(f"{step.url} is {response.content_type}", key=step.url)
        if raw.media_type not in BINARY:
            raw = replace(raw, content=_as_utf8(raw.content, response.charset))
        page = self._judged(raw, step, scope) if raw.media_type == HTML else Page(raw)
        if {"noindex", "none"} & {rule.strip() for rule in response.robots.split(",")}:
            page = replace(page, found=NotAPage("the site asks not to index it", key=step.url))
        if isinstance(page.found, RawDocument):
            memory = _memory(response, raw, page.links if crawling else None)
            page = replace(page, found=replace(page.found, memory=memory))
        return page

    def remembered(self, url: str) -> tuple[str, ...]:
        """Where the page led the last time."""
        links = self.memory.get(url, {}).get("links", ())
        return tuple(urljoin(url, str(link)) for link in links)

    def _answer(self, step: Step, memory: Mapping[str, Any]) -> Response:
        url = step.url
        if not self.rules(origin_of(url)).allows(url):
            raise NotAPage("robots.txt does not allow to read it", key=url)
        try:
            return self.ask(
                url,
                etag=str(memory.get("etag", "")),
                last_modified=str(memory.get("last_modified", "")),
                byte_limit=self.options.page_bytes,
                follow=False,
                wanted=lambda content_type: _media_type(content_type, url) is not None,
            )
        except FetchError as error:
            # A link may well lead to a login; a page that was there before should not.
            closed = 400 <= error.status < 500 and not error.retryable
            unexpected = closed and not step.listed and url not in self.memory
            if error.status in (200, *GONE) or unexpected:  # 200: of a type that is not read
                raise NotAPage(str(error), key=url) from error
            raise LoadError(
                str(error), key=url, retryable=error.retryable, retry_after=error.retry_after
            ) from error

    def _moved(
        self, response: Response, step: Step, scope: Scope, *, crawling: bool, conditional: bool
    ) -> Page:
        target = scope.address(response.location, listed=step.listed)
        if step.url != target and one_page(target) == one_page(step.url):  # the slash at the end
            step = replace(step, url=target, depth=step.depth + 1)
            if step.depth <= self.options.max_depth:
                return self.read(step, scope, crawling=crawling, conditional=conditional)
        return Page(NotAPage(f"it leads to {response.location}", key=step.url), target=target)

    def _whole(self, step: Step, scope: Scope, *, crawling: bool) -> RawDocument:
        found = self.read(step, scope, crawling=crawling, conditional=False).found
        if isinstance(found, LoadError):
            raise found
        return found

    def _judged(self, raw: RawDocument, step: Step, scope: Scope) -> Page:
        """By what the page says: its links, its own address, whether it wants to be found."""
        if len(raw.content) > HTML_BYTES:
            raise LoadError(f"a page of {len(raw.content):,} bytes is not read", key=raw.key)
        try:
            told = read_links(decode(raw.content, is_html=True)[0], raw.url)
        except ParseError as error:
            raise LoadError(f"it cannot be read: {error}", key=raw.key) from error
        links = dict.fromkeys(map(scope.address, () if told.nofollow else told.links[:LINKS_READ]))
        page = Page(raw, tuple(filter(scope.leads_on, links)))
        if told.noindex:
            return replace(page, found=NotAPage("the page asks not to be indexed", key=raw.key))
        own = scope.address(told.canonical, listed=step.listed)
        if not own or same_page(own, raw.url) or is_mirror(raw.url, own):
            return page
        elsewhere = NotAPage(f"its own address is {own}", key=raw.key)
        return replace(page, found=elsewhere, target=own)


def _media_type(content_type: str, url: str) -> str | None:
    """None: not a document."""
    if content_type == "application/xhtml+xml":
        return HTML
    by_suffix = media_type_of(urlsplit(url).path) if content_type in VAGUE_TYPES else None
    return by_suffix or (content_type if content_type in MEDIA_TYPES.values() else None)


def _memory(response: Response, raw: RawDocument, links: tuple[str, ...] | None) -> dict[str, Any]:
    """What makes the next run cheap; nothing when it would forget where the page leads."""
    if not (response.etag or response.last_modified) or len(links or ()) > LINKS_REMEMBERED:
        return {}
    memory: dict[str, Any] = {
        "etag": response.etag,
        "last_modified": response.last_modified,
        "media_type": raw.media_type,
        "hash": sha256(raw.content).hexdigest(),
    }
    if links is not None:
        memory["links"] = [link.removeprefix(origin_of(raw.url)) for link in links]
    return memory


def _as_utf8(content: bytes, charset: str) -> bytes:
    """What the header says of the encoding would be lost; an HTML page may say it itself."""
    with suppress(UnicodeDecodeError):
        content.decode("utf-8")
        return content
    if not charset:
        declared = re.search(rb"""<meta[^>]+charset=["']?([\w-]+)""", content[:2048], re.IGNORECASE)
        charset = declared[1].decode("ascii") if declared else ""
    with suppress(LookupError, UnicodeDecodeError):
        name = codecs.lookup(charset).name
        if name not in NOT_A_CHARSET and name not in READ_ANYWAY:
            return content.decode(name).encode()
    return content


def _moment(http_date: str) -> datetime | None:
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(http_date)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
