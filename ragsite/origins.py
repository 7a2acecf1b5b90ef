"""Which pages may open a websocket: decided before it is accepted, as CORS does not protect it."""

from collections.abc import Awaitable, Callable
from typing import Any

from channels.security.websocket import WebsocketDenier

from chat.auth.authentication import headers_of
from chat.auth.origins import allowed
from documents.threads import in_database_thread

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class KnownOrigins:
    """An ASGI application for websockets of pages that we know. Without an Origin, or with two,
    there is no page: a client that is no browser names one of ours."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        origin = headers_of(scope["headers"]).get("origin", "")
        if origin and await in_database_thread(allowed)(origin):
            await self.application(scope, receive, send)
        else:
            await WebsocketDenier()(scope, receive, send)
