"""A folder on this machine: walked in a fixed order, never out of its root."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.parsing.base import ParseError
from ingestion.parsing.decoding import decode
from ingestion.parsing.formats import MARKDOWN, MDX, MEDIA_TYPES, media_type_of
from ingestion.parsing.frontmatter import read_front_matter
from ingestion.parsing.routes import NotPublished, Page, Site, page_url
from ingestion.parsing.sites import Sites
from ingestion.parsing.sites.folder import SKIPPED_FOLDERS, Folder
from ingestion.parsing.sites.inclusions import PageInclusions

BYTE_LIMIT = 20_000_000
TEXT_LIMIT = 10_000_000  # of Markdown: nobody wrote that, and reading it takes its time


class FolderLoader:
    """`paths()` says what is there, `read(key)` fetches one."""

    def __init__(
        self,
        root: Path,
        base_url: str = "",
        *,
        fallback_url: str = "",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        byte_limit: int = BYTE_LIMIT,
    ):
        self.root = Path(root)
        self.folder = Folder(self.root)
        self.base_url = base_url  # where the operator says that it is published
        self.fallback_url = fallback_url  # where it is shown if nobody says so
        self.include, self.exclude = tuple(include), tuple(exclude)
        self.byte_limit = byte_limit
        self._sites: Sites | None = None
        self._misnamed: set[str] = set()  # keys that stand for names which are no text

    @property
    def sites(self) -> Sites:
        if self._sites is None:
            self._sites = Sites(self.folder)
        return self._sites

    @property
    def site(self) -> Site:
        """The one site that there is; a plain one where there is none, or several."""
        return self.sites.only or self.sites.plain

    def load(self) -> Iterator[RawDocument | LoadError]:
        """Every document, or in its place the reason why it cannot be read."""
        for key in self.paths():
            try:
                yield self.read(key)
            except LoadError as error:
                yield error

    def paths(self) -> Iterator[str]:
        """Every file, whether it is a document or not; without any document it is an error."""
        self._check_root()
        keys = list(self._walk(self.root))
        if not any(media_type_of(key) for key in keys):
            raise LoadError(
                f"no documents found in {self.root}: looked for {', '.join(MEDIA_TYPES)} files"
                f"{self._filters()}; check the folder and the include and exclude patterns"
            )
        yield from keys

    def read(self, key: str) -> RawDocument:
        """One document; NotAPage when it is none, or its site does not publish it."""
        path = self.root / key
        if key in self._misnamed:
            raise LoadError(f"{key}: its name is not in UTF-8; rename it", key=key)
        try:
            self._check_link(key, path)
            status = path.stat()
            media_type = self._media_type(key, path)
            self._check_size(key, media_type, status.st_size)
            content = path.read_bytes()
        except OSError as error:
            raise LoadError(f"cannot read {key}: {error.strerror or error}", key=key) from error
        except ValueError as error:  # a NUL in the key
            raise LoadError(f"cannot read {key!r}: {error}", key=key) from error
        site = self.sites.of(key)
        page, content, warnings = self._page(site, key, media_type, content)
        return RawDocument(
            key=key,
            content=content,
            media_type=page.media_type or media_type,
            url=page_url(self._address(site, page), page.route, site.base_path),
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
            site_kind=site.kind,
            about={**page.about, "warnings": warnings} if warnings else page.about,
        )

    def _page(
        self, site: Site, key: str, media_type: str, content: bytes
    ) -> tuple[Page, bytes, list[str]]:
        """Where the site puts it, its content with all that it includes, what was left out."""
        inclusions = PageInclusions(self.folder)
        try:
            if media_type not in (MARKDOWN, MDX):
                return site.page(key, {}), content, []
            text, _ = decode(content)
            page = site.page(key, read_front_matter(text).values)
            expanded = site.expanded(key, text, inclusions)
        except NotPublished as error:
            raise NotAPage(f"{key}: {error}", key=key) from error
        except ParseError as error:
            raise LoadError(f"{key}: {error}", key=key) from error
        if expanded != text:
            content = expanded.encode("utf-8", "replace")
        return page, content, inclusions.warnings

    def _address(self, site: Site, page: Page) -> str:
        """What the operator gave, but of several sites in one folder each knows its own."""
        own = page.url or site.url
        if site is self.sites.only:
            return self.base_url or own or self.fallback_url
        return own or self.base_url or self.fallback_url

    def _check_root(self) -> None:
        if not self.root.exists():
            raise LoadError(f"there is no folder {self.root}; check the location of the source")
        if not self.root.is_dir():
            raise LoadError(f"{self.root} is a file; give the folder that holds it")

    def _check_link(self, key: str, path: Path) -> None:
        """A link may lead to a file inside; a linked folder is found in its own place anyway."""
        try:
            inside = path.resolve().is_relative_to(self.root.resolve())
        except RuntimeError:  # a loop of links
            inside = False
        if path.is_symlink() and not inside:
            raise NotAPage(f"{key}: a link that leads out of the folder", key=key)
        if not inside:
            raise LoadError(f"{key} lies outside of {self.root}", key=key)
        if path.is_symlink() and path.is_dir():
            raise NotAPage(f"{key}: a link to a folder that is read in its own place", key=key)
        if path.is_symlink() and not path.exists():
            raise NotAPage(f"{key}: a link that leads nowhere", key=key)

    def _media_type(self, key: str, path: Path) -> str:
        if not path.is_file():  # a folder, a pipe, which would never end
            raise NotAPage(f"{key}: not a file", key=key)
        if media_type := media_type_of(key):
            return media_type
        suffix = PurePosixPath(key).suffix or PurePosixPath(key).name
        raise NotAPage(f"{key}: no document format: {suffix}", key=key)

    def _check_size(self, key: str, media_type: str, size: int) -> None:
        is_text = media_type in (MARKDOWN, MDX)
        limit = min(self.byte_limit, TEXT_LIMIT) if is_text else self.byte_limit
        if size > limit:
            raise LoadError(
                f"{key} has {size:,} bytes, more than the {limit:,} allowed; split it", key=key
            )

    def _filters(self) -> str:
        patterns = {"matching": self.include, "but not": self.exclude}
        return "".join(f" {word} {', '.join(found)}" for word, found in patterns.items() if found)

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
            if entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path))
            elif self._wanted(key := self._key(Path(entry.path))):
                yield key

    def _key(self, path: Path) -> str:
        name = path.relative_to(self.root).as_posix()
        key = name.encode("utf-8", "replace").decode()
        if key != name:
            self._misnamed.add(key)
        return key

    def _wanted(self, key: str) -> bool:
        if self.include and not _matches(key, self.include):
            return False
        return not _matches(key, self.exclude)


def _matches(key: str, patterns: Sequence[str]) -> bool:
    """`*` also crosses folders; a leading `**/` may stand for none."""
    return any(
        fnmatchcase(key, pattern) or fnmatchcase(key, pattern.removeprefix("**/"))
        for pattern in patterns
    )
