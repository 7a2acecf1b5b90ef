"""Conversations of the caller."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from chat.access import corpus_of
from chat.auth import visitors
from chat.forgetting import forget_conversations
from chat.models import Citation, Claim, Conversation, Feedback, Message
from chat.serializers import (
    ConversationQuery,
    ConversationSerializer,
    DeletedSerializer,
    NewConversationSerializer,
    ProblemSerializer,
    StartedSerializer,
    TitleSerializer,
)
from chat.views.requests import count, principal_of
from documents.closed import Strict
from documents.etags import FRESH, Tagged, refuse_what_is_outdated
from documents.idempotency import idempotent
from documents.powers import Power


class ConversationList(Strict, generics.ListAPIView[Conversation]):
    """Conversations of the caller, newest first. `q` finds a text in their titles and messages."""

    needs = Power.CHAT
    serializer_class = ConversationSerializer
    query_class = ConversationQuery

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Conversation.objects.none()
        mine = Conversation.objects.of(principal_of(self.request)).select_related("corpus")
        if slug := self.asked.get("corpus"):
            mine = mine.filter(corpus__slug=slug)
        if text := self.asked.get("q"):
            mine = mine.about(text)
        return mine

    @extend_schema(
        request=NewConversationSerializer,
        responses={201: StartedSerializer, 404: ProblemSerializer, 429: ProblemSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Start a conversation. An anonymous visitor gets a token to come back with."""
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
        return started(request, conversation, token)


def started(request: Request, conversation: Conversation, token: str = "") -> Response:
    """What somebody is told who has got a new one."""
    if kept := request.kept:  # type: ignore[attr-defined]
        kept.target = conversation.pk  # deleted with it
    reply = {**ConversationSerializer(conversation).data}
    if token:
        reply["visitor_token"] = token
    return Response(reply, status=status.HTTP_201_CREATED)


class ConversationDetail(Strict, Tagged, generics.GenericAPIView[Conversation]):
    """One conversation."""

    needs = Power.CHAT
    serializer_class = ConversationSerializer

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Conversation.objects.none()
        return Conversation.objects.of(principal_of(self.request)).select_related("corpus")

    def locked(self) -> Conversation:
        """As the caller has seen it, if they say what that was. Within a transaction."""
        found = generics.get_object_or_404(
            self.get_queryset().select_for_update(of=("self",)), pk=self.kwargs["pk"]
        )
        refuse_what_is_outdated(self.request, self.tag_of(found))
        return found

    def get(self, request: Request, **kwargs: Any) -> Response:
        """One conversation, without its messages."""
        return self.retrieve(request)

    @extend_schema(request=TitleSerializer, responses={200: ConversationSerializer})
    def patch(self, request: Request, **kwargs: Any) -> Response:
        """Give a conversation another title."""
        body = TitleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            conversation = self.locked()
            conversation.title = body.validated_data["title"]
            conversation.save(update_fields=["title", "updated_at"])
        headers = {"ETag": self.tag_of(conversation), "Cache-Control": FRESH}
        return Response(ConversationSerializer(conversation).data, headers=headers)

    @extend_schema(responses={200: DeletedSerializer})
    def delete(self, request: Request, **kwargs: Any) -> Response:
        """Delete a conversation with all that was said in it. The rows are gone with the answer."""
        with transaction.atomic():
            conversation = self.locked()
            deleted = forget_conversations([conversation.pk])
        counted = {
            "messages": Message, "citations": Citation, "claims": Claim, "feedback": Feedback,
        }  # fmt: skip
        return Response(
            {name: deleted.get(model._meta.label, 0) for name, model in counted.items()}
        )
