"""Conversations with their citations, read-only; the models that write."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat import trace
from chat.auth import admin as _credentials  # noqa: F401 - registers them
from chat.evaluation import admin as _question_sets  # noqa: F401 - registers them
from chat.evaluation.collecting import Collecting, collects, of_conversations, of_messages
from chat.models import AnswerModel, Citation, Conversation, Feedback, Message
from chat.providers import models_asked
from chat.standing import Standing, standings
from documents.budgets import is_free
from documents.models import Chunk
from documents.providers import breaker

# Why a candidate was left out, as chat/trace.py has it.
DROPPED: dict[Any, Any] = {
    trace.OVER_TOP_K: _("after the best"),
    trace.DUPLICATE: _("repeats another"),
    trace.NOT_LIVE: _("no longer live"),
    trace.NOT_SELECTED: _("not in the selected text"),
}
# What became of what was cited, as chat/standing.py has it.
STATES: dict[str, Any] = {
    "current": _("unchanged since"),
    "moved": _("the same text stands elsewhere now"),
    "changed": _("the section has changed since"),
    "gone": _("no longer there"),
}


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

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("citations")

    @admin.display(description=_("citations"))
    def sources(self, message: Message) -> SafeString:
        # This inline lives for one page: all its citations are looked up at once.
        if not hasattr(self, "_standings"):
            conversation = message.conversation
            of_all = Citation.objects.filter(message__conversation=conversation)
            self._standings = standings(of_all, conversation.corpus_id)
        return cited(message, self._standings)


def cited(message: Message, known: Mapping[int, Standing]) -> SafeString:
    return format_html_join(
        SafeString("<br>"),
        '[{}] <a href="{}" rel="noreferrer">{}</a> “{}” ({}, {})',
        (
            (
                c.number, known[c.pk].moved_to or c.link or c.url,
                " › ".join(c.heading_path) or c.title or c.url, c.quote,
                c.get_trust_tier_display(), STATES[known[c.pk].state],
            )
            for c in message.citations.all()
        ),
    )  # fmt: skip


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

    list_display = ["__str__", "role", "outcome", "status", "rating", "model", "created_at"]
    list_filter = [
        "role", "outcome", "status", "feedback__rating", "superseded", "model",
        "conversation__corpus",
    ]  # fmt: skip
    list_select_related = ["feedback"]
    search_fields = ["text", "feedback__comment"]
    actions = [collects(of_messages)]
    fields = [
        "conversation", "role", "status", "outcome", "superseded", "text", "sources", "verdicts",
        "rating", "comment", "model", "usage", "how", "created_at", "finished_at",
    ]  # fmt: skip

    @admin.display(description=_("feedback"), ordering="feedback__rating")
    def rating(self, message: Message) -> str:
        given: Feedback | None = getattr(message, "feedback", None)
        return given.get_rating_display() if given else ""

    @admin.display(description=_("comment"))
    def comment(self, message: Message) -> str:
        given: Feedback | None = getattr(message, "feedback", None)
        return given.comment if given else ""

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
        known = standings(message.citations.all(), message.conversation.corpus_id)
        return cited(message, known)

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


@admin.register(AnswerModel)
class AnswerModelAdmin(admin.ModelAdmin):
    """Which models write, in which order, and how each of them is doing."""

    list_display = ["name", "provider", "position", "enabled", "state"]
    list_editable = ["position", "enabled"]
    list_filter = ["provider", "enabled"]

    @admin.display(description=_("state"))
    def state(self, model: AnswerModel) -> str | Promise:
        if not model.enabled:
            return _("not asked")
        if not getattr(model, "is_asked", False):
            return _("not asked: its provider is not configured, or too many stand before it")
        return _state(model.provider, model.name)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Who is asked is found out once for all rows."""
        changes = super().get_changelist_instance(request)
        asked = dict(self._asked())
        for model in changes.result_list:
            model.is_asked = model.name in asked.get(model.provider, ())
        return changes

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        chosen = AnswerModel.objects.chosen()
        asked = [
            {
                "provider": provider, "name": name, "state": _state(provider, name),
                "from_settings": provider not in chosen,
            }
            for provider, names in self._asked()
            for name in names
        ]  # fmt: skip
        return super().changelist_view(request, {**(extra_context or {}), "asked": asked})

    def _asked(self) -> list[tuple[str, list[str]]]:
        return models_asked(AnswerModel.objects.chosen())


def _state(provider: str, name: str) -> str | Promise:
    circuits = [breaker(provider), breaker(f"{provider}/{name}")]
    if is_free(name):
        circuits.append(breaker(f"{provider}/:free"))
    for circuit in circuits:
        circuit.look()
    worst = max(circuits, key=lambda circuit: circuit.retry_after)
    if worst.state == "open":
        return _("left alone for another %d s") % worst.retry_after
    return _("is tried again") if worst.state == "half-open" else _("in use")
