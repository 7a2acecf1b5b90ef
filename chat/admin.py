"""Conversations with their citations, read-only; and API keys."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.admin import APIKeyModelAdmin
from rest_framework_api_key.models import APIKey

from chat import trace
from chat.evaluation import admin as _question_sets  # noqa: F401 - registers them
from chat.evaluation.collecting import Collecting, collects, of_conversations, of_messages
from chat.models import ApiKey, Conversation, Message
from documents.models import Chunk

# Why a candidate was left out, as chat/trace.py has it.
DROPPED: dict[Any, Any] = {
    trace.OVER_TOP_K: _("after the best"),
    trace.DUPLICATE: _("repeats another"),
    trace.NOT_LIVE: _("no longer live"),
}
admin.site.unregister(APIKey)  # the library's own, which knows no corpora


@admin.register(ApiKey)
class ApiKeyAdmin(APIKeyModelAdmin):
    list_display = (*APIKeyModelAdmin.list_display, "may_ingest")  # type: ignore[assignment]
    list_filter = (*APIKeyModelAdmin.list_filter, "may_ingest", "corpora")  # type: ignore[assignment]
    filter_horizontal = ["corpora"]


class ReadOnly(Collecting):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MessageInline(admin.StackedInline):
    model = Message
    fields = ["role", "status", "outcome", "text", "sources", "model", "created_at"]
    readonly_fields = tuple(fields)  # type: ignore[arg-type]
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("citations"))
    def sources(self, message: Message) -> SafeString:
        return cited(message)


def cited(message: Message) -> SafeString:
    return format_html_join(
        SafeString("<br>"),
        '[{}] <a href="{}" rel="noreferrer">{}</a> “{}”',
        (
            (c.number, c.link or c.url, " › ".join(c.heading_path) or c.title, c.quote)
            for c in message.citations.all()
        ),
    )


@admin.register(Conversation)
class ConversationAdmin(ReadOnly):
    list_display = ["__str__", "corpus", "owner", "created_at", "updated_at"]
    list_filter = ["corpus", "created_at"]
    list_select_related = ["corpus"]
    search_fields = ["title", "owner"]
    inlines = [MessageInline]
    actions = [collects(of_conversations)]


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """Answers by outcome: "not in the content" is the list of what to write next."""

    list_display = ["__str__", "role", "outcome", "status", "model", "created_at"]
    list_filter = ["role", "outcome", "status", "model", "conversation__corpus"]
    search_fields = ["text"]
    actions = [collects(of_messages)]
    fields = [
        "conversation", "role", "status", "outcome", "text", "sources", "verdicts", "model",
        "usage", "how", "created_at", "finished_at",
    ]  # fmt: skip

    @admin.display(description=_("how it came about"))
    def how(self, message: Message) -> SafeString:
        rows = trace.candidates(message.trace)
        columns = [name for name in (rows[0] if rows else {}) if name != "id"]
        chunks = Chunk.objects.select_related("document").in_bulk([UUID(row["id"]) for row in rows])
        table = [
            {
                "id": row["id"],
                "cells": [DROPPED.get(row[name], row[name]) for name in columns],
                "chunk": chunks.get(UUID(row["id"])),
            }
            # Those that were shown first, the others as they were fused.
            for row in sorted(rows, key=lambda row: row.get("rank") or len(rows))
        ]
        return render_to_string(
            "chat/trace.html",
            {"trace": message.trace, "timings": message.timings, "rows": table,
             "columns": [*columns, _("passage")]},
        )  # fmt: skip

    @admin.display(description=_("citations"))
    def sources(self, message: Message) -> SafeString:
        return cited(message)

    @admin.display(description=_("claims"))
    def verdicts(self, message: Message) -> SafeString:
        return format_html_join(
            SafeString("<br>"),
            "{} – {} {}",
            (
                (claim.get_verdict_display(), message.text[claim.start : claim.end], claim.reason)
                for claim in message.claims.all()
            ),
        )
