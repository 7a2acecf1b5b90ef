"""Fetcher: one document from the network, everything bounded; FetchError: why there is none."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from ssl import SSLContext
from typing import Self
from urllib.parse import urljoin

import httpx
from ssrfguard import Resolver
from ssrfguard.errors import BlockedAddressError, BlockedURLError, SSRFGuardError

from ingestion.fetching.addresses import Allowed
from ingestion.fetching.transport import Deadline, Door

USER_AGENT = "ragsite (documentation reader)"
REDIRECT_LIMIT = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PIECE = 65_536
BYTE_LIMIT = 20_000_000
LONGEST_RETRY_AFTER = 3600.0
HINTS = {
    401: "it asks for a login",
    403: "it does not let us in",
    404: "there is nothing at this address",
    410: "what was there has been taken away",
    429: "it asks us to come back later",
}


class FetchError(Exception):
    """Nothing usable came back; the message says why and what to do.

    `retryable`: it may work later, not before `retry_after` seconds if the server named a time.
    `refused`: our own rules forbid the address.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        retryable: bool = False,
        retry_after: float = 0.0,
        refused: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.retryable, self.retry_after = status, retryable, retry_after
        self.refused = refused


@dataclass(frozen=True)
class Response:
    """200; or 304, when the conditions were met; or a redirect that was not to be followed."""

    status: int
    url: str  # after redirects
    content: bytes = field(default=b"", repr=False)
    content_type: str = ""  # lower case, without parameters
    charset: str = ""
    etag: str = ""
    last_modified: str = ""
    location: str = ""  # absolute; of a redirect that was not followed
    robots: str = ""  # X-Robots-Tag, in lower case


@dataclass(frozen=True)
class Answer:
    """An answer of any status, its body still to come: `pieces` are uncompressed, and counted."""

    status: int
    url: str
    headers: Mapping[str, str]
    pieces: Iterator[bytes] = field(repr=False)

    @property
    def content_type(self) -> tuple[str, str]:
        """In lower case, without parameters; and the charset."""
        header = Message()
        header["content-type"] = self.headers.get("content-type", "")
        kind = header.get_content_type() if "/" in header["content-type"] else ""
        return kind, str(header.get_content_charset() or "")

    @property
    def location(self) -> str:
        try:
            return urljoin(self.url, self.headers["location"])
        except (KeyError, ValueError) as error:
            raise FetchError(f"{self.url} redirects to nowhere", status=self.status) from error

    def failure(self) -> FetchError:
        hint = HINTS.get(self.status)
        return FetchError(
            f"{self.url} answers {self.status}" + (f": {hint}" if hint else ""),
            status=self.status,
            retryable=self.status in (408, 425, 429) or self.status >= 500,
            retry_after=_seconds(self.headers.get("retry-after", "")),
        )


class Fetcher:
    """Safe to share between threads. Connections are kept, so a site costs one handshake."""

    def __init__(
        self,
        *,
        allowed_addresses: Sequence[str] = (),
        user_agent: str = USER_AGENT,
        resolver: Resolver | None = None,
        verify: SSLContext | None = None,
        connect_seconds: float = 10.0,
        read_seconds: float = 20.0,
        total_seconds: float = 60.0,
    ) -> None:
        self.user_agent, self.total_seconds = user_agent, total_seconds
        self.allowed = Allowed.read(allowed_addresses)
        self._deadline = Deadline()
        verify = verify or httpx.create_ssl_context()  # reads SSL_CERT_FILE: an intranet's own CA
        self._client = httpx.Client(
            transport=Door(self.allowed, resolver, verify, self._deadline),
            timeout=httpx.Timeout(read_seconds, connect=connect_seconds),
            # gzip alone: what it unpacks to can be bounded while it is read.
            headers={"User-Agent": user_agent, "Accept-Encoding": "gzip"},
            trust_env=False,  # a proxy would resolve the name a second time
            follow_redirects=False,  # each hop is a request of its own, below
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def fetch(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        byte_limit: int = BYTE_LIMIT,
        follow: bool = True,
        wanted: Callable[[str], bool] = lambda content_type: True,
    ) -> Response:
        """One document by GET; raises FetchError.

        `follow` is about redirects; `wanted` judges the content type before the body is read.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in conditions.items() if value}
        with self.open("GET", url, headers=headers, byte_limit=byte_limit, follow=follow) as answer:
            content_type, charset = answer.content_type
            told = Response(
                status=answer.status,
                url=answer.url,
                content_type=content_type,
                charset=charset,
                etag=answer.headers.get("etag", ""),
                last_modified=answer.headers.get("last-modified", ""),
                robots=answer.headers.get("x-robots-tag", "").lower(),
            )
            if answer.status in REDIRECTS:
                return replace(told, location=answer.location)
            if answer.status == 304 and headers:
                return told
            if answer.status != 200:
                raise answer.failure()
            if not wanted(content_type):
                # The one error with status 200.
                raise FetchError(f"{url} is {content_type or 'of no known type'}", status=200)
            return replace(told, content=b"".join(answer.pieces))

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        byte_limit: int = BYTE_LIMIT,
        total_seconds: float | None = None,
        follow: bool = True,
    ) -> Iterator[Answer]:
        """The answer, whatever its status, its body piece by piece; raises FetchError.

        Only a GET follows redirects: a body is not sent on to where a server says.
        """
        seconds = total_seconds or self.total_seconds
        with self._deadline.within(seconds):
            for _hop in range(REDIRECT_LIMIT + 1):
                with _in_plain_words(url, seconds):
                    request = self._client.build_request(method, url, headers=headers, content=body)
                    response = self._client.send(request, stream=True)
                try:
                    pieces = _pieces(response, url, byte_limit, seconds)
                    answer = Answer(response.status_code, url, response.headers, pieces)
                    if not (follow and method == "GET" and answer.status in REDIRECTS):
                        yield answer
                        return
                    url = answer.location
                finally:
                    response.close()
            raise FetchError(f"{url}: more than {REDIRECT_LIMIT} redirects, one after another")


@contextmanager
def _in_plain_words(url: str, seconds: float) -> Iterator[None]:
    url = url[:300]
    try:
        yield
    except (BlockedURLError, BlockedAddressError) as error:
        raise FetchError(
            f"{url} may not be fetched: {error.reason}. Only public addresses may, and what the "
            "setting FETCH_ALLOWED_ADDRESSES lists.",
            refused=True,
        ) from error
    except SSRFGuardError as error:
        raise FetchError(f"{url} may not be fetched: {error}", refused=True) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise FetchError(f"{url} is not an address: {error}", refused=True) from error
    except httpx.TimeoutException as error:
        message = f"{url} did not answer in time (at most {seconds:g} seconds)"
        raise FetchError(message, retryable=True) from error
    except httpx.TransportError as error:
        if "CERTIFICATE" in str(error):
            raise FetchError(f"{url} has no valid certificate: {error}") from error
        raise FetchError(f"{url} cannot be reached: {error}", retryable=True) from error


def _seconds(retry_after: str) -> float:
    """From a number of seconds, or from a date."""
    seconds = 0.0
    if retry_after.strip().isdecimal():
        seconds = float(retry_after)
    elif retry_after:
        with suppress(ValueError, TypeError):  # TypeError: a date without a zone
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


# --- The body -------------------------------------------------------------------------------------


def _pieces(response: httpx.Response, url: str, limit: int, seconds: float) -> Iterator[bytes]:
    """Uncompressed, and never more than the limit: a bomb is stopped while it unfolds."""
    too_much = FetchError(f"{url} has more than the {limit:,} bytes allowed")
    if int(response.headers.get("content-length") or 0) > limit:
        raise too_much
    pieces = response.iter_raw()
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        pieces = _unpacked(_up_to(limit, pieces, too_much))
    elif encoding not in ("identity", ""):
        raise FetchError(f"{url} is compressed in a way that was not asked for: {encoding}")
    with _in_plain_words(url, seconds):
        yield from _up_to(limit, pieces, too_much)


def _up_to(limit: int, pieces: Iterable[bytes], too_much: FetchError) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_much
        yield piece


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """gzip or zlib, a bounded piece at a time: one packet can hold a thousand times its size."""
    unpacker = zlib.decompressobj(wbits=47)
    try:
        for piece in pieces:
            while piece and not unpacker.eof:
                yield unpacker.decompress(piece, PIECE)
                piece = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise FetchError(f"it is compressed in a way that cannot be read: {error}") from error
    if not unpacker.eof:
        raise FetchError("the compressed content breaks off", retryable=True)


def gunzip(content: bytes, limit: int) -> bytes:
    """A file that is itself compressed, like sitemap.xml.gz; raises FetchError."""
    too_much = FetchError(f"unpacked, it has more than the {limit:,} bytes allowed")
    return b"".join(_up_to(limit, _unpacked([content]), too_much))
