"""How an answer is given: one JSON body, or its events, for whoever accepts text/event-stream.

The views are synchronous, as DRF is: they find out who asks, and what. What they return is a
promise, and `answered` keeps it on the event loop. No thread works while a model writes, and
none that others need waits: Django gives each request one of its own, for its synchronous
middleware, which is idle until a JSON answer is whole or the first event of a stream is there.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import wraps
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from chat.events import Done, Error, as_json
from chat.journal.entries import Entry
from chat.models import Message
from chat.places import AGAIN
from chat.retelling import entries_of
from chat.running import told
from chat.serializers import AnswerSerializer, ProblemSerializer
from chat.sse import MEDIA_TYPE, beginning_with, event_stream
from chat.turns import Turn
from chat.views.requests import principal_of
from documents.idempotency import Resumed
from documents.problems import problem

ANSWERS: Any = {
    (201, "application/json"): AnswerSerializer,
    (200, MEDIA_TYPE): OpenApiResponse(
        str,
        description="Events start, stage, sources, delta, citation, claims, and at the "
        "end exactly one of done and error; see docs/api.md.",
    ),
    **dict.fromkeys((404, 409, 422, 429, 500, 502), ProblemSerializer),
}
# Another process answers, and this one ends.
RESTARTING = Error("overloaded", "The server is about to restart; try again.", 503, AGAIN)
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


class Answering(Resumed):
    """A view that asks. A request that is sent again is told of the answer that it began."""

    request: Any

    def get_renderers(self) -> list[BaseRenderer]:
        events = [EventStreamRenderer()] if self.request.method == "POST" else []
        return [JSONRenderer(), *events]

    def has_begun(self, target: UUID) -> bool:
        return Message.objects.filter(pk=target).exists()

    def resumed(self, request: Request, target: UUID) -> HttpResponseBase:
        message = answer_of(request, target)
        return promised(request, entries_of(message))


def answer_of(request: Request, message_id: UUID) -> Message:
    answers = Message.objects.of(principal_of(request)).filter(role=Message.Role.ASSISTANT)
    return get_object_or_404(answers.select_related("conversation"), pk=message_id)


def respond(request: Request, turn: Turn) -> HttpResponseBase:
    """Ask, and answer in the form that the client accepts. The turn begins when this is kept."""
    turn.kept = request.kept  # type: ignore[attr-defined]
    if turn.kept is not None:
        turn.id = turn.kept.target
    return promised(request, told(turn))


def promised(request: Request, entries: AsyncGenerator[Entry, None]) -> HttpResponseBase:
    as_events = request.accepted_renderer.format == "sse"
    give_back_the_database()

    async def keep() -> HttpResponseBase:
        return await (in_events(entries) if as_events else in_one(entries))

    return Promise(keep)


def give_back_the_database() -> None:
    """Nothing of a request may hold a connection while a model writes or the index searches."""
    if not connection.in_atomic_block:
        connection.close()


def answered(view: View) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    """An asynchronous view that keeps the promises of this one."""

    @wraps(view)
    async def asynchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = await sync_to_async(view)(request, *args, **kwargs)
        if not isinstance(response, Promise):
            return response
        kept = await response.keep()
        for name, value in response.headers.items():  # what the view has said already
            kept.headers.setdefault(name, value)
        return kept

    return asynchronous


async def in_one(entries: AsyncGenerator[Entry, None]) -> HttpResponseBase:
    async with aclosing(entries):
        async for _number, event in entries:
            if isinstance(event, Error):
                return refusal(event)
            if isinstance(event, Done):
                return JsonResponse(as_json(event), status=201)
    return refusal(RESTARTING)


async def in_events(entries: AsyncGenerator[Entry, None]) -> HttpResponseBase:
    """A turn that was not even admitted is an HTTP error instead."""
    first = await anext(entries, None)
    if first is None:
        return refusal(RESTARTING)
    if isinstance(first.event, Error):
        await entries.aclose()
        return refusal(first.event)
    return event_stream(beginning_with(first, entries))


def refusal(error: Error) -> HttpResponseBase:
    return problem(error.status, error.code, error.detail, error.retry_after)
