"""REST and SSE: translate requests into turns and searches, and events into bytes."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from math import ceil
from typing import Any, cast
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import connection
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import ensure_csrf_cookie
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.access import corpus_of, scope_of
from chat.auth import schema as _registers_credentials  # noqa: F401
from chat.auth import visitors
from chat.auth.principal import Principal
from chat.citation_styles import STYLES
from chat.context import Surroundings, gather
from chat.events import Done, Error, Event, as_json
from chat.limits import TooManyQuestions, admit
from chat.models import Conversation, Message
from chat.pipeline import answer
from chat.references import references
from chat.retrieval import Found, Retriever
from chat.serializers import (
    AnswerSerializer,
    ConversationSerializer,
    MessageSerializer,
    NewConversationSerializer,
    ProblemSerializer,
    QuestionSerializer,
    SavedCitationSerializer,
    SearchResultSerializer,
    SearchSerializer,
)
from chat.standing import standings
from chat.turns import Turn, passage_json
from documents.index.base import IndexUnavailable
from documents.models import Corpus
from documents.problems import Problem


def principal_of(request: Request) -> Principal:
    """Set by PrincipalAuthentication, for anonymous visitors too."""
    return cast(Principal, request.auth)


def count(principal: Principal, what: str) -> None:
    """One more from a caller's budget; a 429 when it is used up."""
    try:
        async_to_sync(admit)(principal, what)
    except TooManyQuestions as error:
        raise Problem(429, "rate_limited", str(error), retry_after=error.retry_after) from None


class EventStreamRenderer(BaseRenderer):
    """Only for content negotiation: the view writes the stream itself."""

    media_type = "text/event-stream"
    format = "sse"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return f"event: error\ndata: {json.dumps(data)}\n\n".encode()


class ConversationList(generics.ListAPIView[Conversation]):
    """Conversations of the caller, newest first."""

    serializer_class = ConversationSerializer

    def get_queryset(self) -> Any:
        return Conversation.objects.of(principal_of(self.request)).select_related("corpus")

    @extend_schema(
        request=NewConversationSerializer,
        responses={201: ConversationSerializer, 404: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Start one. An anonymous visitor gets a token to come back with."""
        body = NewConversationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        principal = principal_of(request)
        corpus = corpus_of(principal, body.validated_data["corpus"])
        count(principal, "conversations")
        token = ""
        if principal.kind == "visitor" and not principal.id:
            token = visitors.new_token()
            owner = f"visitor:{visitors.visitor_id(token)}"
        else:
            owner = principal.owner
        conversation = Conversation.objects.create(corpus=corpus, owner=owner)
        reply = {**ConversationSerializer(conversation).data}
        if token:
            reply["visitor_token"] = token
        return Response(reply, status=status.HTTP_201_CREATED)


class ConversationDetail(generics.RetrieveUpdateDestroyAPIView[Conversation]):
    """One conversation: read it, give it a title, delete it with all its messages."""

    serializer_class = ConversationSerializer
    http_method_names = ["get", "patch", "delete", "head", "options"]

    def get_queryset(self) -> Any:
        return Conversation.objects.of(principal_of(self.request)).select_related("corpus")


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


class MessageCitations(APIView):
    """What one answer cites, as its reader wants to quote it."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)  # the style decides

    @extend_schema(
        parameters=[OpenApiParameter("style", str, enum=sorted(STYLES))],
        responses={
            (200, "application/json"): SavedCitationSerializer(many=True),
            **{(200, style.media_type): str for style in STYLES.values()},
            404: ProblemSerializer,
        },
    )
    def get(self, request: Request, message_id: UUID) -> HttpResponseBase:
        """As they are stored; with `style`, as references in that style."""
        mine = Conversation.objects.of(principal_of(request))
        messages = Message.objects.select_related("conversation").filter(conversation__in=mine)
        message = get_object_or_404(messages, pk=message_id)
        cited, corpus_id = list(message.citations.all()), message.conversation.corpus_id
        name = request.query_params.get("style")
        if name is None:
            context = {"standings": standings(cited, corpus_id)}
            return Response(SavedCitationSerializer(cited, many=True, context=context).data)
        if name not in STYLES:
            known = ", ".join(sorted(STYLES))
            raise Problem(400, "unknown_style", f"The styles of citations are: {known}.")
        found = references(cited, corpus_id, accessed=message.created_at.date(),
                           absolute=request.build_absolute_uri)  # fmt: skip
        style = STYLES[name]
        return HttpResponse(style.write(found), content_type=f"{style.media_type}; charset=utf-8")


class SearchView(APIView):
    """Retrieval alone: what an answer would be written from."""

    @extend_schema(
        request=SearchSerializer,
        responses={200: SearchResultSerializer, 404: ProblemSerializer, 503: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        body = SearchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        corpus = corpus_of(principal_of(request), asked["corpus"])
        try:
            count(principal_of(request), "questions")
            found = async_to_sync(search)(asked, corpus)
        except IndexUnavailable as error:
            raise Problem(
                503,
                "search_unavailable",
                "Search is unavailable; try again.",
                retry_after=max(5, ceil(error.retry_after or 0)),
            ) from None
        passages = [
            {
                **passage_json(passage),
                "text": passage.text,
                "line_start": passage.line_start,
                "line_end": passage.line_end,
            }
            for passage in found.passages
        ]
        return Response(
            {
                "query": found.query,
                "degraded": found.degraded,
                "passages": passages,
                "timings": found.timings,
            }
        )


async def search(asked: dict[str, Any], corpus: Corpus) -> Found:
    retriever, scope = Retriever.from_settings(), scope_of(corpus, asked.get("filters"))
    around = await gather(Surroundings.of(asked), scope, retriever.index, corpus.language)
    return await retriever.search(
        asked["query"], scope, language=corpus.language, top_k=asked.get("top_k"), context=around
    )


@ensure_csrf_cookie
def chat_page(request: Any) -> HttpResponseBase:
    """A plain page to ask from, over the websocket."""
    response = render(request, "chat/chat.html")
    if visitors.visitor_id(request.COOKIES.get(visitors.COOKIE, "")) is None:
        response.set_cookie(
            visitors.COOKIE,
            visitors.new_token(),
            max_age=visitors.MAX_AGE,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure(),
        )
    return response
