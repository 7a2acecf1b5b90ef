"""How an answer is given: one JSON body, or its events, for whoever accepts text/event-stream.

The views are synchronous, as DRF is: they find out who asks, and what. What they return is a
promise, and `answered` keeps it on the event loop, where no thread waits for a model.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from chat.events import Done, Error, as_json
from chat.journal.entries import Entry
from chat.running import told
from chat.sse import MEDIA_TYPE, event_stream
from chat.turns import Turn
from documents.problems import problem

View = Callable[..., HttpResponseBase]


class EventStreamRenderer(BaseRenderer):
    """Only for content negotiation: `answered` writes the stream."""

    media_type = MEDIA_TYPE
    format = "sse"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return b""


class Promise(HttpResponse):
    """Of an answer: what a view returns in its place."""

    def __init__(self, keep: Callable[[], Awaitable[HttpResponseBase]]) -> None:
        super().__init__()
        self.keep = keep


def respond(request: Request, turn: Turn) -> HttpResponseBase:
    """Ask, and answer in the form that the client accepts. The turn begins when this is kept."""
    as_events = request.accepted_renderer.format == "sse"
    give_back_the_database()

    async def keep() -> HttpResponseBase:
        return await (in_events(told(turn)) if as_events else in_one(told(turn)))

    return Promise(keep)


def give_back_the_database() -> None:
    """Nothing of a request may hold a connection while a model writes."""
    connection.close()


def answered(view: View) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    """An asynchronous view that keeps the promises of this one."""

    @wraps(view)
    async def asynchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = await sync_to_async(view)(request, *args, **kwargs)
        return await response.keep() if isinstance(response, Promise) else response

    return asynchronous


async def in_one(entries: AsyncGenerator[Entry, None]) -> HttpResponseBase:
    async with aclosing(entries):
        async for _number, event in entries:
            if isinstance(event, Error):
                return refusal(event)
            if isinstance(event, Done):
                return JsonResponse(as_json(event), status=201)
    raise AssertionError("a turn ends with Done or Error")


async def in_events(entries: AsyncGenerator[Entry, None]) -> HttpResponseBase:
    """A turn that was not even admitted is an HTTP error instead."""
    first = await anext(entries)
    if isinstance(first.event, Error):
        await entries.aclose()
        return refusal(first.event)
    return event_stream(_after(first, entries))


async def _after(first: Entry, rest: AsyncGenerator[Entry, None]) -> AsyncGenerator[Entry, None]:
    async with aclosing(rest):
        yield first
        async for entry in rest:
            yield entry


def refusal(error: Error) -> HttpResponseBase:
    return problem(error.status, error.code, error.detail, error.retry_after)
