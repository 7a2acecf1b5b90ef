"""What somebody may ask of a run: to stop, or to try again what failed."""

from collections.abc import Collection

from django.db import transaction

from documents.models import Source
from ingestion.models import IngestionItem, IngestionRun
from ingestion.worker import queue_run

NOT_BEGUN = "Cancelled before it went on."


class NothingToRetry(Exception):
    """The message says why."""


def cancel_run(run: IngestionRun) -> bool:
    """Whether there was anything to cancel. One at work stops at its next document."""
    with transaction.atomic():
        # A run is taken up under the same lock: either it sees this, or this sees it running.
        Source.objects.select_for_update().get(pk=run.source_id)
        run.refresh_from_db()
        if run.is_finished:
            return False
        run.cancel_requested = True
        run.save(update_fields=["cancel_requested"])
        if run.status != IngestionRun.Status.RUNNING:  # nobody is there to hear of it
            run.finish(IngestionRun.Status.CANCELLED, run.counts, NOT_BEGUN)
    return True


def retry_run(
    run: IngestionRun, keys: Collection[str] = (), *, trigger: IngestionRun.Trigger
) -> IngestionRun:
    """A new run over the documents that failed in this one, or over these of them."""
    failed = run.items.filter(outcome=IngestionItem.Outcome.FAILED)
    if keys:
        failed = failed.filter(key__in=keys)
    found = set(failed.values_list("key", flat=True))
    if unknown := sorted(set(keys) - found):
        raise NothingToRetry(f"These did not fail in this run: {', '.join(unknown[:5])}.")
    if found:
        return queue_run(run.source, trigger=trigger, only=sorted(found))
    if run.status in (IngestionRun.Status.FAILED, IngestionRun.Status.CANCELLED):
        return queue_run(run.source, trigger=trigger, only=run.only)
    raise NothingToRetry("None of its documents failed.")
