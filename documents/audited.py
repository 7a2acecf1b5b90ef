"""Changes of rows that go on record by themselves, whoever makes them: a person, a command, a key.

What a field holds is told of numbers and switches alone; of everything else, that it changed.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver

from documents.audit import Action, record
from documents.models import Corpus, Document, Source
from documents.signals import documents_deleted

CHANGED = "…"
_watched: set[type[models.Model]] = set()


def watch(
    model: type[models.Model],
    noun: str,
    fields: Sequence[str],
    *,
    name: Callable[[Any], object],
    many: Sequence[str] = (),
    named: Mapping[tuple[str, object], Action] | None = None,
    corpus: Callable[[Any], object] = lambda row: None,
) -> None:
    """Put on record that a row was made, changed in one of these `fields` or `many`-to-many
    fields, or deleted. `named`: changes that are an action of their own."""

    def told(action: str, row: Any, **details: Any) -> None:
        record(action, target=f"{noun}:{name(row)}", corpus=corpus(row), **details)

    def before(instance: Any, raw: bool = False, update_fields: Any = None, **kw: Any) -> None:
        instance._was = None
        about_it = update_fields is None or not set(fields).isdisjoint(update_fields)
        if not raw and about_it and not instance._state.adding:
            instance._was = model._default_manager.filter(pk=instance.pk).values(*fields).first()

    def after(instance: Any, created: bool, raw: bool = False, **kw: Any) -> None:
        was = instance.__dict__.pop("_was", None)
        if raw:
            return  # a dump is loaded: nobody decided anything
        if created:
            told(f"{noun}.created", instance)
        elif was is not None:
            now = model._default_manager.filter(pk=instance.pk).values(*fields).first() or was
            changed = {field: now[field] for field in fields if now[field] != was[field]}
            if changed:
                told(_action(changed), instance, changed=_shown(changed))

    def _action(changed: Mapping[str, object]) -> str:
        for pair, action in (named or {}).items():
            if pair in changed.items():
                return action
        return f"{noun}.changed"

    def gone(instance: Any, **kw: Any) -> None:
        told(f"{noun}.deleted", instance)

    def related(
        instance: Any, action: str, reverse: bool, pk_set: Any, sender: Any, **kw: Any
    ) -> None:
        """Also from the other side, whose rows are then what was given to ours."""
        what, _underscore, change = action.partition("_")
        if what != "post" or (change != "clear" and not pk_set):
            return
        ours = model._default_manager.filter(pk__in=pk_set or ()) if reverse else [instance]
        others = [instance.pk] if reverse else sorted(pk_set or (), key=str)
        field = next(f for f in many if getattr(model, f).through is sender)
        for row in ours:
            told(f"{noun}.changed", row, changed={field: {change: others}})

    _watched.add(model)
    pre_save.connect(before, sender=model, weak=False)
    post_save.connect(after, sender=model, weak=False)
    post_delete.connect(gone, sender=model, weak=False)
    for field in many:
        m2m_changed.connect(related, sender=getattr(model, field).through, weak=False)


def _shown(changed: Mapping[str, object]) -> dict[str, object]:
    return {
        field: value if value is None or isinstance(value, (bool, int)) else CHANGED
        for field, value in changed.items()
    }


watch(
    Corpus, "corpus", ["name", "language", "is_public", "retention_days"],
    name=lambda row: row.slug, corpus=lambda row: row.slug,
)  # fmt: skip
watch(
    Source, "source",
    ["slug", "kind", "location", "base_url", "options", "trust_tier", "sync_hours"],
    name=lambda row: row.slug, corpus=lambda row: row.corpus,
)  # fmt: skip


@receiver(documents_deleted)
def documents_went(sender: Any, source: Source, keys: Sequence[str], **kwargs: Any) -> None:
    if keys:
        record(
            Action.DOCUMENTS_DELETED, target=f"source:{source.slug}", corpus=source.corpus,
            keys=keys, count=len(keys),
        )  # fmt: skip


@receiver(post_save, sender=LogEntry)
def admin_changed(instance: LogEntry, **kwargs: Any) -> None:
    """What the admin put on its own record, of rows that nobody else watches."""
    model = instance.content_type.model_class() if instance.content_type else None
    if model is None or model in _watched:
        return
    noun = f"{model._meta.label_lower}:{instance.object_id}"
    fields = [name for part in _parts(instance) for name in part.get("fields", ())]
    action = Action.DOCUMENT_CHANGED if model is Document else Action.ADMIN_CHANGED
    verb = {1: "added", 2: "changed", 3: "deleted"}.get(instance.action_flag, "")
    record(action, target=noun, by=f"user:{instance.user_id}", verb=verb, fields=sorted(fields))


def _parts(instance: LogEntry) -> list[dict[str, Any]]:
    try:
        told = json.loads(instance.change_message or "[]")
    except ValueError:
        return []  # somebody's own words
    return [next(iter(part.values()), {}) for part in told if isinstance(part, dict)]
