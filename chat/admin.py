"""Conversations with their citations, read-only; and API keys."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.admin import APIKeyModelAdmin
from rest_framework_api_key.models import APIKey

from chat.models import ApiKey, Conversation, Message

admin.site.unregister(APIKey)  # the library's own, which knows no corpora


@admin.register(ApiKey)
class ApiKeyAdmin(APIKeyModelAdmin):
    list_display = (*APIKeyModelAdmin.list_display, "may_ingest")  # type: ignore[assignment]
    list_filter = (*APIKeyModelAdmin.list_filter, "may_ingest", "corpora")  # type: ignore[assignment]
    filter_horizontal = ["corpora"]


class ReadOnly(admin.ModelAdmin):
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
            (c.number, c.url, " › ".join(c.heading_path) or c.title, c.quote)
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


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """Answers by outcome: "not in the content" is the list of what to write next."""

    list_display = ["__str__", "role", "outcome", "status", "model", "created_at"]
    list_filter = ["role", "outcome", "status", "model", "conversation__corpus"]
    search_fields = ["text"]
    fields = [
        "conversation", "role", "status", "outcome", "text", "sources", "verdicts", "model",
        "usage", "timings", "trace", "created_at", "finished_at",
    ]  # fmt: skip

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
