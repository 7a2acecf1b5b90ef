"""The events of an answer, again or still, and its end before its time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.http import HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from chat.events import Done, Error, as_json
from chat.journal.entries import Entry
from chat.models import Conversation, Message
from chat.running import running
from chat.saved import end_of
from chat.serializers import AnswerSerializer, EventsSerializer, ProblemSerializer
from chat.sse import event_stream
from chat.standing import standings
from chat.views.answers import EventStreamRenderer, Promise, give_back_the_database, refusal
from chat.views.requests import principal_of
from documents.powers import Power
from documents.problems import Problem

LAST_EVENT_ID = "Last-Event-ID"
CANCEL_SECONDS = 5.0  # in which an answer has to end once it was told to
TOLD_AGAIN = 1.0  # seconds after which another process is told again


def answer_of(request: Request, message_id: UUID) -> Message:
    mine = Conversation.objects.of(principal_of(request))
    answers = Message.objects.filter(conversation__in=mine, role=Message.Role.ASSISTANT)
    return get_object_or_404(answers.select_related("conversation"), pk=message_id)


class MessageEvents(APIView):
    """What happens, or happened, while an answer is written."""

    needs = Power.CHAT
    renderer_classes = [JSONRenderer, EventStreamRenderer]

    @extend_schema(
        parameters=[
            OpenApiParameter("after", int, description="The number of the last event you have."),
            OpenApiParameter(LAST_EVENT_ID, int, OpenApiParameter.HEADER,
                             description="The same, as browsers send it."),
        ],
        responses={
            (200, "application/json"): EventsSerializer,
            (200, "text/event-stream"): OpenApiResponse(
                str, description="The events after that number, as they come, until the last."
            ),
            (400, "application/problem+json"): ProblemSerializer,
            (404, "application/problem+json"): ProblemSerializer,
        },
    )  # fmt: skip
    def get(self, request: Request, message_id: UUID) -> HttpResponseBase:
        """Resume a stream after the event that you have, or ask for what is there by now.

        Events can be read for JOURNAL_SECONDS after the end; later, the last one alone is told.
        """
        message, after = answer_of(request, message_id), number_of(request)
        retold = _without_its_events(message)
        as_events = request.accepted_renderer.format == "sse"
        give_back_the_database()

        async def keep() -> HttpResponseBase:
            if as_events:
                entries = _alone(after, retold) if retold else running().follow(message.pk, after)
                return event_stream(entries)
            if retold:
                return in_list([Entry(after + 1, retold)])
            return in_list(await running().read(message.pk, after))

        return Promise(keep)


class MessageCancel(APIView):
    """The end of an answer before its time."""

    needs = Power.CHAT

    @extend_schema(
        request=None,
        responses={
            200: AnswerSerializer,
            (404, "application/problem+json"): ProblemSerializer,
            (409, "application/problem+json"): ProblemSerializer,
            (503, "application/problem+json"): ProblemSerializer,
        },
    )
    def post(self, request: Request, message_id: UUID) -> HttpResponseBase:
        """Stop the model. What was shown is kept, with the status `cancelled`."""
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


def number_of(request: Request) -> int:
    told = request.query_params.get("after", request.headers.get(LAST_EVENT_ID, "")) or "0"
    if not (told.isascii() and told.isdigit() and len(told) < 10):
        raise Problem(400, "bad_event_number", f"{LAST_EVENT_ID} and `after` are 0 or more.")
    return int(told)


def in_list(entries: list[Entry]) -> JsonResponse:
    complete = bool(entries) and entries[-1].is_last
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
        except TimeoutError:
            continue
    return None


def _without_its_events(message: Message) -> Done | Error | None:
    """Its last event, if what it showed on the way may not be shown any longer."""
    if message.status == Message.Status.STREAMING:
        return None
    found = standings(message.citations.all(), message.conversation.corpus_id)
    return end_of(message) if any(one.withheld for one in found.values()) else None


async def _alone(after: int, event: Done | Error) -> AsyncGenerator[Entry, None]:
    yield Entry(after + 1, event)
