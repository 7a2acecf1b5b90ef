"""What an answer cites, in the styles that people quote in."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.citation_styles import STYLES
from chat.models import Conversation, Message
from chat.references import references
from chat.serializers import (
    ProblemSerializer,
    SavedCitationSerializer,
)
from chat.standing import standings
from chat.views.requests import principal_of
from documents.powers import Power
from documents.problems import Problem


class MessageCitations(APIView):
    """What one answer cites, as its reader wants to quote it."""

    needs = Power.CHAT

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
