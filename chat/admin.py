"""Conversations with their citations, read-only; the models that write."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat import (
    people_admin,  # noqa: F401 - registers itself
    trace,
)
from chat.auth import admin as _credentials  # noqa: F401 - registers them
from chat.evaluation import admin as _question_sets  # noqa: F401 - registers them
from chat.evaluation.collecting import Collecting, collects, of_conversations, of_messages
from chat.forgetting import forget_conversations, forget_messages
from chat.models import AnswerModel, Citation, Conversation, Feedback, Message
from chat.providers import models_asked
from chat.standing import Standing, standings
from documents.audit import Action, record
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


class Confidential(Collecting):
    """What people asked. Seen by whoever has the permission made for that, and it is put on record
    before anything is shown."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_read(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and may_read(request)

    def has_collect_permission(self, request: HttpRequest) -> bool:
        return super().has_collect_permission(request) and may_read(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if may_read(request):
            record(Action.CONVERSATIONS_LISTED, target=str(self.opts.verbose_name_plural))
        return super().changelist_view(request, extra_context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        if may_read(request) and (found := self.get_object(request, unquote(object_id))):
            _on_record(Action.CONVERSATION_READ, self.conversations_of([found]))
        return super().change_view(request, object_id, *args, **kwargs)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, self.model._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            _on_record(Action.CONVERSATION_DELETED, self.conversations_of(queryset))
            self.forget([row.pk for row in queryset])

    def conversations_of(self, rows: Iterable[Any]) -> list[Conversation]:
        raise NotImplementedError

    def forget(self, ids: list[UUID]) -> None:
        raise NotImplementedError


def may_read(request: HttpRequest) -> bool:
    return request.user.has_perm("chat.read_conversations")


def _on_record(action: Action, conversations: Iterable[Conversation]) -> None:
    """Each one by itself: "who has read this one?" is what will be asked."""
    for conversation in {row.pk: row for row in conversations}.values():
        record(action, target=f"conversation:{conversation.pk}", corpus=conversation.corpus,
               owner=conversation.owner)  # fmt: skip


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

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_read(request)

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
class ConversationAdmin(Confidential):
    list_display = ["opening", "corpus", "owner", "created_at", "updated_at"]
    list_filter = ["corpus", "created_at"]
    list_select_related = ["corpus"]
    search_fields = ["title", "owner"]
    inlines = [MessageInline]
    actions = [collects(of_conversations)]

    @admin.display(description=_("title"), ordering="title")
    def opening(self, conversation: Conversation) -> str:
        return conversation.title or str(conversation)

    def conversations_of(self, rows: Iterable[Any]) -> list[Conversation]:
        return list(rows)

    def forget(self, ids: list[UUID]) -> None:
        forget_conversations(ids)


@admin.register(Message)
class MessageAdmin(Confidential):
    """Answers by outcome: "not in the content" is the list of what to write next."""

    list_display = ["opening", "role", "outcome", "status", "rating", "model", "created_at"]
    list_filter = [
        "role", "outcome", "status", "feedback__rating", "superseded", "model",
        "conversation__corpus",
    ]  # fmt: skip
    list_select_related = ["feedback", "conversation__corpus"]
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

    @admin.display(description=_("text"))
    def opening(self, message: Message) -> str:
        return message.text[:60] or str(message)

    def conversations_of(self, rows: Iterable[Any]) -> list[Conversation]:
        return [message.conversation for message in rows]

    def forget(self, ids: list[UUID]) -> None:
        forget_messages(ids)

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
