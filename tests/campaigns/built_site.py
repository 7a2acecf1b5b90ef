"""A built Docusaurus site: served as a static host does, and its pages read by lxml alone.

Nothing of the application is imported here: this is what it is held against.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from lxml import html
from lxml.html import HtmlElement

BLOCKS = frozenset("p div li td th tr br summary pre dt dd section article header".split())
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
INVISIBLE = "\u200b\u200c\u200d\u2060\ufe0f\ufeff"


def having(*names: str) -> str:
    """A condition of XPath: one of these classes; with `_` at its end, what CSS modules made."""
    return " or ".join(
        f"contains(concat(' ', normalize-space(@class)), ' {name}')"
        if name.endswith("_")
        else f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"
        for name in names
    )


# What an author wrote; else a list that the site made.
CONTENT = (
    f"//*[{having('markdown')}]", f"//*[{having('generatedIndexPage_')}]", "//main//article",
    "//main",
)  # fmt: skip
# Never content, though inside of it.
NOISE = (
    "self::nav or self::aside or self::button or self::script or self::style or self::footer"
    " or @data-footnote-ref or @data-footnote-backref or @role = 'tablist'"
    f" or self::span[parent::*[{having('tagWithCount_')}]] or "
    + having(
        "hash-link", "table-of-contents", "theme-doc-version-badge", "theme-doc-version-banner",
        "theme-doc-card-icon", "codeBlockLineNumber_",
    )
)  # fmt: skip


@dataclass(frozen=True)
class BuiltPage:
    tree: HtmlElement = field(repr=False)

    @cached_property
    def ids(self) -> set[str]:
        return set(self.tree.xpath("//@id"))

    @cached_property
    def words(self) -> list[str]:
        """Of the content, in reading order; those of headings left out."""
        return words(" ".join(text_of(root, HEADINGS) for root in self._content))

    @cached_property
    def headings(self) -> set[tuple[str, str]]:
        """Text and id of each; the main one may stand above the content."""
        found = {node for level in HEADINGS for node in self.tree.iterfind(f".//main//{level}")}
        found.update(self.tree.iter("h1"))
        return {(text_of(heading), heading.get("id", "")) for heading in found}

    @cached_property
    def around(self) -> set[str]:
        """Each text around the content, unless the content or a heading says the same."""
        nodes = set(self.tree.xpath("//body//*[not(self::script or self::style)]"))
        for root in self._content:
            nodes -= set(root.iter()) - noise_of(root)
        texts = {spaced(text) for node in nodes for text in node.xpath("text()")}
        own = phrase([*self.words, *(name for name, _id in self.headings)])
        return {text for text in texts if words(text) and phrase([text]) not in own}

    @cached_property
    def _content(self) -> list[HtmlElement]:
        return next(filter(None, (self.tree.xpath(path) for path in CONTENT)), [])


def text_of(root: HtmlElement, without: tuple[str, ...] = ()) -> str:
    """In reading order, a tab's name before what it holds."""
    noise = noise_of(root)
    pieces: list[str] = []

    def walk(node: HtmlElement) -> None:
        if isinstance(node.tag, str) and node not in noise and node.tag not in without:
            pieces.extend([beside(node), node.text or ""])
            for child in node:
                walk(child)
                pieces.append(child.tail or "")
            pieces.append(" " if node.tag in BLOCKS else "")

    walk(root)
    return spaced("".join(pieces))


def beside(node: HtmlElement) -> str:
    """What a picture says in three words or more; the name of a tab."""
    if node.get("role") == "tabpanel":
        tabs = node.getparent().getparent().xpath("./*[@role='tablist']/*")
        return f"{tabs[node.getparent().index(node)].text_content()} "
    alt = node.get("alt", "") if node.tag == "img" else ""
    return alt if len(alt.split()) > 2 else ""


def noise_of(root: HtmlElement) -> set[HtmlElement]:
    return {inner for node in root.xpath(f".//*[{NOISE}]") for inner in node.iter()}


def spaced(text: str) -> str:
    """As a reader sees it."""
    return " ".join(text.translate(dict.fromkeys(map(ord, INVISIBLE))).split())


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def phrase(texts: Iterable[str]) -> str:
    """To be looked for in another: whole words only."""
    return f" {' '.join(words(' '.join(texts)))} "


def pages_of(build: Path, base_path: str) -> dict[str, BuiltPage]:
    """By path, without a slash at its end."""
    pages = {}
    for file in build.rglob("*.html"):
        route = f"{base_path}/{file.relative_to(build).as_posix()}"
        if file.name != "404.html":
            route = route.removesuffix(".html")
            route = route.removesuffix("/index") if file.name == "index.html" else route
        pages[route] = BuiltPage(html.fromstring(file.read_bytes()))
    return pages


def page_and_anchor(url: str) -> tuple[str, str]:
    """As `pages_of` names pages, and as an id is written."""
    parts = urlsplit(url)
    return unquote(parts.path).rstrip("/"), unquote(parts.fragment)


def sitemap_paths(build: Path) -> Iterator[str]:
    for sitemap in build.rglob("sitemap.xml"):
        for address in html.fromstring(sitemap.read_bytes()).xpath("//loc/text()"):
            yield unquote(urlsplit(address).path)


class Host(ThreadingHTTPServer):
    """A static host on loopback: /x is x.html or x/index.html, and there is nothing else."""

    daemon_threads = True

    def __init__(self, base_path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.base_path, self.build = base_path, Path()
        self.asked: list[tuple[str, int]] = []  # path and status

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def origin(self) -> str:
        return f"http://{self.address}"

    @contextmanager
    def serving(self, build: Path) -> Iterator[None]:
        self.build = build.resolve()
        thread = Thread(target=self.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()

    def file_for(self, path: str) -> Path | None:
        """None: 404."""
        path = unquote(urlsplit(path).path)
        if path != self.base_path and not path.startswith(f"{self.base_path}/"):
            return None
        wanted = self.build / path.removeprefix(self.base_path).strip("/")
        if ".." in wanted.parts:
            return None
        candidates = (wanted, wanted.with_name(f"{wanted.name}.html"), wanted / "index.html")
        return next((file for file in candidates if file.is_file()), None)


class _Answer(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    server: Host

    def translate_path(self, path: str) -> str:
        return str(self.server.file_for(path) or "/nowhere")

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        self.server.asked.append((self.path, int(code)))

    def log_message(self, *args: Any) -> None:
        pass
