"""What was said, and the next question: one JSON body, or its events as SSE."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import connection
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from chat.access import scope_of
from chat.context import Surroundings
from chat.events import Done, Error, Event, as_json
from chat.models import Conversation, Message
from chat.pipeline import answer
from chat.serializers import (
    AnswerSerializer,
    MessageSerializer,
    ProblemSerializer,
    QuestionSerializer,
)
from chat.standing import standings
from chat.turns import Turn
from chat.views.requests import principal_of
from documents.problems import Problem


class EventStreamRenderer(BaseRenderer):
    """Only for content negotiation: the view writes the stream itself."""

    media_type = "text/event-stream"
    format = "sse"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return f"event: error\ndata: {json.dumps(data)}\n\n".encode()


class OldestFirst(CursorPagination):
    # A question and its answer may share a moment; the role keeps them apart.
    ordering = ("created_at", "-role")
    page_size_query_param = "page_size"
    max_page_size = 200


class MessageList(generics.ListAPIView[Message]):
    """What was said in one conversation; POST asks the next question."""

    serializer_class = MessageSerializer
    pagination_class = OldestFirst

    def get_renderers(self) -> list[BaseRenderer]:
        events = [EventStreamRenderer()] if self.request.method == "POST" else []
        return [JSONRenderer(), *events]

    def conversation(self) -> Conversation:
        mine = Conversation.objects.of(principal_of(self.request)).select_related("corpus")
        return get_object_or_404(mine, pk=self.kwargs["conversation_id"])

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        cited = [citation for message in page or () for citation in message.citations.all()]
        corpus_id = page[0].conversation.corpus_id if page else 0
        self.standings = standings(cited, corpus_id)
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "standings": getattr(self, "standings", {})}

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Message.objects.none()
        messages = Message.objects.filter(conversation=self.conversation())
        return messages.select_related("conversation").prefetch_related("citations", "claims")

    @extend_schema(
        request=QuestionSerializer,
        responses={
            (201, "application/json"): AnswerSerializer,
            (200, "text/event-stream"): OpenApiResponse(
                description="Events start, stage, sources, delta, citation, claims, and at the "
                "end exactly one of done and error; see docs/api.md."
            ),
            (400, "application/problem+json"): ProblemSerializer,
            (422, "application/problem+json"): ProblemSerializer,
            (429, "application/problem+json"): ProblemSerializer,
            (503, "application/problem+json"): ProblemSerializer,
        },
    )
    def post(self, request: Request, conversation_id: UUID) -> HttpResponseBase:
        """Ask. One JSON body, or a stream of events for who accepts text/event-stream."""
        body = QuestionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        conversation = self.conversation()
        turn = Turn(
            conversation=conversation,
            principal=principal_of(request),
            question=body.validated_data["question"],
            scope=scope_of(conversation.corpus, body.validated_data.get("filters")),
            surroundings=Surroundings.of(body.validated_data),
        )
        # Nothing of this request may hold a connection while a model writes.
        connection.close()
        events = answer(turn)
        if request.accepted_renderer.format == "sse":
            return event_stream(events)
        last = async_to_sync(last_event)(events)
        if isinstance(last, Error):
            raise as_problem(last)
        return Response(as_json(last), status=status.HTTP_201_CREATED)


def event_stream(events: AsyncGenerator[Event, None]) -> StreamingHttpResponse:
    """The events as SSE. A turn that was not even admitted is an HTTP error instead."""
    first = async_to_sync(first_event)(events)
    if isinstance(first, Error):
        raise as_problem(first)
    return StreamingHttpResponse(
        frames(first, events),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def first_event(events: AsyncGenerator[Event, None]) -> Event:
    return await anext(events)


async def frames(first: Event, events: AsyncGenerator[Event, None]) -> AsyncIterator[bytes]:
    number = 1
    yield frame(number, first)
    async with aclosing(events):
        async for event in events:
            number += 1
            yield frame(number, event)


def frame(number: int, event: Event) -> bytes:
    data = json.dumps(as_json(event), ensure_ascii=False)
    return f"id: {number}\nevent: {event.type}\ndata: {data}\n\n".encode()


async def last_event(events: AsyncGenerator[Event, None]) -> Done | Error:
    last: Event | None = None
    async with aclosing(events):
        async for event in events:
            last = event
    assert isinstance(last, (Done, Error))  # noqa: S101 - the pipeline's promise
    return last


def as_problem(error: Error) -> Problem:
    return Problem(error.status, error.code, error.detail, retry_after=error.retry_after)
