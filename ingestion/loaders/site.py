"""A web site: by its sitemap, or from link to link. Fetched politely, and only what changed.

`paths()` walks, because only a page that was fetched says where else to go. What it fetched
waits on a shelf until `read()` asks for it.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import urljoin

from ingestion.fetching import Fetcher, FetchError, Response, normalised, origin_of
from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.loaders.site_pages import Page, PageReader, Step
from ingestion.loaders.site_scope import Scope, SiteOptions, one_page
from ingestion.loaders.sitemap import BYTE_LIMIT as SITEMAP_BYTES
from ingestion.loaders.sitemap import NotASitemap, looks_like_sitemap, read_sitemap

logger = logging.getLogger(__name__)

ADDRESSES_PER_PAGE = 20  # seen but not yet visited, for each page that may be read
VISITS_PER_PAGE = 3  # a site of nothing but redirects also comes to an end
SITEMAPS, SITEMAP_LEVELS = 200, 3
SHELF_MEMORY = 16_000_000

Listed = dict[str, datetime | None]  # address to lastmod


class SiteLoader:
    """`memory` is what each page's RawDocument.memory was the last time, by key.

    After `paths()`, `complete` is false when a limit or a failure may have hidden pages: then
    nothing counts as removed. `warnings` says why.
    """

    def __init__(
        self,
        start_url: str,
        *,
        fetcher: Fetcher,
        options: Mapping[str, Any] | None = None,
        memory: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.start = normalised(start_url.strip())
        if not self.start:
            raise LoadError(f'"{start_url}" is no http or https address of a site')
        self.options = SiteOptions.read(options or {})
        self.memory = memory or {}
        self.pages = PageReader(fetcher, self.options, self.memory)
        self._known = {one_page(key): key for key in self.memory}
        self._shelf = Shelf()
        self._restart()

    def _restart(self) -> None:
        self.complete, self.warnings = True, list[str]()
        self.scope = Scope.around(self.start, self.options)
        self._crawling = self.options.mode == "crawl"
        self._queue: deque[Step] = deque()
        self._seen: set[str] = set()
        self._visits = self._bytes = 0
        self._keys: list[str] = []
        self._walking = self._walk()

    def load(self) -> Iterator[RawDocument | LoadError]:
        for key in self.paths():
            try:
                yield self.read(key)
            except LoadError as error:
                yield error

    def paths(self) -> Iterator[str]:
        """Addresses, as they are found. Asked again, it repeats them and goes on from there.

        Raises LoadError when the start page, robots.txt or the sitemap cannot be read.
        """
        position = 0
        while True:
            if position == len(self._keys):
                try:
                    self._keys.append(next(self._walking))
                except StopIteration:
                    return
                except LoadError:
                    self._restart()
                    raise
            yield self._keys[position]
            position += 1

    def read(self, key: str) -> RawDocument:
        found = self._shelf.take(key)
        if found is None:
            found = self.pages.read(Step(key, listed=True), self.scope, crawling=False).found
        if isinstance(found, LoadError):
            raise found
        return found

    # --- Where to begin ---------------------------------------------------------------------------

    def _begin(self) -> Response | None:
        """With a sitemap that was given, one that the site names, or a page; returns the page."""
        first = self._first()
        trouble: list[str] = []
        if looks_like_sitemap(first.content):
            self.scope = Scope.around(normalised(first.url), self.options, prefix="/")
            listed = self._listed([first.url], trouble, given=first)
        else:
            start = normalised(first.url)
            self.scope = Scope.around(start, self.options)
            listed = {} if self._crawling else self._listed_for(start, trouble)
            if not listed and self.options.mode != "sitemap":
                self._crawling = True
                self._enqueue(Step(start, listed=self.scope.covers(start)))
                return first
        if not listed:
            raise LoadError(
                f"no sitemap of {self.start} lists a page under {self.scope.origins[0]}"
                f"{self.scope.prefix} {' '.join(trouble)}; check the address, or give the site's "
                'other addresses in the option "origins"'
            )
        for address, modified_at in listed.items():
            self._enqueue(Step(address, listed=True, modified_at=modified_at))
        return None

    def _first(self) -> Response:
        """What is at the address of the source, wherever it leads to."""
        self._check_allowed(self.start)
        limit = max(self.options.page_bytes, SITEMAP_BYTES)
        try:
            first = self.pages.ask(self.start, byte_limit=limit)
        except FetchError as error:
            raise LoadError(str(error), retryable=error.retryable) from error
        self._check_allowed(first.url)
        return first

    def _check_allowed(self, url: str) -> None:
        if not self.pages.rules(origin_of(url)).allows(url):
            raise LoadError(f"robots.txt of {origin_of(url)} does not allow to read {url}")

    def _listed_for(self, start: str, trouble: list[str]) -> Listed:
        """By the sitemaps that robots.txt names; else by one in a usual place."""
        origin = origin_of(start)
        named = [urljoin(f"{origin}/", sitemap) for sitemap in self.pages.rules(origin).sitemaps]
        usual = [urljoin(start, "sitemap.xml")], [urljoin(start, "/sitemap.xml")]
        for sitemaps in (named, *usual):
            if listed := self._listed(sitemaps, trouble):
                return listed
        return {}

    def _listed(
        self, sitemaps: list[str], trouble: list[str], given: Response | None = None
    ) -> Listed:
        """Pages of the site that sitemaps list, in their order."""
        listed: Listed = {}
        queue = deque((address, 1) for address in sitemaps)
        asked: set[str] = set()
        while queue:
            address, level = queue.popleft()
            if address in asked:
                continue
            if len(asked) == SITEMAPS or len(listed) > self.options.max_pages:
                self._cut("not all of the sitemaps were read")
                break
            asked.add(address)
            try:
                response = given or self.pages.ask(address, byte_limit=SITEMAP_BYTES)
                sitemap = read_sitemap(response.content)
            except (FetchError, NotASitemap) as error:
                # There may be none; but a server in trouble may well have one.
                if level > 1:
                    self._cut(f"a sitemap cannot be read: {address}: {error}")
                elif isinstance(error, FetchError) and error.retryable:
                    message = f"the sitemap cannot be read: {error}"
                    raise LoadError(message, retryable=True) from error
                trouble.append(f"({error})")
                continue
            finally:
                given = None
            if level < SITEMAP_LEVELS:
                queue.extend((nested, level + 1) for nested in sitemap.nested)
            for page, modified_at in sitemap.pages.items():
                url = self.scope.address(page, listed=True)
                if self.scope.covers(url):
                    listed.setdefault(url, modified_at)
        return listed

    # --- The walk ---------------------------------------------------------------------------------

    def _walk(self) -> Iterator[str]:
        given = self._begin()  # the start page need not be fetched twice
        found_any = False
        while self._queue:
            if limit := self._limit():
                self._cut(limit)
                break
            step = self._queue.popleft()
            if step.depth > self.options.max_depth and step.url not in self.memory:
                self._warn(f"pages more than {self.options.max_depth} links away were left out")
                continue
            page, given = self._visit(step, given), None
            if self._is_told(page, step):
                found_any = True
                self._shelf.put(page.found)
                yield page.found.key
        if not found_any:
            raise LoadError(f"no page found at {self.start}; check the address and the patterns")

    def _visit(self, step: Step, given: Response | None) -> Page:
        self._visits += 1
        try:
            page = self.pages.read(step, self.scope, crawling=self._crawling, given=given)
        except NotAPage as error:
            page = Page(error)
        except LoadError as error:
            error.key = error.key or step.url
            page = Page(error, self.pages.remembered(step.url))
            known = "links" in self.memory.get(step.url, {})
            if self._crawling and not known and error.retryable:
                self._cut(f"where a page leads that failed is not known: {step.url}")
        if isinstance(page.found, RawDocument):
            self._bytes += len(page.found.content)
        if self._crawling:
            for link in page.links:
                self._enqueue(Step(link, step.depth + 1))
        if self.scope.covers(page.target):
            self._enqueue(Step(page.target, step.depth + 1, modified_at=step.modified_at))
        return page

    def _is_told(self, page: Page, step: Step) -> bool:
        """Of the many links that lead to no page of this site, nothing is."""
        if isinstance(page.found, NotAPage):
            return step.listed or step.url in self.memory
        # The start page is read for its links even when the patterns leave it out.
        return self.scope.covers(page.found.key)

    def _enqueue(self, step: Step) -> None:
        page = one_page(step.url)
        if page in self._seen:
            return
        if len(self._seen) >= self.options.max_pages * ADDRESSES_PER_PAGE:
            self._cut("there are more links than can be followed")
            return
        self._seen.add(page)
        # Of /a and /a/, the one that is known already keeps its key.
        self._queue.append(replace(step, url=self._known.get(page, step.url)))

    def _limit(self) -> str:
        options = self.options
        if len(self._keys) >= options.max_pages:
            return f"stopped after {options.max_pages:,} pages; there are more"
        if self._visits >= options.max_pages * VISITS_PER_PAGE:
            return f"stopped after {self._visits:,} addresses, most of them no pages"
        if self._bytes >= options.total_bytes:
            return f"stopped after {self._bytes:,} bytes; there is more"
        return ""

    def _cut(self, reason: str) -> None:
        """There may be pages that were not seen."""
        self.complete = False
        self._warn(reason)

    def _warn(self, reason: str) -> None:
        if reason not in self.warnings:
            self.warnings.append(reason)
            logger.warning("%s: %s", self.start, reason)


class Shelf:
    """What was fetched and not yet asked for: in memory, and on disk once it is much."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=SHELF_MEMORY)  # noqa: SIM115
        self._found: dict[str, tuple[RawDocument | LoadError, int, int]] = {}

    def put(self, found: RawDocument | LoadError) -> None:
        if not self._found:
            self._file.seek(0)
            self._file.truncate()
        content = found.content if isinstance(found, RawDocument) else b""
        start = self._file.seek(0, 2)
        self._file.write(content)
        if isinstance(found, RawDocument):
            found = replace(found, content=b"")
        self._found[found.key] = (found, start, len(content))

    def take(self, key: str) -> RawDocument | LoadError | None:
        found, start, length = self._found.pop(key, (None, 0, 0))
        if isinstance(found, RawDocument):
            self._file.seek(start)
            return replace(found, content=self._file.read(length))
        return found
