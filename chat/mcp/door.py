"""Who may come in at /mcp; the SDK is imported when the first one does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from chat.auth.origins import allowed, may_read
from chat.auth.principal import Principal
from chat.calls import caller_of, failure_of
from chat.events import Error
from chat.mcp.callers import IN_SCOPE, Caller
from documents.permissions import demand
from documents.powers import Power
from documents.problems import Problem, problem
from documents.threads import in_database_thread

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

logger = logging.getLogger(__name__)

ADDRESSES = ("/mcp", "/mcp/")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Door:
    """An ASGI application. Each request is let in by itself: nobody is remembered."""

    def __init__(self) -> None:
        self._running: asyncio.Task[None] | None = None
        self._manager: asyncio.Future[StreamableHTTPSessionManager] | None = None
        self._ended: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = ASGIRequest(scope, BytesIO())
        if (origin := request.headers.get("origin")) and await in_database_thread(may_read)(origin):
            send = readable_by(origin, send)
        try:
            refuse_other_methods(request)
            principal = await in_database_thread(let_in)(request)
        except Exception as error:
            await respond(refusal(failure_of(error)), send)
            return
        # Read here: to one who hangs up, and to one whose body is refused meanwhile, the SDK would
        # answer all the same.
        if (body := await whole_body(receive)) is None:
            return
        caller = Caller(principal, request.build_absolute_uri)
        manager = await self._loaded()
        await manager.handle_request({**scope, IN_SCOPE: caller}, once_more(body, receive), send)

    async def close(self) -> None:
        """Ends what is still being answered."""
        if self._running is not None and self._ended is not None:
            self._ended.set()
            with suppress(Exception):
                await self._running
        self._running = self._manager = self._ended = None

    async def _loaded(self) -> "StreamableHTTPSessionManager":
        if self._manager is None:
            self._manager = asyncio.get_running_loop().create_future()
            self._ended = asyncio.Event()
            # A task of its own: what the SDK opens must be closed by the task that opened it.
            self._running = asyncio.create_task(self._run(self._manager, self._ended))
        return await asyncio.shield(self._manager)

    async def _run(
        self, loaded: "asyncio.Future[StreamableHTTPSessionManager]", ended: asyncio.Event
    ) -> None:
        try:
            # Importing takes a second, which the others who are being answered must not wait.
            manager = await asyncio.to_thread(_import)
            async with manager.run():
                loaded.set_result(manager)
                await ended.wait()
        except Exception as error:
            if loaded.done():
                raise
            self._manager = None  # the next one tries again
            loaded.set_exception(error)


def _import() -> "StreamableHTTPSessionManager":
    from chat.mcp.server import manager

    return manager(settings.REQUEST_MAX_BYTES)


def refuse_other_methods(request: ASGIRequest) -> None:
    """There is no session to listen to or to end."""
    if request.method != "POST":
        raise Problem(405, "method_not_allowed", "Only POST is answered here.")


def let_in(request: ASGIRequest) -> Principal:
    """Asks the database. A page elsewhere may have its own name resolved to this machine; the
    browser says whose page it is, and by what name it calls us. Programs send no Origin."""
    request.get_host()  # raises DisallowedHost
    if "origin" in request.headers and not allowed(request):
        raise Problem(403, "origin_not_allowed", "Pages of other sites may not call this.")
    principal = caller_of(request)
    demand(principal, Power.SEARCH, Power.CHAT)
    return principal


def readable_by(origin: str, send: Send) -> Send:
    """For scripts of a page that may read the API. What they ask before (OPTIONS), Django has
    answered."""

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            readers = [(b"access-control-allow-origin", origin.encode()), (b"vary", b"origin")]
            message = {**message, "headers": [*message["headers"], *readers]}
        await send(message)

    return sent


async def whole_body(receive: Receive) -> bytes | None:
    """None: there will be no more of it. How long it may be is measured before (ragsite.bodies)."""
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
    return None


def once_more(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then whatever comes."""
    told = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return told.pop() if told else await receive()

    return again


def refusal(error: Error) -> HttpResponse:
    response = problem(error.status, error.code, error.detail, error.retry_after)
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.status == 405:
        response["Allow"] = "POST"
    return response


async def respond(response: HttpResponse, send: Send) -> None:
    headers = [(n.lower().encode(), v.encode("latin1")) for n, v in response.items()]
    headers.append((b"content-length", str(len(response.content)).encode()))
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": response.content})
