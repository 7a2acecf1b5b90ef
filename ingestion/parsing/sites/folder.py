"""The files of a source by key: configuration and inclusions read here, never outside of it."""

import posixpath
from collections.abc import Iterator
from pathlib import Path

from ingestion.parsing.base import ParseError
from ingestion.parsing.decoding import decode

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv"})
SIZE_LIMIT = 5_000_000  # bytes


class Unreadable(Exception):
    """No text at this key; the message says why."""


class Folder:
    def __init__(self, root: Path):
        self.root = root

    def text(self, key: str) -> str:
        """Raises Unreadable: outside of the source, not there, too long, not a text."""
        path = self._path(key)
        if path is None:
            raise Unreadable("it lies outside of the source")
        try:
            if not path.is_file():
                raise Unreadable("there is no such file")
            if path.stat().st_size > SIZE_LIMIT:
                raise Unreadable(f"it has more than {SIZE_LIMIT:,} bytes")
            return decode(path.read_bytes())[0]
        except (OSError, ParseError) as error:
            raise Unreadable(str(getattr(error, "strerror", "") or error)) from error

    def text_or_nothing(self, key: str) -> str:
        try:
            return self.text(key)
        except Unreadable:
            return ""

    def has(self, key: str) -> bool:
        path = self._path(key)
        return path is not None and path.is_file()

    def has_folder(self, key: str) -> bool:
        path = self._path(key)
        return path is not None and path.is_dir()

    def folders(self, key: str) -> Iterator[str]:
        """The keys of the folders in a folder, in a fixed order."""
        path = self._path(key)
        try:
            entries = sorted(path.iterdir()) if path else []
        except OSError:
            return
        for entry in entries:
            hidden = entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS
            if not hidden and entry.is_dir() and not entry.is_symlink():
                yield posixpath.join(key, entry.name)

    def files(self, key: str, pattern: str) -> Iterator[Path]:
        path = self._path(key)
        if path is not None and path.is_dir():
            yield from path.glob(pattern)

    def _path(self, key: str) -> Path | None:
        """Where a key leads, unless it is out of the source, be it through a link."""
        try:
            path = (self.root / key).resolve()
            return path if path.is_relative_to(self.root.resolve()) else None
        except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in the name
            return None
