"""Docusaurus 3: docs in versions, blogs and pages, all in languages, with their partials."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ingestion.parsing.formats import MARKDOWN, MDX
from ingestion.parsing.routes import (
    DOCUSAURUS,
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
from ingestion.parsing.sites.globs import matches_any
from ingestion.parsing.sites.javascript import Script
from ingestion.parsing.sites.partials import with_partials
from ingestion.parsing.sites.settings import mapping, read_settings, string, strings

CONFIGS = tuple(f"docusaurus.config.{end}" for end in ("js", "ts", "mjs", "cjs", "mts"))
CONFIG_KEYS = frozenset(
    "title url baseUrl i18n presets plugins themes themeConfig trailingSlash onBrokenLinks".split()
)
CURRENT = "current"
MANY = 100  # of versions, languages or plugins: more is no site, but an attack on this reader
EXCLUDED = (
    "**/_*.{js,jsx,ts,tsx,md,mdx}",
    "**/_*/**",
    "**/*.test.{js,jsx,ts,tsx}",
    "**/__tests__/**",
)
NUMBER_PREFIX = re.compile(r"^\d+\s*[-_.]+\s*(?=[^-_.\s])")
NO_NUMBER_PREFIX = re.compile(r"^\d+[-_.]\d+")  # dates and versions: 2021-11-foo, 7.0-bar
INDEX_NAMES = ("index", "readme")
DATED = re.compile(
    r"(?P<folder>.*)(?P<date>\d{4}[-/]\d{1,2}[-/]\d{1,2})[-/]?(?P<text>.*?)(?:/index)?\.mdx?"
)


@dataclass(frozen=True)
class Collection:
    """One folder of one plugin, in one version and one language."""

    kind: str  # docs, blog or pages
    folder: str
    base: str  # the route of the folder
    home: str = "/"  # that of its language: the one route that always ends with a slash
    about: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    numbered: bool = True  # `01-name` loses its number
    include: tuple[str, ...] = ("**/*.{md,mdx}",)
    exclude: tuple[str, ...] = EXCLUDED


@dataclass(frozen=True)
class DocusaurusSite:
    place: str = ""  # the folder of the configuration
    url: str = ""
    base_path: str = "/"
    collections: tuple[Collection, ...] = ()
    static: tuple[str, ...] = ()
    trailing_slash: bool | None = None
    format: str = "mdx"  # how .md is read: mdx, md or detect

    kind = DOCUSAURUS

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.place, *(collection.folder for collection in self.collections))

    def page(self, key: str, front_matter: Mapping[str, Any]) -> Page:
        for folder in self.static:
            if (path := inside(key, folder)) is not None:
                return Page(joined(self.base_path, path))
        held = [c for c in self.collections if inside(key, c.folder) is not None]
        collection = max(held, key=lambda one: len(one.folder), default=None)
        if collection is None:
            raise NotPublished("outside the folders that the site publishes")
        path = inside(key, collection.folder) or ""
        if not matches_any(path, collection.include):
            raise NotPublished("not copied to the site: only what lies in its static folders is")
        if matches_any(path, collection.exclude):
            if any(name.startswith("_") for name in path.split("/")):
                raise NotPublished("a partial: its name begins with _")
            raise NotPublished("excluded by the site's configuration")
        refuse_drafts(front_matter)
        slug = _slug(collection, path, front_matter)
        route = joined(collection.base, slug)
        slash = slug.endswith("/") if self.trailing_slash is None else self.trailing_slash
        if route != "/" and (slash or route == collection.home):
            route += "/"
        return Page(route, collection.about, collection.url, self._media_type(key, front_matter))

    def expanded(self, key: str, text: str, inclusions: Inclusions) -> str:
        return with_partials(text, key=key, place=self.place, inclusions=inclusions)

    def _media_type(self, key: str, front_matter: Mapping[str, Any]) -> str:
        chosen = string(mapping(front_matter.get("mdx")).get("format"), self.format)
        if chosen == "detect":
            return MDX if key.endswith(".mdx") else MARKDOWN
        return MARKDOWN if chosen == "md" else MDX


# Routes


def _slug(collection: Collection, path: str, front_matter: Mapping[str, Any]) -> str:
    """Below the collection; ends with a slash where the page is the index of a folder."""
    given = front_matter.get("slug")
    slug = None if given is None or given == "" else str(given)
    match collection.kind:
        case "docs":
            return _docs_slug(path, slug, front_matter.get("id"), collection.numbered)
        case "blog":
            return slug or _blog_slug(path)
    name = re.sub(r"\.mdx?$", "", path)
    return slug or re.sub(r"(^|/)index$", r"\1", name, flags=re.IGNORECASE) or "/"


def _docs_slug(path: str, slug: str | None, identifier: object, numbered: bool) -> str:
    """The rules of plugin-content-docs: slug, else id, else file name, under its folder."""
    *folders, name = path.split("/")
    name = PurePosixPath(name).stem

    def plain(word: str) -> str:
        return (
            NUMBER_PREFIX.sub("", word) if numbered and not NO_NUMBER_PREFIX.match(word) else word
        )

    directory = "/" + "".join(f"{plain(folder)}/" for folder in folders)
    if slug:
        return posixpath.join(directory, slug)
    if name.lower() in (*INDEX_NAMES, *(folder.lower() for folder in folders[-1:])):
        return directory
    return posixpath.join(directory, str(identifier) if identifier else plain(name))


def _blog_slug(path: str) -> str:
    if dated := DATED.fullmatch(path):
        date = dated["date"].replace("-", "/")
        return f"/{date}/{dated['folder']}{dated['text']}"
    return "/" + re.sub(r"(?:/index)?\.mdx?$", "", path)


# Configuration


def find_docusaurus(folder: Folder, place: str) -> DocusaurusSite | None:
    for name in CONFIGS:
        if folder.has(key := posixpath.join(place, name)):
            return _Reader(folder, place, folder.text_or_nothing(key)).site()
    return None


class _Reader:
    """From a configuration and what lies beside it to collections; unclear parts are defaults."""

    def __init__(self, folder: Folder, place: str, source: str):
        self.folder, self.place = folder, place
        self.config = Script(source).best_object(CONFIG_KEYS)
        self.base_path = joined(string(self.config.get("baseUrl"), "/"))
        i18n = mapping(self.config.get("i18n"))
        self.default_locale = string(i18n.get("defaultLocale"))
        self.locales = strings(i18n.get("locales"))[:MANY]
        self.locale_configs = mapping(i18n.get("localeConfigs"))
        self.translations = located(place, string(i18n.get("path"), "i18n"))

    def site(self) -> DocusaurusSite:
        slash = self.config.get("trailingSlash")
        static = strings(self.config.get("staticDirectories")) or ["static"]
        return DocusaurusSite(
            place=self.place,
            url=web_address(self.config.get("url")),
            base_path=self.base_path,
            collections=tuple(self._collections()),
            static=tuple(located(self.place, path) for path in static),
            trailing_slash=slash if isinstance(slash, bool) else None,
            format=string(mapping(self.config.get("markdown")).get("format"), "mdx"),
        )

    def _collections(self) -> Iterator[Collection]:
        for kind, options in self._plugins():
            identifier = string(options.get("id"), "default")
            if kind == "docs":
                yield from self._docs(options, identifier)
                continue
            path = string(options.get("path"), "blog" if kind == "blog" else "src/pages")
            route = string(options.get("routeBasePath"), "blog" if kind == "blog" else "/")
            yield from self._in_languages(
                kind, options, identifier, located(self.place, path), route
            )

    def _plugins(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What publishes documents, with its options: of the preset, and on its own."""
        presets = self.config.get("presets")
        for preset in presets if isinstance(presets, list) else [["classic", {}]]:
            name, options = _named(preset)
            if name.endswith(("classic", "preset-classic")):
                for kind in ("docs", "blog", "pages"):
                    if options.get(kind) is not False:
                        yield kind, mapping(options.get(kind))
        plugins = self.config.get("plugins")
        for plugin in plugins[:MANY] if isinstance(plugins, list) else []:
            name, options = _named(plugin)
            if match := re.fullmatch(r"(?:@docusaurus/plugin-)?content-(docs|blog|pages)", name):
                yield match[1], options

    def _docs(self, options: Mapping[str, Any], identifier: str) -> Iterator[Collection]:
        prefix = "" if identifier == "default" else f"{identifier}_"
        route = string(options.get("routeBasePath"), "docs")
        all_versions = self._versions(options, prefix)
        only = strings(options.get("onlyIncludeVersions"))
        versions = [name for name in all_versions if not only or name in only]
        released = [name for name in versions if name != CURRENT]
        last = string(options.get("lastVersion"), released[0] if released else CURRENT)
        for version in versions:
            settings = mapping(mapping(options.get("versions")).get(version))
            default = "" if version == last else "next" if version == CURRENT else version
            label = string(settings.get("label"), "Next" if version == CURRENT else version)
            if version == CURRENT:
                folder = located(self.place, string(options.get("path"), "docs"))
            else:
                folder = located(self.place, f"{prefix}versioned_docs", f"version-{version}")
            yield from self._in_languages(
                "docs", options, identifier, folder,
                joined(route, string(settings.get("path"), default)),
                subfolder=CURRENT if version == CURRENT else f"version-{version}",
                about={"version": label} if len(all_versions) > 1 else {},
            )  # fmt: skip

    def _versions(self, options: Mapping[str, Any], prefix: str) -> list[str]:
        key = posixpath.join(self.place, f"{prefix}versions.json")
        text = self.folder.text_or_nothing(key)
        listed = strings(read_settings(f'{{"names": {text or "[]"}}}', ".json").get("names"))
        versions = [] if options.get("disableVersioning") is True else listed
        if options.get("includeCurrentVersion") is not False and CURRENT not in versions:
            versions = [CURRENT, *versions]
        return versions[:MANY]

    def _in_languages(
        self, kind: str, options: Mapping[str, Any], identifier: str, folder: str, route: str,
        *, subfolder: str = "", about: Mapping[str, str] = {},
    ) -> Iterator[Collection]:  # fmt: skip
        """The folder itself, and its translations."""
        common: dict[str, Any] = {
            "kind": kind,
            "numbered": options.get("numberPrefixParser") is not False,
        }
        for name in ("include", "exclude"):
            if isinstance(options.get(name), list):
                common[name] = tuple(strings(options[name]))
        language = {"language": self.default_locale} if self.default_locale else {}
        yield Collection(
            folder=folder,
            base=joined(self.base_path, route),
            home=self.base_path,
            about={**about, **language},
            **common,
        )
        plugin = f"docusaurus-plugin-content-{kind}"
        plugin += "" if identifier == "default" else f"-{identifier}"
        for locale in self.locales:
            settings = mapping(self.locale_configs.get(locale))
            default = "" if locale == self.default_locale else locale
            own = string(settings.get("baseUrl"))
            home = joined(own) if own else joined(self.base_path, default)
            path = string(settings.get("path"), locale)
            yield Collection(
                folder=located(self.translations, path, plugin, subfolder),
                base=joined(home, route),
                home=home,
                about={**about, "language": locale},
                url=web_address(settings.get("url")),
                **common,
            )


def _named(entry: object) -> tuple[str, Mapping[str, Any]]:
    """A plugin or preset: its name, or a list of its name and its options."""
    if isinstance(entry, list) and entry:
        return string(entry[0]), mapping(entry[1] if len(entry) > 1 else None)
    return string(entry), {}
