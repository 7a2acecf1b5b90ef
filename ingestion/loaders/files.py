"""A folder of Markdown on this machine: walked in a fixed order, never out of its root."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.parsing.base import ParseError
from ingestion.parsing.decoding import decode
from ingestion.parsing.frontmatter import read_front_matter
from ingestion.parsing.routes import Site, page_url, recognise

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mdx": "text/mdx",
}
BYTE_LIMIT = 20_000_000
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv"})


class FolderLoader:
    """`paths()` says what is there, `read(key)` fetches one; `skipped` says what was left out."""

    def __init__(
        self,
        root: Path,
        base_url: str = "",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        byte_limit: int = BYTE_LIMIT,
    ):
        self.root = Path(root)
        self.base_url = base_url
        self.include, self.exclude = tuple(include), tuple(exclude)
        self.byte_limit = byte_limit
        self.skipped: dict[str, str] = {}  # path to reason, filled by paths()
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        if self._site is None:
            self._site = recognise(self.root)
        return self._site

    def load(self) -> Iterator[RawDocument | LoadError]:
        """Every document, or in its place the reason why it cannot be read."""
        for key in self.paths():
            try:
                yield self.read(key)
            except LoadError as error:
                yield error

    def paths(self) -> Iterator[str]:
        """Keys in a fixed order. A folder without any document is an error, not an empty walk."""
        self._check_root()
        self.skipped = {}
        found = False
        for key in self._walk(self.root):
            found = True
            yield key
        if not found:
            raise LoadError(
                f"no documents found in {self.root}: looked for {', '.join(MEDIA_TYPES)} files"
                f"{self._filters()}; check the folder and the include and exclude patterns"
            )

    def read(self, key: str) -> RawDocument:
        """One document; NotAPage when its site does not publish it."""
        path = self.root / key
        try:
            if not self._is_inside(path):
                raise LoadError(f"{key} lies outside of {self.root}", key=key)
            status = path.stat()
            if status.st_size > self.byte_limit:
                raise LoadError(
                    f"{key} has {status.st_size:,} bytes, more than the {self.byte_limit:,} "
                    "allowed; split it, or raise the limit",
                    key=key,
                )
            content = path.read_bytes()
        except OSError as error:
            raise LoadError(f"cannot read {key}: {error.strerror or error}", key=key) from error
        return RawDocument(
            key=key,
            content=content,
            media_type=self._media_type(key),
            url=self._url(key, content),
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
            site_kind=self.site.kind,
        )

    def _url(self, key: str, content: bytes) -> str:
        try:
            text, _ = decode(content)
        except ParseError as error:
            raise LoadError(f"{key}: {error}", key=key) from error
        front_matter = read_front_matter(text).values
        route = self.site.route(key, front_matter)
        if route is None:
            raise NotAPage(f"{key}: {self.site.why_skipped(key, front_matter)}", key=key)
        return page_url(self.base_url or self.site.url, route, self.site.base_path)

    def _media_type(self, key: str) -> str:
        suffix = PurePosixPath(key).suffix.lower()
        if suffix not in MEDIA_TYPES:
            raise LoadError(f"{key}: only {', '.join(MEDIA_TYPES)} files are read", key=key)
        return MEDIA_TYPES[suffix]

    def _check_root(self) -> None:
        if not self.root.exists():
            raise LoadError(f"there is no folder {self.root}; check the location of the source")
        if not self.root.is_dir():
            raise LoadError(f"{self.root} is a file; give the folder that holds it")

    def _filters(self) -> str:
        patterns = {"matching": self.include, "but not": self.exclude}
        return "".join(f" {word} {', '.join(found)}" for word, found in patterns.items() if found)

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root.resolve())

    def _walk(self, folder: Path) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            # Not an empty folder: its documents would be removed.
            raise LoadError(
                f"the folder {folder} cannot be opened: {error.strerror or error}; "
                "let this process read it"
            ) from error
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS:
                continue
            if entry.is_symlink() and not self._may_follow(path):
                continue
            if entry.is_dir():
                yield from self._walk(path)
            elif entry.is_file() and self._wanted(self._key(path)):
                yield self._key(path)

    def _may_follow(self, link: Path) -> bool:
        """A link to a file inside; a linked folder is found in its own place anyway."""
        try:
            inside, is_folder = self._is_inside(link), link.is_dir()
        except (OSError, RuntimeError):  # a loop of links
            inside, is_folder = False, False
        if not inside:
            self.skipped[self._key(link)] = "a link that leads out of the folder"
        elif is_folder:
            self.skipped[self._key(link)] = "a link to a folder that is read in its own place"
        return inside and not is_folder

    def _key(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _wanted(self, key: str) -> bool:
        if PurePosixPath(key).suffix.lower() not in MEDIA_TYPES:
            return False
        if self.include and not _matches(key, self.include):
            return False
        return not _matches(key, self.exclude)


def _matches(key: str, patterns: Sequence[str]) -> bool:
    """`*` also crosses folders; a leading `**/` may stand for none."""
    return any(
        fnmatchcase(key, pattern) or fnmatchcase(key, pattern.removeprefix("**/"))
        for pattern in patterns
    )
