"""What an answer cites, in the styles that people quote in."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.citation_styles import STYLES
from chat.models import Message
from chat.references import references
from chat.serializers import SavedCitationSerializer
from chat.standing import standings
from chat.views.requests import principal_of
from documents.closed import Choice, Query, Strict
from documents.powers import Power


class StyleQuery(Query):
    style = Choice(sorted(STYLES), required=False)  # type: ignore[assignment]


class MessageCitations(Strict, APIView):
    """What one answer cites, as its reader wants to quote it."""

    needs = Power.CHAT
    query_class = StyleQuery

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)  # the style decides

    @extend_schema(
        responses={
            (200, "application/json"): SavedCitationSerializer(many=True),
            **{
                (200, style.media_type): list[dict[str, Any]] if name == "csl-json" else str
                for name, style in STYLES.items()
            },
        },
    )
    def get(self, request: Request, message_id: UUID) -> HttpResponseBase:
        """As they are stored; with `style`, as references in that style."""
        mine = Message.objects.of(principal_of(request)).select_related("conversation")
        message = get_object_or_404(mine, pk=message_id)
        cited, corpus_id = list(message.citations.all()), message.conversation.corpus_id
        name = self.asked.get("style")
        if name is None:
            context = {"standings": standings(cited, corpus_id)}
            return Response(SavedCitationSerializer(cited, many=True, context=context).data)
        found = references(cited, corpus_id, accessed=message.created_at.date(),
                           absolute=request.build_absolute_uri)  # fmt: skip
        style = STYLES[name]
        return HttpResponse(style.write(found), content_type=f"{style.media_type}; charset=utf-8")
