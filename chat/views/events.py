"""The events of an answer, again or still, and its end before its time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase, JsonResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import ValidationError
from rest_framework.views import APIView

from chat.events import Done, Error, as_json
from chat.journal.entries import Entry
from chat.models import Message
from chat.retelling import without_its_events
from chat.running import running
from chat.serializers import AnswerSerializer, EventsSerializer, ProblemSerializer
from chat.sse import event_stream
from chat.views.answers import (
    EventStreamRenderer,
    Promise,
    answer_of,
    give_back_the_database,
    refusal,
)
from documents.closed import Digits, Query, Strict, take_nothing
from documents.powers import Power
from documents.problems import Problem

LAST_EVENT_ID = "Last-Event-ID"
CANCEL_SECONDS = 5.0  # in which an answer has to end once it was told to
RETOLD = 10**9 - 1  # the number of an end that is told without its events; none is higher
TOLD_AGAIN = 1.0  # seconds after which another process is told again


class EventsQuery(Query):
    after = Digits(
        required=False, min_value=0, max_value=RETOLD,
        help_text="The number of the last event that you have.",
    )  # fmt: skip


class MessageEvents(Strict, APIView):
    """What happens, or happened, while an answer is written."""

    needs = Power.CHAT
    query_class = EventsQuery
    renderer_classes = [JSONRenderer, EventStreamRenderer]

    @extend_schema(
        parameters=[
            OpenApiParameter(LAST_EVENT_ID, str, OpenApiParameter.HEADER, pattern="^[0-9]{1,9}$",
                             description="The same, as browsers send it."),
        ],
        responses={
            (200, "application/json"): EventsSerializer,
            (200, "text/event-stream"): OpenApiResponse(
                str, description="The events after that number, as they come, until the last."
            ),
            204: OpenApiResponse(description="To a stream: you have the last event already."),
        },
    )  # fmt: skip
    def get(self, request: Request, message_id: UUID) -> HttpResponseBase:
        """Resume a stream after the event that you have, or ask for what is there by now.

        Events can be read for JOURNAL_SECONDS after the end; later, the last one alone is told,
        with a number that is higher than all others. 204: you have the last one already.
        """
        message, after = answer_of(request, message_id), self.after()
        retold = without_its_events(message)
        as_events = request.accepted_renderer.format == "sse"
        give_back_the_database()

        async def keep() -> HttpResponseBase:
            whole = [Entry(RETOLD, retold)] if retold else await _by_now(message.pk)
            end = whole[-1].number if whole and whole[-1].is_last else None
            if end is not None and after >= end:
                return HttpResponse(status=204) if as_events else in_list([], complete=True)
            if as_events:
                entries = running().follow(message.pk, after)
                return event_stream(_these(whole) if end == RETOLD else entries)
            # Read once more: text in few pieces would be cut elsewhere from the beginning on.
            rest = whole if end == RETOLD else await running().read(message.pk, after)
            return in_list(rest, complete=bool(rest) and rest[-1].is_last)

        return Promise(keep)

    def after(self) -> int:
        told = self.request.headers.get(LAST_EVENT_ID, "0")
        if not (told.isascii() and told.isdigit() and len(told) < 10):
            raise ValidationError({LAST_EVENT_ID: ["A whole number, 0 or more."]})
        return int(self.asked.get("after", told))


class MessageCancel(Strict, APIView):
    """The end of an answer before its time."""

    needs = Power.CHAT

    @extend_schema(
        request=None,
        responses={
            200: AnswerSerializer,
            **dict.fromkeys((409, 502), ProblemSerializer),
        },
    )
    def post(self, request: Request, message_id: UUID) -> HttpResponseBase:
        """Stop the model. What was shown is kept, with the status `cancelled`."""
        take_nothing(request)
        message = answer_of(request, message_id)
        if message.status != Message.Status.STREAMING:
            raise Problem(409, "finished", "This answer has ended already.")
        give_back_the_database()

        async def keep() -> HttpResponseBase:
            match await _stopped(message.pk):
                case Done() as done:
                    return JsonResponse(as_json(done))
                case Error() as error:
                    return refusal(error)
            return refusal(Error("not_stopped", "It has not ended yet; try again.", 503, 1))

        return Promise(keep)


async def _by_now(message: UUID) -> list[Entry]:
    """What there is of it. When it is in no journal any more, its end, under a number that stays
    the same: an EventSource comes back after each end, and must find out that it has it."""
    entries = await running().read(message)
    if len(entries) == 1 and entries[0].is_last:
        return [Entry(RETOLD, entries[0].event)]
    return entries


async def _these(entries: list[Entry]) -> AsyncGenerator[Entry, None]:
    for entry in entries:
        yield entry


def in_list(entries: list[Entry], *, complete: bool) -> JsonResponse:
    events: list[Any] = [{"id": number, **as_json(event)} for number, event in entries]
    return JsonResponse({"events": events, "complete": complete})


async def _stopped(message: UUID) -> Done | Error | None:
    """How it ended; None when it did not in time."""
    deadline = asyncio.get_running_loop().time() + CANCEL_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        await running().stop(message)
        try:
            async with (
                asyncio.timeout(TOLD_AGAIN),
                aclosing(running().follow(message)) as entries,
            ):
                async for _number, event in entries:
                    if isinstance(event, (Done, Error)):
                        return event
                return None  # this process ends
        except TimeoutError:
            continue
    return None
