"""MkDocs: every file of docs_dir is published; snippets and included code are put in place."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

from dulwich.ignore import IgnoreFilter

from ingestion.parsing.formats import MARKDOWN, NOTEBOOK, media_type_of
from ingestion.parsing.routes import (
    MKDOCS,
    Inclusions,
    NotPublished,
    Page,
    Site,
    inside,
    joined,
    located,
    refuse_drafts,
    web_address,
)
from ingestion.parsing.sites.folder import Folder
from ingestion.parsing.sites.settings import mapping, read_settings, string, strings
from ingestion.parsing.sites.snippets import with_snippets

CONFIGS = ("mkdocs.yml", "mkdocs.yaml")
ALWAYS_EXCLUDED = ".*\n/templates/\n"
NAV_LIMIT = 20_000
INHERITED_LIMIT = 5
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,8})?")


@dataclass(frozen=True)
class MkdocsSite:
    place: str = ""
    url: str = ""
    base_path: str = "/"
    docs: str = "docs"
    directory_urls: bool = True
    excluded: str = ALWAYS_EXCLUDED  # patterns of .gitignore
    drafts: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)  # as the navigation has them
    language: str = ""
    notebooks: bool = False  # rendered by a plugin
    snippet_folders: tuple[str, ...] = ()
    alternates: Mapping[str, str] = field(default_factory=dict)  # translations: folder to address

    kind = MKDOCS

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.place, self.docs)

    def page(self, key: str, front_matter: Mapping[str, Any]) -> Page:
        path = inside(key, self.docs)
        if path is None:
            raise NotPublished("outside the folder that the site publishes")
        if _ignored(path, self.excluded):
            raise NotPublished("in exclude_docs of the site's configuration")
        if _ignored(path, self.drafts):
            raise NotPublished("in draft_docs of the site's configuration")
        refuse_drafts(front_matter)
        about = {"language": self.language, "title": self.titles.get(path, "")}
        return Page(self._route(path), {name: value for name, value in about.items() if value})

    def expanded(self, key: str, text: str, inclusions: Inclusions) -> str:
        folders = (*self.snippet_folders, self.place, self.docs, posixpath.dirname(key))
        return with_snippets(text, key=key, folders=folders, inclusions=inclusions)

    def _route(self, path: str) -> str:
        media_type = media_type_of(path)
        if media_type != MARKDOWN and not (media_type == NOTEBOOK and self.notebooks):
            return joined(self.base_path, path)  # copied as it is
        file = PurePosixPath(path)
        index = file.stem in ("index", "README")
        if self.directory_urls:
            folder = file.parent if index else file.with_suffix("")
            return joined(self.base_path, str(folder)).rstrip("/") + "/"
        return joined(self.base_path, str(file.parent), f"{'index' if index else file.stem}.html")


def _ignored(path: str, patterns: str) -> bool:
    lines = patterns.encode("utf-8", "replace").splitlines()
    filtered = IgnoreFilter(line for line in lines if line.strip() and not line.startswith(b"#"))
    steps = path.split("/")
    return any(
        filtered.is_ignored("/".join(steps[:depth]) + ("/" if depth < len(steps) else ""))
        for depth in range(1, len(steps) + 1)
    )


# Configuration


def find_mkdocs(folder: Folder, place: str) -> MkdocsSite | None:
    for name in CONFIGS:
        if folder.has(key := posixpath.join(place, name)):
            return _site(folder, place, _inherited(folder, key))
    return None


def _inherited(folder: Folder, key: str, depth: int = 0) -> dict[str, Any]:
    settings = read_settings(folder.text_or_nothing(key), ".yml")
    parent = settings.get("INHERIT")
    if not isinstance(parent, str) or depth > INHERITED_LIMIT:
        return settings
    above = _inherited(folder, located(posixpath.dirname(key), parent), depth + 1)
    return {**above, **settings}


def _site(folder: Folder, place: str, settings: Mapping[str, Any]) -> MkdocsSite:
    docs = located(place, string(settings.get("docs_dir"), "docs"))
    theme = mapping(settings.get("theme"))
    extensions = _options(settings.get("markdown_extensions"))
    snippets = strings(mapping(extensions.get("pymdownx.snippets")).get("base_path"))
    alternates = mapping(settings.get("extra")).get("alternate")
    url = web_address(settings.get("site_url"))
    return MkdocsSite(
        place=place,
        url=url,
        docs=docs,
        directory_urls=settings.get("use_directory_urls") not in (False, "false"),
        excluded=ALWAYS_EXCLUDED + string(settings.get("exclude_docs")),
        drafts=string(settings.get("draft_docs")),
        titles=dict(_titles(settings.get("nav"))),
        language=string(theme.get("language")),
        notebooks="mkdocs-jupyter" in _options(settings.get("plugins")),
        snippet_folders=tuple(located(place, path) for path in snippets),
        alternates=dict(_alternates(alternates, url)),
    )


def _options(value: object) -> dict[str, Any]:
    """A list of names, some with options, or a mapping of names to options."""
    if isinstance(value, dict):
        return value
    entries = value if isinstance(value, list) else []
    found: dict[str, Any] = {}
    for entry in entries:
        found |= entry if isinstance(entry, dict) else {str(entry): {}}
    return found


def _titles(nav: object) -> Iterator[tuple[str, str]]:
    waiting, count = [nav], 0
    while waiting and count < NAV_LIMIT:
        entry = waiting.pop()
        count += 1
        if isinstance(entry, list):
            waiting += entry
        elif isinstance(entry, dict):
            for title, value in entry.items():
                if isinstance(value, str):
                    yield value.removeprefix("./"), str(title or "")
                else:
                    waiting.append(value)


# Translations that lie beside a site, without a configuration of their own


def _alternates(listed: object, url: str) -> Iterator[tuple[str, str]]:
    """`extra.alternate` of Material: the last step of each address is the language's folder."""
    for entry in listed if isinstance(listed, list) else []:
        link = string(mapping(entry).get("link"))
        language = urlsplit(link).path.strip("/").rpartition("/")[2]
        if url and LANGUAGE.fullmatch(language):
            yield language, urljoin(url, link)


def find_translations(folder: Folder, site: Site) -> Iterator[Site]:
    """One generated configuration for all languages, as FastAPI has it: the rest as the first."""
    if not isinstance(site, MkdocsSite) or not site.place:
        return
    within = inside(site.docs, site.place)
    for language, url in site.alternates.items():
        place = posixpath.join(posixpath.dirname(site.place), language)
        docs = located(place, within or "")
        configured = any(folder.has(posixpath.join(place, name)) for name in CONFIGS)
        if within and place != site.place and folder.has_folder(docs) and not configured:
            address = web_address(url)
            yield replace(
                site,
                place=place,
                docs=docs,
                url=address,
                language=language,
                titles={},
                alternates={},
            )
