"""mdBook: SUMMARY.md says what is a page; `{{#include}}` and its kin are put in place."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ingestion.parsing.formats import MARKDOWN, media_type_of
from ingestion.parsing.routes import (
    MDBOOK,
    Inclusions,
    NotPublished,
    Page,
    inside,
    joined,
    located,
    web_address,
)
from ingestion.parsing.sites.folder import Folder
from ingestion.parsing.sites.settings import mapping, read_settings, string

CONFIG = "book.toml"
CHAPTER = re.compile(r"\[(?P<title>(?:[^\[\]]|\[[^\]]*\])*)\]\(<?(?P<path>[^()<>\n]*)>?\)")
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
LINK = re.compile(
    r"\\\{\{#[^{}\n]*\}\}"
    r"|\{\{[ \t]*#(?P<name>include|rustdoc_include|playground|playpen|title)"
    r"[ \t]+(?P<rest>[^{}\n]+)\}\}"
)
TARGET = re.compile(r'"(?P<quoted>[^"]+)"(?::(?P<after>\S+))?|(?P<path>[^\s:]+)(?::(?P<part>\S+))?')
ANCHOR = re.compile(r"ANCHOR(?P<end>_END)?:\s*(?P<name>[\w-]+)")


@dataclass(frozen=True)
class MdbookSite:
    place: str = ""
    url: str = ""
    base_path: str = "/"
    source: str = "src"
    titles: Mapping[str, str] = field(default_factory=dict)  # of the chapters, by path
    language: str = ""

    kind = MDBOOK

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.place, self.source)

    def page(self, key: str, front_matter: Mapping[str, Any]) -> Page:
        path = inside(key, self.source)
        if path is None:
            raise NotPublished("outside the folder that the book is made of")
        if media_type_of(key) != MARKDOWN:
            return Page(joined(self.base_path, path))  # copied as it is
        if path not in self.titles:
            raise NotPublished("SUMMARY.md does not list it")
        file = PurePosixPath(path)
        name = "index" if file.stem.lower() == "readme" else file.stem
        about = {"title": self.titles[path], "language": self.language}
        return Page(
            joined(self.base_path, str(file.parent), f"{name}.html"),
            {word: value for word, value in about.items() if value},
        )

    def expanded(self, key: str, text: str, inclusions: Inclusions) -> str:
        return with_links(text, folder=posixpath.dirname(key), inclusions=inclusions, chain=(key,))


def find_mdbook(folder: Folder, place: str) -> MdbookSite | None:
    key = posixpath.join(place, CONFIG)
    if not folder.has(key):
        return None
    settings = read_settings(folder.text_or_nothing(key), ".toml")
    book = mapping(settings.get("book"))
    address = string(mapping(mapping(settings.get("output")).get("html")).get("site-url"))
    source = located(place, string(book.get("src"), "src"))
    return MdbookSite(
        place=place,
        url=_origin(address),
        base_path=joined(urlsplit(address).path or "/"),
        source=source,
        titles=chapters(folder.text_or_nothing(posixpath.join(source, "SUMMARY.md"))),
        language=string(book.get("language")),
    )


def _origin(address: str) -> str:
    """`site-url` is a path as a rule; with a host, that is the site's."""
    parts = urlsplit(web_address(address))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def chapters(summary: str) -> dict[str, str]:
    """Paths to titles; a draft has no path and so is none."""
    found: dict[str, str] = {}
    for chapter in CHAPTER.finditer(COMMENT.sub("", summary)):
        path = located(unquote(chapter["path"].strip()))
        if path and not chapter["path"].startswith("#"):
            found.setdefault(path, chapter["title"].replace("`", "").strip())
    return found


def with_links(text: str, *, folder: str, inclusions: Inclusions, chain: tuple[str, ...]) -> str:
    if "{{" not in text:
        return text
    pieces, position = [], 0
    for link in LINK.finditer(text):
        before = text[position : link.start()]
        position = link.end()
        pieces.append(before)
        if link["name"] is None:
            pieces.append(link[0][1:])  # escaped: shown without its backslash
        elif link["name"] != "title":
            included = _included(link, folder, inclusions, chain)
            # Lines after the first stand as deep as the link does.
            lead = (pieces[-1] if "\n" in before else "".join(pieces)[-500:]).rpartition("\n")[2]
            pieces.append(f"\n{lead}".join(included.rstrip("\n").split("\n")))
    return "".join(pieces) + text[position:]


def _included(
    link: re.Match[str], folder: str, inclusions: Inclusions, chain: tuple[str, ...]
) -> str:
    target = TARGET.match(link["rest"].strip())
    if target is None:
        return ""
    path, part = target["quoted"] or target["path"], target["after"] or target["part"] or ""
    found = inclusions.text([located(folder, path)], chain=chain, named=link[0])
    if found is None:
        return ""
    playground = link["name"] in ("playground", "playpen")
    text = found.text if playground else _part_of(found.text, part)
    text = with_links(
        text, folder=posixpath.dirname(found.key), inclusions=inclusions, chain=found.chain
    )
    return f"```rust\n{text.strip(chr(10))}\n```" if playground else text


def _part_of(text: str, part: str) -> str:
    """`2:10`, `2:`, `:10`, `2` or the name of an anchor. What rustdoc_include hides is left out."""
    rows = text.split("\n")
    first, colon, last = part.partition(":")
    if first and not first.isdecimal():
        return "\n".join(_anchored(rows, first))
    if part:
        start = max(int(first or 1), 1)
        end = (int(last) if last.isdecimal() else None) if colon else start
        rows = rows[start - 1 : end]
    return "\n".join(rows)


def _anchored(rows: list[str], name: str) -> list[str]:
    kept, inside = [], False
    for row in rows:
        anchor = ANCHOR.search(row) if "ANCHOR" in row else None
        if anchor is None:
            kept += [row] if inside else []
        elif anchor["name"] == name:
            if inside and anchor["end"]:
                break
            inside = inside or not anchor["end"]
    return kept
