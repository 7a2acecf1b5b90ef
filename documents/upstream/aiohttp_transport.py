"""httpx over aiohttp: half to a sixth of the processor time of httpx's own connections.

`httpx-aiohttp` carries requests and responses; here stands what it leaves open. Its errors are told
as httpx's own transport tells them, none of aiohttp's gets out; no cookie is kept; the session is
closed with the event loop that it belongs to.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from documents.upstream.deadlines import Deadline

# The first that fits. A connection that the server closed before it answered is a protocol error
# to httpx, and so is a body that ends early.
AS_HTTPX: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerFingerprintMismatch, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
)
HEADER_BYTES = 32 * 1024  # of one; edges send long policies and cookies, and aiohttp expects 8
FOREIGN = (aiohttp.ClientError, OSError, httpx.TransportError)


class Transport(AiohttpTransport):
    """`total`: seconds that a request may take, with all of its answer."""

    def __init__(
        self,
        *,
        verify: ssl.SSLContext,
        limits: httpx.Limits,
        total: float,
        proxy: httpx.Proxy | None = None,
    ):
        super().__init__(
            verify=verify, limits=limits, proxy=proxy, trust_env=False, client=self._session
        )
        self._total = total
        self._end: AsyncGenerator[None, None] | None = None

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self.limits.max_connections or 0,
            keepalive_timeout=self.limits.keepalive_expiry,
            ssl=self.ssl_context,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        deadline = Deadline(self._total)
        if self._end is None:
            self._end = self._closed_with_the_loop()
            await anext(self._end)
        with httpx_errors(request):
            response = await super().handle_async_request(request)
        stream = cast(httpx.AsyncByteStream, response.stream)
        response.stream = Body(stream, request, deadline)
        return response

    async def _closed_with_the_loop(self) -> AsyncGenerator[None, None]:
        """Whoever ends an event loop closes the generators that are still open on it."""
        try:
            yield
        finally:
            await self.aclose()
            # Whoever keeps the client does not keep the loop.
            self.client, self._end = self._session, None


class Body(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, request: httpx.Request, deadline: Deadline):
        self._stream, self._request, self._deadline = stream, request, deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with httpx_errors(self._request):
            async for part in self._stream:
                self._deadline.check(self._request)
                yield part

    async def aclose(self) -> None:
        with httpx_errors(self._request):
            await self._stream.aclose()


@contextmanager
def httpx_errors(request: httpx.Request) -> Iterator[None]:
    """Without their texts and causes: aiohttp's errors carry the request's headers with them, and
    so its key."""
    try:
        yield
    except FOREIGN as error:
        cause = error.__cause__ if isinstance(error, httpx.TransportError) else error
        if cause is None:  # httpx's own
            raise
        told = next(known for theirs, known in AS_HTTPX if isinstance(cause, theirs))
        raise told(type(cause).__name__, request=request) from None
