"""What was said, and the next question."""

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from chat.models import Conversation, Message
from chat.serializers import (
    AroundSerializer,
    MessageSerializer,
    QuestionSerializer,
)
from chat.standing import standings
from chat.turns import Turn
from chat.views.answers import ANSWERS, Answering, respond
from chat.views.requests import principal_of
from documents.closed import PAGE_MAX, PageQuery, Strict
from documents.idempotency import idempotent
from documents.powers import Power
from documents.problems import Problem


class OldestFirst(CursorPagination):
    # A question and its answer may share a moment; the role keeps them apart.
    ordering = ("created_at", "-role")
    page_size_query_param = "page_size"
    max_page_size = PAGE_MAX


class MessageList(Answering, Strict, generics.ListAPIView[Message]):
    """What was said in one conversation, oldest first. Answers that another one stands in the place
    of are among it, as `superseded`."""

    needs = Power.CHAT
    serializer_class = MessageSerializer
    pagination_class = OldestFirst
    query_class = PageQuery

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
        related = messages.select_related("conversation", "feedback")
        return related.prefetch_related("citations", "claims")

    @extend_schema(request=QuestionSerializer, responses=ANSWERS)
    @idempotent
    def post(self, request: Request, conversation_id: UUID) -> HttpResponseBase:
        """Ask. One JSON body, or a stream of events for who accepts text/event-stream."""
        body = QuestionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        turn = Turn.of(body.validated_data, self.conversation(), principal_of(request))
        return respond(request, turn)


class Regenerate(Answering, Strict, APIView):
    """Another answer to a question."""

    needs = Power.CHAT

    @extend_schema(request=AroundSerializer, responses=ANSWERS)
    @idempotent
    def post(self, request: Request, message_id: UUID) -> HttpResponseBase:
        """Answer the last question of a conversation anew. `message_id` is that of its answer.

        The new answer takes the place of the old one when it is complete. The old one is kept, as
        `superseded`, and what is asked next does not know of it.
        """
        body = AroundSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        mine = Message.objects.of(principal_of(request)).filter(role=Message.Role.ASSISTANT)
        related = mine.select_related("conversation__corpus", "question")
        old = get_object_or_404(related, pk=message_id)
        question = last_question(old)
        asked = {**body.validated_data, "question": question.text}
        turn = Turn.of(asked, old.conversation, principal_of(request), anew=True, again=question.pk)
        return respond(request, turn)


def last_question(answer: Message) -> Message:
    """What it answers, if nothing was asked since and nothing is being written; else a 409."""
    messages = Message.objects.filter(conversation=answer.conversation)
    asked = messages.filter(role=Message.Role.USER).order_by("-created_at").first()
    of_old = answer.question is None and asked and asked.created_at <= answer.created_at
    if asked is None or not (of_old or answer.question == asked):
        raise Problem(409, "not_the_last", "Only the last question can be answered again.")
    if messages.filter(status=Message.Status.STREAMING).exists():
        raise Problem(409, "still_answering", "An answer is still being written.", retry_after=1)
    if of_old:  # an answer of an older version; from now on it is one of two
        messages.filter(pk=answer.pk, question=None).update(question=asked)
    return asked
