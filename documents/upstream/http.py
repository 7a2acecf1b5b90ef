"""The one place where clients for providers are made, and what each of them has.

httpx is the API. Synchronous ones (ingestion, administration) use its own connections, asynchronous
ones (questions) aiohttp's, which cost less (docs/decisions/0023). Every client has limits for
connecting, for waiting for a free connection, for each read and for the whole, and a bounded pool
whose idle connections are closed. It keeps no cookies, follows no redirects and takes nothing out
of the environment: a proxy is `PROVIDER_PROXY`, and this machine itself is called directly.
"""

import ssl
from collections.abc import Iterator
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

import httpx
from django.conf import settings

from documents.upstream.deadlines import Deadline

if TYPE_CHECKING:
    from documents.upstream.aiohttp_transport import Transport

CONNECT = 5.0  # seconds to connect, and to wait until a connection is free
# Every reader who waits for an answer holds one. Idle ones are closed sooner than servers, and
# whatever stands between, tend to close theirs.
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=50, keepalive_expiry=15.0)
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def async_client(*, read: float, total: float, connect: float = CONNECT) -> httpx.AsyncClient:
    """Of one event loop, with which it closes itself. Seconds; `read` is for each wait."""
    from documents.upstream.aiohttp_transport import Transport

    def transport(proxy: httpx.Proxy | None) -> "Transport":
        return Transport(verify=tls(), limits=LIMITS, total=total, proxy=proxy)

    timeout = httpx.Timeout(read, connect=connect, pool=connect)
    return httpx.AsyncClient(timeout=timeout, **_options(transport))


def sync_client(*, read: float, total: float, connect: float = CONNECT) -> httpx.Client:
    """Any thread may use it. Seconds; `read` is for each wait."""
    timeout = httpx.Timeout(read, connect=connect, pool=connect)
    return httpx.Client(timeout=timeout, **sync_options(total=total))


def sync_options(*, total: float) -> dict[str, Any]:
    """For a library that makes its own httpx.Client, and gives it a timeout for each wait."""

    def transport(proxy: httpx.Proxy | None) -> "Timed":
        return Timed(httpx.HTTPTransport(verify=tls(), limits=LIMITS, proxy=proxy), total)

    return _options(transport)


def _options(transport: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "transport": transport(None),
        # Nothing but what is configured: no proxy, no .netrc that would sign requests.
        "trust_env": False,
        "follow_redirects": False,  # the key goes where the settings say
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=())),
    }
    if settings.PROVIDER_PROXY:
        direct = options["transport"]
        options["transport"] = transport(httpx.Proxy(settings.PROVIDER_PROXY))
        options["mounts"] = {f"all://{host}": direct for host in LOOPBACK}
    return options


@cache
def tls() -> ssl.SSLContext:
    """Verifying. To read the certificates takes 20 ms: once."""
    return httpx.create_ssl_context(trust_env=False)


class Timed(httpx.BaseTransport):
    """A transport whose answers must be complete in time."""

    def __init__(self, transport: httpx.BaseTransport, total: float):
        self._transport, self._total = transport, total

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = Deadline(self._total)
        response = self._transport.handle_request(request)
        stream = cast(httpx.SyncByteStream, response.stream)
        response.stream = TimedBody(stream, request, deadline)
        return response

    def close(self) -> None:
        self._transport.close()


class TimedBody(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, request: httpx.Request, deadline: Deadline):
        self._stream, self._request, self._deadline = stream, request, deadline

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._deadline.check(self._request)
            yield part

    def close(self) -> None:
        self._stream.close()
