"""Conversations of the caller."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from chat.access import corpus_of
from chat.auth import visitors
from chat.models import Conversation
from chat.serializers import (
    ConversationSerializer,
    NewConversationSerializer,
    ProblemSerializer,
)
from chat.views.requests import count, principal_of
from documents.powers import Power


class ConversationList(generics.ListAPIView[Conversation]):
    """Conversations of the caller, newest first."""

    needs = Power.CHAT
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

    needs = Power.CHAT
    serializer_class = ConversationSerializer
    http_method_names = ["get", "patch", "delete", "head", "options"]

    def get_queryset(self) -> Any:
        return Conversation.objects.of(principal_of(self.request)).select_related("corpus")
