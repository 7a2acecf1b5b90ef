"""Which runs a worker should take up now, and when there may be more. Asked, never polled."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Min, Q
from django.utils import timezone

from documents.models import Source
from documents.providers import get_index
from ingestion.leases import holder_is_dead, holder_is_near
from ingestion.models import IngestionRun, Lease
from ingestion.runs import ATTEMPTS

SOON = timedelta(seconds=5)
GRACE = timedelta(seconds=1)  # the database's clock may be behind ours


@dataclass
class Stock:
    """`runs` are ids; `next_look_at` is None when nothing will be due unless somebody asks."""

    runs: list[int] = field(default_factory=list)
    index_owes: bool = False
    next_look_at: datetime | None = None

    def look_at(self, moment: datetime | None) -> None:
        if moment is not None:
            self.next_look_at = min(moment, self.next_look_at or moment)


def take_stock() -> Stock:
    """Look at all rows that mean work, once."""
    now = timezone.now()
    stock = Stock()
    stock.look_at(_plan_syncs(now))
    busy: set[int] = set()
    unfinished = IngestionRun.objects.unfinished().select_related("source__lease")
    for run in unfinished.order_by("created_at", "pk"):
        lease = getattr(run.source, "lease", None)
        if lease is not None and _is_held(lease, now):
            stock.look_at(_when_it_may_be_free(lease, now))
        elif run.status == IngestionRun.Status.WAITING and (run.next_attempt_at or now) > now:
            stock.look_at(run.next_attempt_at)
        elif run.source_id not in busy and not _given_up(run):
            busy.add(run.source_id)
            stock.runs.append(run.pk)
    stock.index_owes = bool(get_index().owed())
    return stock


def _is_held(lease: Lease, now: datetime) -> bool:
    return bool(lease.holder) and lease.expires_at > now and not holder_is_dead(lease)


def _when_it_may_be_free(lease: Lease, now: datetime) -> datetime:
    """Its holder's death can be seen from here before the lease runs out, or it cannot."""
    moment = lease.expires_at + GRACE
    return min(moment, now + SOON) if holder_is_near(lease) else moment


def _given_up(run: IngestionRun) -> bool:
    """A run that took its process with it again and again is not tried for ever."""
    if run.status != IngestionRun.Status.RUNNING or run.attempts < ATTEMPTS:
        return False
    error = f"Its process died {run.attempts} times. Look at its last items and at the log."
    run.finish(IngestionRun.Status.FAILED, run.counts, error)
    return True


def _plan_syncs(now: datetime) -> datetime | None:
    """A run for each source whose interval is over, unless it has one that is not done.

    Returns when the next interval is over.
    """
    syncing = Source.objects.filter(sync_hours__isnull=False)
    due = syncing.filter(Q(next_sync_at=None) | Q(next_sync_at__lte=now))
    if due.exists():  # no transaction for nothing: it would make other writers wait
        with transaction.atomic():
            for source in due.select_for_update():
                hours = max(source.sync_hours or 1, 1)
                source.next_sync_at = now + timedelta(hours=hours)
                source.save(update_fields=["next_sync_at"])
                if not source.runs.unfinished().exists():
                    source.runs.create(trigger=IngestionRun.Trigger.SCHEDULE)
    return syncing.aggregate(soonest=Min("next_sync_at"))["soonest"]
