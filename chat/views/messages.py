"""What was said, and the next question: one JSON body, or its events as SSE."""

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from chat.access import scope_of
from chat.context import Surroundings
from chat.models import Conversation, Message
from chat.serializers import (
    AnswerSerializer,
    MessageSerializer,
    ProblemSerializer,
    QuestionSerializer,
)
from chat.standing import standings
from chat.turns import Turn
from chat.views.answers import EventStreamRenderer, respond
from chat.views.requests import principal_of
from documents.powers import Power


class OldestFirst(CursorPagination):
    # A question and its answer may share a moment; the role keeps them apart.
    ordering = ("created_at", "-role")
    page_size_query_param = "page_size"
    max_page_size = 200


class MessageList(generics.ListAPIView[Message]):
    """What was said in one conversation; POST asks the next question."""

    needs = Power.CHAT
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
        return respond(request, turn)
