"""What a site says of one of its files: the page it becomes, or why it becomes none."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

DOCUSAURUS = "docusaurus"
MKDOCS = "mkdocs"
MDBOOK = "mdbook"
HUGO = "hugo"
PLAIN = "plain"

WEB = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    route: str  # its place on the site, from the site's base path on
    about: Mapping[str, Any] = field(default_factory=dict)  # version, language, title
    url: str = ""  # of the site, where a language has a host of its own
    media_type: str = ""  # where the site reads the file otherwise than its suffix says


class NotPublished(Exception):
    """The file is no page of its site; the message is a reason fit for a report."""


@dataclass(frozen=True)
class Included:
    """The text of another file that a page takes in."""

    key: str
    text: str
    chain: tuple[str, ...]  # give it on for what this text includes in its turn


class Inclusions(Protocol):
    """What a page may take in from other files; sites.inclusions has the one that reads them."""

    def text(
        self, candidates: Sequence[str], *, chain: tuple[str, ...], named: str
    ) -> Included | None: ...


class Site(Protocol):
    """How one folder of documents is published."""

    @property
    def kind(self) -> str: ...

    @property
    def url(self) -> str: ...  # as its configuration says; "" for none

    @property
    def base_path(self) -> str: ...  # routes include it

    @property
    def folders(self) -> tuple[str, ...]: ...  # that belong to it, by key; "" is the root

    def page(self, key: str, front_matter: Mapping[str, Any]) -> Page:
        """Raises NotPublished."""
        ...

    def expanded(self, key: str, text: str, inclusions: Inclusions) -> str:
        """The text with everything in it that the site takes from other files."""
        ...


def page_url(base_url: str, route: str, base_path: str = "/") -> str:
    """The address of a page. `base_path` is not doubled if `base_url` already ends with it."""
    path = base_path.rstrip("/")
    if path and urlsplit(base_url).path.rstrip("/").endswith(path):
        route = route.removeprefix(path)
    route = quote(route, safe="/@:!$&'()*+,;=~%")
    return f"{base_url.rstrip('/')}/{route.lstrip('/')}" if base_url else route


def web_address(url: object) -> str:
    """Nothing for anything else: a repository's own configuration may say `javascript:`."""
    return url if isinstance(url, str) and WEB.match(url) else ""


def inside(key: str, folder: str) -> str | None:
    """The key as seen from the folder; None when it does not lie in it."""
    if not folder:
        return key
    return key.removeprefix(folder + "/") if key.startswith(folder + "/") else None


def joined(*parts: str) -> str:
    """Parts as one absolute path with single slashes and no slash at its end."""
    steps = [part.strip("/") for part in parts if part.strip("/") and part != "."]
    return posixpath.normpath("/" + "/".join(steps))


def located(*parts: str) -> str:
    """Parts as the key of a folder: relative, "" for the root."""
    path = posixpath.normpath(posixpath.join("", *(part or "." for part in parts)))
    return "" if path == "." else path.strip("/")


def refuse_drafts(front_matter: Mapping[str, Any], *words: str) -> None:
    for word in words or ("draft", "unlisted"):
        if front_matter.get(word) in (True, "true"):
            raise NotPublished(f"{word}: true in its front matter")
