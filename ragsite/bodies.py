"""How much may come with a request, and in what time.

Django stores the whole body of a request before anything looks at who sends it, and where to. So a
body is measured on its way in. Nothing is kept here: a body that is too long or too slow looks to
Django as if its sender had hung up, and Django drops what it has of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpResponse
from django.urls import Resolver404, resolve

from chat.auth.authentication import InvalidCredential, headers_of, identify
from chat.auth.sessions import user_of
from documents.powers import Power
from documents.problems import DATABASE_AWAY, RETRY_AFTER, Problem, problem
from documents.threads import in_database_thread
from documents.views import may

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

UPLOADS = {"documents", "admin:documents_source_upload"}  # names of addresses
HANG_UP: Message = {"type": "http.disconnect"}
# Seconds for which a refused sender may go on: a connection that is closed while somebody writes
# to it is reset, and the answer may be lost.
GRACE = 2.0


class MeasuredBodies:
    """An ASGI application whose requests end at their limits."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "headers": [*scope["headers"]]}
        body = Body(scope, receive)
        await body.admit(declared_length(scope))
        if body.refusal is None:
            await self.application(scope, body.receive, send)
        if body.refusal is not None:
            await body.refuse(body.refusal, send)


class Body:
    """One request's, as far as it has come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self._receive = scope, receive
        self.limit, self.seconds = settings.REQUEST_MAX_BYTES, settings.BODY_SECONDS
        self.began = asyncio.get_running_loop().time()
        self.length, self.complete, self.is_upload = 0, False, False
        self.refusal: HttpResponse | None = None

    async def receive(self) -> Message:
        """The next message as it comes; after the body there is only the hang-up to wait for."""
        if self.refusal is not None:
            return HANG_UP
        if self.complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self.began + self.seconds):
                message = await self._receive()
        except TimeoutError:
            detail = f"The body of the request was not complete after {self.seconds:g} seconds."
            self.refusal = problem(408, "too_slow", detail)
            return HANG_UP
        self.length += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        await self.admit(self.length)
        if self.complete and self.length:
            self.tell_its_length()
        return message if self.refusal is None else HANG_UP

    async def admit(self, length: int) -> None:
        """Refuses the request, unless this many bytes may come with it."""
        if length <= self.limit:
            return
        detail = "The body of the request has more than {:,} bytes."
        if not self.is_upload and leads_to_uploads(self.scope):
            try:
                self.is_upload = await may_upload(self.scope)
            except OperationalError:
                self.refusal = problem(503, "database_unavailable", DATABASE_AWAY, RETRY_AFTER)
                return
            if self.is_upload:
                # What is not a file has the limit of any other request.
                self.limit += settings.UPLOAD_MAX_TOTAL_BYTES
                self.seconds = settings.UPLOAD_SECONDS
            else:
                detail += " Only who may upload files may send more."
        if length > self.limit:
            self.refusal = problem(413, "too_large", detail.format(self.limit))

    def tell_its_length(self) -> None:
        """Of a body in chunks. Django and DRF read none whose length is not told, and they look at
        the headers only when they have the body."""
        headers = self.scope["headers"]
        if all(name != b"content-length" for name, _value in headers):
            headers.append((b"content-length", str(self.length).encode()))

    async def refuse(self, refusal: HttpResponse, send: Send) -> None:
        headers = {
            **refusal.headers,
            "Content-Length": str(len(refusal.content)),
            "Connection": "close",  # the rest of the body is not a request
        }
        await send(
            {
                "type": "http.response.start",
                "status": refusal.status_code,
                "headers": [(name.lower().encode(), v.encode()) for name, v in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": refusal.content, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                while not self.complete:
                    self.complete = not (await self._receive()).get("more_body", False)
        await send({"type": "http.response.body"})


def declared_length(scope: Scope) -> int:
    """0 when nothing sensible is declared: what comes is counted anyway."""
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() and len(value) < 20 else 0


def leads_to_uploads(scope: Scope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    try:
        return scope["method"] == "POST" and resolve(path).view_name in UPLOADS
    except Resolver404:
        return False


@in_database_thread
def may_upload(scope: Scope) -> bool:
    """Asks the database: anybody can make up a key or a cookie."""
    headers = headers_of(scope["headers"])
    session_user = user_of(headers.get("cookie", ""))
    try:
        user, principal = identify(headers=headers, user=session_user, address="")
    except (InvalidCredential, Problem):  # who sends it will be told by the view
        return False
    return may(principal, user, Power.INGEST, "documents.change_source")
