"""What every loader hands over: RawDocument, one page as found; LoadError, why there is none."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol


@dataclass(frozen=True)
class RawDocument:
    """One page, not yet decoded. `key` names it inside its source, whatever it holds."""

    key: str  # posix path inside the source; of a web page its address
    content: bytes
    media_type: str
    url: str  # of the page, without anchor
    modified_at: datetime | None = None
    site_kind: str = "plain"  # what publishes it (parsing.routes): decides dialect and anchors
    # What its place says of it: version, language, title. The page's own metadata goes before.
    about: Mapping[str, Any] = field(default_factory=dict)
    # What its loader wants to be told the next time (an etag, the links of the page): JSON.
    memory: Mapping[str, Any] = field(default_factory=dict)
    # Set when the server said that the page is as it was when its content had this hash: the
    # content is empty then, and `fetch` reads it all the same.
    unmodified_hash: str = ""
    fetch: Callable[[], "RawDocument"] | None = None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256, hexadecimal."""
        return self.unmodified_hash or hashlib.sha256(self.content).hexdigest()


class LoadError(Exception):
    """A source or one of its documents cannot be read; the message says what to do about it.

    `retryable`: trying again later may help (a server that is busy), so the run does; not before
    `retry_after` seconds, if the server said so.
    """

    def __init__(
        self,
        message: str,
        *,
        key: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
    ):
        super().__init__(message)
        self.key, self.retryable, self.retry_after = key, retryable, retry_after


class NotAPage(LoadError):
    """It is readable, but not a page of its site: a draft, a partial, a picture."""


class Loader(Protocol):
    """`paths()` first, `read(key)` for each: one bad document never ends the walk."""

    def paths(self) -> Iterator[str]:
        """Keys in a fixed order; raises LoadError when the source as a whole cannot be read."""
        ...

    def read(self, key: str) -> RawDocument:
        """Raises LoadError, or NotAPage."""
        ...

    def load(self) -> Iterator[RawDocument | LoadError]:
        """Every document, or in its place the reason why it cannot be read."""
        ...
