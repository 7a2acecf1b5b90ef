"""Which pages may open a websocket: decided before it is accepted, as CORS does not protect it."""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from channels.security.websocket import WebsocketDenier
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest

from chat.auth.origins import allowed
from documents.threads import in_database_thread

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
FORWARDED = {b"ws": b"http", b"wss": b"https"}  # as some proxies (Traefik) say it
SCHEMES = {"ws": "http", "wss": "https"}  # of the request that is upgraded


class KnownOrigins:
    """An ASGI application for websockets of pages that we know. Without an Origin, or with two,
    there is no page: a client that is no browser names one of ours."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if await in_database_thread(_is_known)(scope):
            await self.application(scope, receive, send)
        else:
            await WebsocketDenier()(scope, receive, send)


def _is_known(scope: dict[str, Any]) -> bool:
    upgraded = {
        "method": "GET", "scheme": SCHEMES[scope.get("scheme", "ws")], "query_string": b"",
        "headers": [
            (name, FORWARDED.get(value, value) if name == b"x-forwarded-proto" else value)
            for name, value in scope["headers"]
        ],
    }  # fmt: skip
    request = ASGIRequest({**scope, **upgraded}, BytesIO())
    try:
        return allowed(request)
    except DisallowedHost:
        return False
