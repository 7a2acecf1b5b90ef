"""A conversation that goes on in another way."""

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.branching import branch
from chat.models import Conversation, Message
from chat.serializers import BranchSerializer, ConversationSerializer, ProblemSerializer
from chat.views.conversations import started
from chat.views.requests import count, principal_of
from documents.closed import Strict
from documents.idempotency import Resumed, idempotent
from documents.powers import Power


class ConversationBranch(Resumed, Strict, APIView):
    """Edit a question: ask another one in its place, in a conversation of its own."""

    needs = Power.CHAT

    def has_begun(self, target: UUID) -> bool:
        return Conversation.objects.filter(pk=target).exists()

    def resumed(self, request: Request, target: UUID) -> HttpResponseBase:
        """Read again: its title is a question, and such are not kept with a request."""
        mine = Conversation.objects.of(principal_of(request)).select_related("corpus")
        found = get_object_or_404(mine, pk=target)
        return Response(ConversationSerializer(found).data, status=201)

    def conversation(self) -> Any:
        mine = Conversation.objects.of(principal_of(self.request)).select_related("corpus")
        return get_object_or_404(mine, pk=self.kwargs["conversation_id"])

    @extend_schema(
        request=BranchSerializer,
        responses={201: ConversationSerializer, 404: ProblemSerializer, 429: ProblemSerializer},
    )
    @idempotent
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Begin a new conversation with the turns before a question; then ask there.

        To edit a question: branch off at it, and post its new text to the new conversation.
        """
        body = BranchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        conversation = self.conversation()
        questions = Message.objects.filter(conversation=conversation, role=Message.Role.USER)
        question = get_object_or_404(questions, pk=body.validated_data["message"])
        count(principal_of(request), "conversations")
        kept = request.kept  # type: ignore[attr-defined]
        return started(request, branch(conversation, question, kept and kept.target))
