"""Which page of the site a file becomes: Docusaurus, MkDocs, or a plain folder."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

DOCUSAURUS = "docusaurus"
MKDOCS = "mkdocs"
PLAIN = "plain"

DOCUSAURUS_CONFIGS = tuple(f"docusaurus.config.{end}" for end in ("js", "ts", "mjs", "cjs", "mts"))
MKDOCS_CONFIGS = ("mkdocs.yml", "mkdocs.yaml")

JS_NOISE = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|/\*.*?\*/|//[^\n]*""", re.DOTALL
)
JS_PIECE = re.compile(
    r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|[\[({]|[\])}]""", re.DOTALL
)
PLUGIN = re.compile(r"""['"](?:@docusaurus/plugin-)?content-docs['"]""")
STRING = re.compile(r"""['"]([^'"\n]*)['"]""")
NUMBER_PREFIX = re.compile(r"^\d+\s*[-_.]+\s*(?=[^-_.\s])")
NO_NUMBER_PREFIX = re.compile(r"^\d+[-_.]\d+")  # dates and versions: 2021-11-foo, 7.0-bar
INDEX_NAMES = ("index", "readme")
WEB = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class DocsFolder:
    """One instance of Docusaurus' docs plugin."""

    path: str = "docs"
    route_base_path: str = "docs"


@dataclass(frozen=True)
class Site:
    """How one folder of documents is published."""

    kind: str = PLAIN
    url: str = ""  # as its configuration says
    base_path: str = "/"  # Docusaurus' baseUrl; routes include it
    folders: tuple[DocsFolder, ...] = ()
    trailing_slash: bool | None = None

    def route(self, key: str, front_matter: Mapping[str, Any] | None = None) -> str | None:
        """The page's place on the site; None when it is not published (see `why_skipped`)."""
        front_matter = front_matter or {}
        if self.why_skipped(key, front_matter):
            return None
        if self.kind == DOCUSAURUS:
            return self._docusaurus_route(key, front_matter)
        if self.kind == MKDOCS:
            return self._mkdocs_route(key)
        return _without_suffix(key)

    def why_skipped(self, key: str, front_matter: Mapping[str, Any] | None = None) -> str:
        """A reason fit for a report, or "" when the file is a page."""
        for word in ("draft", "unlisted"):
            if (front_matter or {}).get(word) in (True, "true"):
                return f"{word}: true in its front matter"
        if self.kind == PLAIN:
            return ""
        folder = self._folder(key)
        if folder is None:
            return "outside the folders that the site publishes"
        names = _inside(key, folder.path).split("/")
        if self.kind == DOCUSAURUS and any(name.startswith("_") for name in names):
            return "a partial: its name begins with _"
        return ""

    def _folder(self, key: str) -> DocsFolder | None:
        holding = [f for f in self.folders if f.path in ("", ".") or key.startswith(f.path + "/")]
        return max(holding, key=lambda folder: len(folder.path), default=None)

    def _docusaurus_route(self, key: str, front_matter: Mapping[str, Any]) -> str:
        folder = self._folder(key)
        assert folder is not None  # noqa: S101 why_skipped has seen to it
        slug = _docusaurus_slug(_inside(key, folder.path), front_matter)
        route = _joined(self.base_path, folder.route_base_path, slug)
        return route + "/" if self.trailing_slash and route != "/" else route

    def _mkdocs_route(self, key: str) -> str:
        folder = self._folder(key)
        assert folder is not None  # noqa: S101 why_skipped has seen to it
        path = PurePosixPath(_inside(key, folder.path))
        directory = path.parent if path.stem.lower() in INDEX_NAMES else path.with_suffix("")
        if self.trailing_slash:
            return _joined(str(directory)).rstrip("/") + "/"
        name = "index" if path.stem.lower() in INDEX_NAMES else path.stem
        return _joined(str(path.parent), f"{name}.html")


def recognise(root: Path) -> Site:
    """The kind of site by the configuration file in its root folder."""
    for name in DOCUSAURUS_CONFIGS:
        if (config := root / name).is_file():
            return read_docusaurus_config(config.read_text("utf-8", "replace"))
    for name in MKDOCS_CONFIGS:
        if (config := root / name).is_file():
            return read_mkdocs_config(config.read_text("utf-8", "replace"))
    return Site()


def page_url(base_url: str, route: str, base_path: str = "/") -> str:
    """The address of a page. `base_path` is not doubled if `base_url` already ends with it."""
    path = base_path.rstrip("/")
    if path and urlsplit(base_url).path.rstrip("/").endswith(path):
        route = route.removeprefix(path)
    route = quote(route, safe="/@:!$&'()*+,;=~%")
    return f"{base_url.rstrip('/')}/{route.lstrip('/')}" if base_url else route


def duplicates(routes: Mapping[str, str]) -> dict[str, list[str]]:
    """Routes that several keys claim, with those keys; `routes` maps keys to routes."""
    keys = defaultdict(list)
    for key, route in routes.items():
        keys[route.rstrip("/") or "/"].append(key)
    return {route: claimed for route, claimed in keys.items() if len(claimed) > 1}


# Docusaurus


def _docusaurus_slug(path: str, front_matter: Mapping[str, Any]) -> str:
    """The rules of plugin-content-docs: slug, else id, else file name, under its folder."""
    *folders, name = path.split("/")
    name = PurePosixPath(name).stem
    directory = "/" + "".join(f"{_unnumbered(folder)}/" for folder in folders)
    slug = front_matter.get("slug")
    if slug is not None and str(slug):
        return posixpath.join(directory, str(slug))
    if name.lower() in (*INDEX_NAMES, *(folder.lower() for folder in folders[-1:])):
        return directory
    identifier = front_matter.get("id")
    return posixpath.join(directory, str(identifier) if identifier else _unnumbered(name))


def _unnumbered(name: str) -> str:
    return name if NO_NUMBER_PREFIX.match(name) else NUMBER_PREFIX.sub("", name)


def read_docusaurus_config(source: str) -> Site:
    """What routes need to know, read without running the JavaScript; unclear parts are defaults."""
    source = JS_NOISE.sub(lambda match: match[1] or " ", source)
    base_path = _string_value(source, "baseUrl") or "/"
    slash = re.search(r"\btrailingSlash\s*:\s*(true|false)\b", source)
    return Site(
        kind=DOCUSAURUS,
        url=_web_address(_string_value(source, "url")),
        base_path=_joined(base_path),
        folders=tuple(_docs_folders(source)) or (DocsFolder(),),
        trailing_slash=slash[1] == "true" if slash else None,
    )


def _docs_folders(source: str) -> list[DocsFolder]:
    folders = []
    if presets := re.search(r"\bpresets\s*:\s*(?=\[)", source):
        preset = _balanced(source, presets.end())
        docs = re.search(r"\bdocs\s*:\s*(?P<value>\{|false\b)?", preset)
        if docs is None or docs["value"] is None:
            folders.append(DocsFolder())
        elif docs["value"] == "{":
            folders.append(_docs_folder(_balanced(preset, docs.start("value"))))
    for plugin in PLUGIN.finditer(source):
        options = re.compile(r"\s*,\s*\(?\s*(?=\{)").match(source, plugin.end())
        folders.append(_docs_folder(_balanced(source, options.end()) if options else ""))
    return list(dict.fromkeys(folders))


def _docs_folder(options: str) -> DocsFolder:
    options = _own_keys(options)
    path = _string_value(options, "path")
    route = _string_value(options, "routeBasePath")
    return DocsFolder(
        path="docs" if path is None else posixpath.normpath(path).strip("/"),
        route_base_path="docs" if route is None else route,
    )


def _balanced(source: str, start: int) -> str:
    """From the bracket at `start` to the one that closes it."""
    depth = 0
    for piece in JS_PIECE.finditer(source, start):
        depth += (piece[0] in "[({") - (piece[0] in "])}")
        if depth == 0:
            return source[start : piece.end()]
    return source[start:]


def _own_keys(options: str) -> str:
    """The inside of an object without the objects, lists and calls nested in it."""
    kept, depth, position = [], 0, 0
    for piece in JS_PIECE.finditer(options):
        if piece[0] in "[({":
            if depth == 1:
                kept.append(options[position : piece.start()])
            depth += 1
            position = piece.end() if depth == 1 else position
        elif piece[0] in "])}":
            depth -= 1
            position = piece.end() if depth == 1 else position
            if depth == 0:
                kept.append(options[position : piece.start()])
    return " ".join(kept)


def _string_value(source: str, key: str) -> str | None:
    """`key: 'value'`, or `key: variable`, or shorthand `key`, resolved by the text alone."""
    match = re.search(rf"(?<![\w.]){key}\s*:\s*(?P<value>[^,\n}}]+)", source)
    expression = match["value"] if match else key
    variable = re.fullmatch(r"\s*(\w+)\s*", expression)
    if variable:
        assigned = re.search(rf"\b(?:const|let|var)\s+{variable[1]}\s*=\s*([^;\n]+)", source)
        expression = assigned[1] if assigned else ""
    strings = STRING.findall(expression)
    return strings[-1] if strings else None  # the last: `process.env.X ?? '/'` falls back to it


# MkDocs


def read_mkdocs_config(source: str) -> Site:
    """Three plain settings, read by line: the file may hold tags that no safe loader accepts."""
    docs_dir = _setting(source, "docs_dir") or "docs"
    return Site(
        kind=MKDOCS,
        url=_web_address(_setting(source, "site_url")),
        folders=(DocsFolder(posixpath.normpath(docs_dir).strip("/"), ""),),
        trailing_slash=_setting(source, "use_directory_urls").lower() != "false",
    )


def _setting(source: str, name: str) -> str:
    match = re.search(rf"^{name}:[ \t]*([^#\n]*)", source, re.MULTILINE)
    return match[1].strip().strip("'\"") if match else ""


# Addresses and paths


def _web_address(url: str | None) -> str:
    """Nothing for anything else: a repository's own configuration may say `javascript:`."""
    return url if url and WEB.match(url) else ""


def _inside(key: str, folder: str) -> str:
    return key if folder in ("", ".") else key.removeprefix(folder + "/")


def _without_suffix(key: str) -> str:
    return str(PurePosixPath(key).with_suffix(""))


def _joined(*parts: str) -> str:
    """Parts as one absolute path with single slashes and no slash at its end."""
    steps = [part.strip("/") for part in parts if part.strip("/") and part != "."]
    return posixpath.normpath("/" + "/".join(steps))
