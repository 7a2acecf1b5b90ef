"""What every loader hands over: RawDocument, one page as found; LoadError, why there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class RawDocument:
    """One page, not yet decoded. `key` names it inside its source, whatever it holds."""

    key: str  # posix path inside the source
    content: bytes
    media_type: str
    url: str  # of the page, without anchor
    modified_at: datetime | None = None
    site_kind: str = "plain"  # what publishes it (parsing.routes): decides dialect and anchors


class LoadError(Exception):
    """A source or one of its documents cannot be read; the message says what to do about it."""

    def __init__(self, message: str, *, key: str = ""):
        super().__init__(message)
        self.key = key


class NotAPage(LoadError):
    """The file is readable, but its site does not publish it: a draft, a partial."""


class Loader(Protocol):
    """`paths()` first, `read(key)` for each: one bad document never ends the walk."""

    def paths(self) -> Iterator[str]: ...

    def read(self, key: str) -> RawDocument: ...

    def load(self) -> Iterator[RawDocument | LoadError]: ...
