"""Hears what the corpus announces. Imports the pipeline only when there is work."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.dispatch import receiver

from documents import uploads
from documents.signals import (
    documents_deleted,
    index_owes,
    ingestion_wanted,
    schedule_changed,
    source_described,
)
from ingestion.parsing.formats import MEDIA_TYPES

uploads.readable_suffixes.update(MEDIA_TYPES)


@receiver(ingestion_wanted)
def queue_runs(
    sender: Any, sources: list[Any], keys: Sequence[str] = (), **kwargs: Any
) -> list[Any]:
    from ingestion.models import IngestionRun
    from ingestion.worker import queue_run

    trigger = IngestionRun.Trigger.ADMIN
    return [queue_run(source, trigger=trigger, only=keys) for source in sources]


@receiver(source_described)
def options_make_sense(sender: Any, source: Any, **kwargs: Any) -> None:
    from ingestion.loaders.base import LoadError
    from ingestion.options import check_options

    try:
        check_options(source.kind, source.options)
    except LoadError as error:
        raise ValidationError({"options": str(error)}) from error


@receiver(documents_deleted)
def forget_what_waits(sender: Any, source: Any, keys: Sequence[str], **kwargs: Any) -> int:
    from ingestion.models import IngestionItem

    waiting = IngestionItem.objects.filter(run__source=source, key__in=keys)
    return waiting.filter(outcome=IngestionItem.Outcome.WAITING).delete()[0]


@receiver([index_owes, schedule_changed])
def have_a_worker_look(sender: Any, **kwargs: Any) -> None:
    from ingestion.worker import tell_workers

    transaction.on_commit(tell_workers)
