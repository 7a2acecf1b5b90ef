"""Around everything: each request has an id, each answer has headers that keep it safe, and the log
has a line about it. Also where Django is not asked: a refused body, another application.

The line holds ids and figures: no query, no address of a document, nothing that anybody wrote.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

from chat.auth.addresses import client_address
from documents.request_id import HEADER, Visit, visit
from ragsite.housekeeping import after_activity

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

access = logging.getLogger("ragsite.access")

# What an answer has unless it says otherwise. A page has a policy of its own (ragsite/settings.py);
# this one is for what is no page.
DEFAULTS = {
    b"cache-control": b"private, no-store",
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), display-capture=(), geolocation=(), microphone=(), "
    b"payment=(), usb=()",
    b"referrer-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
}


class Visits:
    """An ASGI application in which every request is one."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value.decode("latin1") for name, value in scope["headers"]}
        offered = headers.get(HEADER.lower().encode(), "")
        meta = {
            "REMOTE_ADDR": (scope.get("client") or [""])[0],
            "HTTP_X_FORWARDED_FOR": headers.get(b"x-forwarded-for", ""),
        }
        with visit(offered, client_address(meta)) as known:
            answer = Answer(known, send)
            try:
                await self.application(scope, receive, answer.send)
            finally:
                answer.log(scope.get("method", "WEBSOCKET"))
                if known.principal:  # somebody was looked up, so the database is awake
                    after_activity()


class Answer:
    """What is sent back, on its way out. Nothing of it is kept."""

    def __init__(self, known: Visit, send: Send) -> None:
        self.known, self._send = known, send
        self.began, self.status = perf_counter(), 0

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                self.status = message["status"]
                message = {**message, "headers": self._complete(message.get("headers", []))}
            case "websocket.accept":
                self.status = 101
                own = (HEADER.lower().encode(), self.known.id.encode())
                message = {**message, "headers": [*message.get("headers", []), own]}
            case "websocket.close":
                self.status = message.get("code", 1000)
        await self._send(message)

    def _complete(self, headers: Any) -> list[tuple[bytes, bytes]]:
        told = {name.lower(): value for name, value in headers}
        told[HEADER.lower().encode()] = self.known.id.encode()
        if told.get(b"content-type", b"").startswith(b"text/event-stream"):
            told[b"cache-control"] = b"no-store, no-transform"
        cookies = [pair for pair in headers if pair[0].lower() == b"set-cookie"]
        told.pop(b"set-cookie", None)
        return [*(DEFAULTS | told).items(), *cookies]

    def log(self, method: str) -> None:
        known = self.known
        access.info(
            "%s %s %s %.0fms %s %s", method, known.route or "-", self.status or "-",
            (perf_counter() - self.began) * 1000, known.principal or "-", known.address or "-",
        )  # fmt: skip
