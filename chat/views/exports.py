"""A conversation to take along."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.exporting import markdown
from chat.models import Conversation, Message
from chat.serializers import ExportQuery, ExportSerializer
from chat.standing import standings
from chat.views.requests import principal_of
from documents.closed import Strict
from documents.powers import Power

TYPES = {"json": "json", "markdown": "md"}  # the endings of files


class MarkdownRenderer(BaseRenderer):
    media_type = "text/markdown"
    format = "markdown"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        server = kwargs.get("renderer_context", (args or (None, {}))[-1])["request"]
        about = f"{data['corpus']}, begun {data['created_at']}, {data['id']}"
        text = markdown(data["title"], about, data["messages"], server.build_absolute_uri("/"))
        return text.encode()


class ConversationExport(Strict, APIView):
    """A conversation as a file."""

    needs = Power.CHAT
    renderer_classes = (JSONRenderer, MarkdownRenderer)
    query_class = ExportQuery

    @extend_schema(
        responses={(200, "application/json"): ExportSerializer, (200, "text/markdown"): str}
    )
    def get(self, request: Request, conversation_id: UUID) -> HttpResponseBase:
        """Everything that was said, as JSON or as Markdown with footnotes.

        Without `format`, what the client accepts decides.
        """
        messages = (
            Message.objects.select_related("feedback")
            .prefetch_related("citations", "claims")
            .order_by("created_at", "-role")
        )
        mine = Conversation.objects.of(principal_of(request)).select_related("corpus")
        conversation = get_object_or_404(
            mine.prefetch_related(Prefetch("messages", messages)), pk=conversation_id
        )
        said = conversation.messages.all()
        cited = [citation for message in said for citation in message.citations.all()]
        context = {"standings": standings(cited, conversation.corpus_id)}
        name = f"conversation-{conversation.pk}.{TYPES[self.request.accepted_renderer.format]}"
        return Response(
            ExportSerializer(conversation, context=context).data,
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "private, no-store",
            },
        )
