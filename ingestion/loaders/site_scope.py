"""How far a web site goes: its options, which addresses belong to it, which are one page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from ingestion.fetching import normalised, origin_of
from ingestion.loaders.base import LoadError
from ingestion.parsing.formats import HTML, media_type_of

ADDRESS_LIMIT = 500  # characters; longer ones are made by a machine that never stops
REPEATS = 3  # /a/b/a/b/a/b: a relative link that leads ever deeper
TRACKING = re.compile(r"utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|_ga|_gl|ref_src", re.IGNORECASE)
KNOWN_TYPES = MimeTypes()  # Python's own table, not this machine's


@dataclass(frozen=True)
class SiteOptions:
    mode: str = "auto"  # sitemap, crawl; auto: by sitemap when there is one
    prefix: str = ""  # of the path; the folder of the start page when empty
    include: tuple[str, ...] = ()  # globs over paths
    exclude: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()  # further ones that belong to the site: https://docs.example.org
    keep_query: bool = False  # in a crawl, /page?x=1 is taken for /page otherwise
    max_pages: int = 2_000
    max_depth: int = 20  # links away from the start page
    page_bytes: int = 20_000_000
    total_bytes: int = 500_000_000
    delay: float = -1.0  # seconds between two requests; below zero: what is polite

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """From the options of a source; others may stand among them. Raises LoadError."""
        given = {
            field.name: checked(field.name, options[field.name], field.default)
            for field in fields(cls)
            if field.name in options
        }
        made = cls(**given)
        if made.mode not in ("auto", "sitemap", "crawl"):
            raise LoadError(f'the option "mode" is {made.mode!r}; use auto, sitemap or crawl')
        return made


def checked(name: str, value: Any, default: Any) -> Any:
    """The value, if it is of the kind of the default; raises LoadError."""
    if isinstance(default, tuple):
        if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
        expected = "a list of texts"
    elif isinstance(default, bool | str):
        if isinstance(value, type(default)):
            return value
        expected = "a text" if isinstance(default, str) else "true or false"
    else:
        if isinstance(value, int | type(default)) and not isinstance(value, bool) and value >= 0:
            return value
        expected = "a number, not below zero"
    raise LoadError(f'the option "{name}" is {value!r}; it has to be {expected}')


@dataclass(frozen=True)
class Scope:
    origins: tuple[str, ...]
    prefix: str
    options: SiteOptions

    @classmethod
    def around(cls, start: str, options: SiteOptions, *, prefix: str = "") -> Self:
        folder = urlsplit(start).path.rpartition("/")[0] + "/"
        further = (origin_of(normalised(origin)) for origin in options.origins)
        return cls(
            tuple(dict.fromkeys((origin_of(start), *further))),
            options.prefix or prefix or folder,
            options,
        )

    def address(self, url: str, *, listed: bool = False) -> str:
        """As a key: without fragment and tracking; "" when it is no address.

        An address that a sitemap lists keeps its query: somebody meant it.
        """
        url = normalised(url)
        if not url:
            return ""
        parts = urlsplit(url)
        scheme, query = parts.scheme, ""
        if listed or self.options.keep_query:
            kept = (part for part in parts.query.split("&") if not TRACKING.match(part))
            query = "&".join(kept)
        if scheme == "http" and f"https://{parts.netloc}" in self.origins:
            scheme = "https"  # an old link
        return urlunsplit((scheme, parts.netloc, parts.path, query, ""))

    def covers(self, url: str) -> bool:
        path = urlsplit(url).path
        return (
            origin_of(url) in self.origins
            and len(url) <= ADDRESS_LIMIT
            and path.startswith(self.prefix)
            and not (self.options.include and not _matches(path, self.options.include))
            and not _matches(path, self.options.exclude)
            and not _goes_round(path)
        )

    def leads_on(self, url: str) -> bool:
        """Whether a link is worth following."""
        return self.covers(url) and _may_be_document(url)


def one_page(url: str) -> str:
    """The same for /a, /a/ and /a/index.html: which of them answers is up to the server."""
    return re.sub(r"/(?:index\.html?)?(?=\?|$)", "", url)


def same_page(url: str, other: str) -> bool:
    """For two addresses that one page gives itself, also /a and /a.html."""
    return re.sub(r"\.html?$", "", one_page(url)) == re.sub(r"\.html?$", "", one_page(other))


def is_mirror(url: str, canonical: str) -> bool:
    """A copy of a whole site, served elsewhere, still names the original in every page."""
    here, there = urlsplit(one_page(url)).path, urlsplit(one_page(canonical)).path
    return origin_of(url) != origin_of(canonical) and (here.endswith(there) or there.endswith(here))


def _may_be_document(url: str) -> bool:
    """By the suffix: not a picture, a script, an archive."""
    path = urlsplit(url).path
    if media_type_of(path):
        return True
    kind, encoding = KNOWN_TYPES.guess_type(PurePosixPath(path).name)
    return encoding is None and kind in (None, HTML, "application/xhtml+xml")


def _matches(path: str, patterns: Sequence[str]) -> bool:
    """`*` also crosses folders; the leading slash may be left out."""
    path = path.lstrip("/")
    return any(fnmatchcase(path, pattern.lstrip("/")) for pattern in patterns)


def _goes_round(path: str) -> bool:
    names = [name for name in path.split("/") if name]
    return any(names.count(name) > REPEATS for name in set(names))
