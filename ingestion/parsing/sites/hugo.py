"""Hugo: content in sections, bundles and languages; permalinks, slugs and addresses of its own."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ingestion.parsing.formats import HTML, MARKDOWN, REST, media_type_of
from ingestion.parsing.routes import (
    HUGO,
    Inclusions,
    NotPublished,
    Page,
    inside,
    joined,
    located,
    refuse_drafts,
    web_address,
)
from ingestion.parsing.sites.folder import Folder
from ingestion.parsing.sites.settings import mapping, read_settings, string, strings

FORMATS = (".toml", ".yaml", ".yml", ".json")
CONFIGS = tuple(f"hugo{suffix}" for suffix in FORMATS)
OLD_CONFIGS = tuple(f"config{suffix}" for suffix in FORMATS)
FOLDER = "config/_default"
FOLDER_CONFIGS = tuple(f"{FOLDER}/{name}" for name in (*CONFIGS, *OLD_CONFIGS))
TABLES = ("languages", "permalinks")  # may have a file each in config/_default
MARKS_OF_HUGO = ("archetypes", "layouts", "themes", "content")
RENDERED = (MARKDOWN, HTML, REST)

TOKEN = re.compile(r":(\w+)")
DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True)
class Language:
    code: str
    content: str  # its folder of content
    prefix: str  # of its routes: "" or "fr"
    url: str = ""
    named: bool = False  # the site has several, so documents may be told apart by it


@dataclass(frozen=True)
class HugoSite:
    place: str = ""
    url: str = ""
    base_path: str = "/"
    languages: tuple[Language, ...] = ()  # the default one first
    disabled: frozenset[str] = frozenset()
    static: tuple[str, ...] = ()
    permalinks: Mapping[str, str] = field(default_factory=dict)  # of pages, by section
    ugly: bool = False
    leaves: frozenset[str] = frozenset()  # folders that are one page with what belongs to it

    kind = HUGO

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.place, *(language.content for language in self.languages))

    def page(self, key: str, front_matter: Mapping[str, Any]) -> Page:
        for folder in self.static:
            if (path := inside(key, folder)) is not None:
                return Page(joined(self.base_path, path))
        held = [one for one in self.languages if inside(key, one.content) is not None]
        if not held:
            raise NotPublished("outside the folders that the site publishes")
        # Languages that share a folder are told apart by the suffix; the first is the default.
        longest = max(len(one.content) for one in held)
        held = [one for one in held if len(one.content) == longest]
        path = inside(key, held[0].content) or ""
        stem, code = self._language_of(path)
        if code in self.disabled:
            raise NotPublished(f"the site does not publish the language {code}")
        language = next((one for one in held if one.code == code), held[0])
        about = {"language": language.code} if language.named else {}
        route = self._route(path, stem, language, _lower(front_matter))
        return Page(route, about, language.url)

    def expanded(self, key: str, text: str, inclusions: Inclusions) -> str:
        return text

    def _language_of(self, path: str) -> tuple[str, str]:
        """The path without suffixes, and the language that one of them names."""
        stem = str(PurePosixPath(path).with_suffix(""))
        name, dot, code = stem.rpartition(".")
        if dot and (code in self.disabled or any(one.code == code for one in self.languages)):
            return name, code
        return stem, ""

    def _route(
        self, path: str, stem: str, language: Language, front_matter: Mapping[str, Any]
    ) -> str:
        folder, name = posixpath.split(stem)
        if media_type_of(path) not in RENDERED:
            if folder.split("/")[0] in self.permalinks:
                raise NotPublished("its address depends on the page that it belongs to")
            return joined(
                self.base_path, language.prefix, _segments(folder), posixpath.basename(path)
            )
        bundle = self._bundle_of(located(language.content, folder))
        if bundle is not None and (name != "index" or bundle != located(language.content, folder)):
            raise NotPublished("belongs to the page whose folder it lies in")
        refuse_drafts(front_matter, "draft", "headless")
        if mapping(front_matter.get("build") or front_matter.get("_build")).get("render") in (
            "never", "link", False,
        ):  # fmt: skip
            raise NotPublished("its front matter says that it is not rendered")
        if address := string(front_matter.get("url")):
            prefix = "" if address.startswith("/") else language.prefix
            ends = "/" if not posixpath.splitext(address)[1] else ""
            return joined(self.base_path, prefix, address).rstrip("/") + ends
        base = joined(self.base_path, language.prefix)
        if name == "_index":
            return joined(base, _segments(folder)).rstrip("/") + "/"
        if name == "index":
            folder, name = posixpath.split(folder)
        slug = string(front_matter.get("slug")) or name
        pattern = self.permalinks.get(folder.split("/")[0])
        place = _permalink(pattern, folder, name, front_matter) if pattern else None
        place = place or joined(_segments(folder), _segments(slug))
        route = joined(base, place)
        return f"{route}.html" if self.ugly and route != "/" else route.rstrip("/") + "/"

    def _bundle_of(self, folder: str) -> str | None:
        while folder and folder not in self.leaves:
            folder = posixpath.dirname(folder)
        return folder or None


def _segments(path: str) -> str:
    """As Hugo writes paths: small letters, hyphens for spaces, without most punctuation."""
    kept = (c for c in path if c.isalnum() or c in "./\\_#+~-@% " or not c.isascii())
    return "".join(kept).replace(" ", "-").lower()


def _permalink(pattern: str, folder: str, name: str, front_matter: Mapping[str, Any]) -> str | None:
    """None when something that the pattern asks for is not known."""
    moment = front_matter.get("date") or front_matter.get("publishdate")
    parts = DATE.match(moment.isoformat() if isinstance(moment, date) else str(moment or ""))
    title = string(front_matter.get("title")).replace("/", "-")
    slug = string(front_matter.get("slug"))
    known: dict[str, str] = {
        "section": folder.split("/")[0], "sections": folder, "title": title,
        "slug": slug or title, "filename": name, "contentbasename": name,
        "slugorfilename": slug or name, "slugorcontentbasename": slug or name,
    }  # fmt: skip
    if parts:
        known |= {"year": parts[1], "month": parts[2], "day": parts[3]}
    if any(not known.get(token) for token in TOKEN.findall(pattern)):
        return None
    return TOKEN.sub(lambda token: _segments(known[token[1]]), pattern)


def _lower(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hugo does not mind capitals in names."""
    return {str(name).lower(): value for name, value in values.items()}


# Configuration


def find_hugo(folder: Folder, place: str) -> HugoSite | None:
    for name in (*CONFIGS, *FOLDER_CONFIGS, *OLD_CONFIGS):
        if folder.has(key := posixpath.join(place, name)):
            settings = _lower(_read(folder, key))
            if name in OLD_CONFIGS and not _is_hugo(folder, place, settings):
                continue  # other tools have a config.toml, too
            if name in FOLDER_CONFIGS:
                settings |= {table: found for table, found in _tables(folder, place) if found}
            return _site(folder, place, settings)
    return None


def _read(folder: Folder, key: str) -> dict[str, Any]:
    return read_settings(folder.text_or_nothing(key), PurePosixPath(key).suffix)


def _is_hugo(folder: Folder, place: str, settings: Mapping[str, Any]) -> bool:
    return "baseurl" in settings and any(
        folder.has_folder(posixpath.join(place, name)) for name in MARKS_OF_HUGO
    )


def _tables(folder: Folder, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for table in TABLES:
        for suffix in FORMATS:
            yield table, _read(folder, posixpath.join(place, FOLDER, table + suffix))


def _site(folder: Folder, place: str, settings: Mapping[str, Any]) -> HugoSite:
    address = urlsplit(web_address(settings.get("baseurl")))
    languages = tuple(_languages(place, settings))
    return HugoSite(
        place=place,
        url=f"{address.scheme}://{address.netloc}" if address.netloc else "",
        base_path=joined(address.path or "/"),
        languages=languages,
        disabled=frozenset(strings(settings.get("disablelanguages")))
        | {
            code
            for code, options in mapping(settings.get("languages")).items()
            if _lower(mapping(options)).get("disabled") is True
        },
        static=tuple(located(place, p) for p in strings(settings.get("staticdir")) or ["static"]),
        permalinks=_permalinks(mapping(settings.get("permalinks"))),
        ugly=settings.get("uglyurls") is True,
        leaves=frozenset(_leaves(folder, {one.content for one in languages})),
    )


def _languages(place: str, settings: Mapping[str, Any]) -> Iterator[Language]:
    content = string(settings.get("contentdir"), "content")
    default = string(settings.get("defaultcontentlanguage"), "en")
    listed = {
        code: _lower(mapping(one)) for code, one in mapping(settings.get("languages")).items()
    }
    in_folder = settings.get("defaultcontentlanguageinsubdir") is True
    for code in sorted({default, *listed}, key=lambda code: (code != default, code)):
        options = listed.get(code, {})
        own = urlsplit(web_address(options.get("baseurl")))
        yield Language(
            code=code,
            content=located(place, string(options.get("contentdir"), content)),
            prefix="" if own.netloc or (code == default and not in_folder) else code.lower(),
            url=f"{own.scheme}://{own.netloc}" if own.netloc else "",
            named=bool(listed),
        )


def _permalinks(settings: Mapping[str, Any]) -> dict[str, str]:
    patterns = {**settings, **mapping(settings.get("page"))}
    return {name: value for name, value in patterns.items() if isinstance(value, str)}


def _leaves(folder: Folder, contents: set[str]) -> Iterator[str]:
    """Folders with an index page: all that lies in them belongs to that page."""
    waiting = sorted(contents)
    for place in waiting:
        if place not in contents and any(True for _ in folder.files(place, "index.*")):
            yield place
        else:
            waiting.extend(folder.folders(place))
