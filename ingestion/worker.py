"""Work in the background: putting it on record, having a worker told, working in the server.

The queue only wakes a worker up; the rows decide what is done. Whoever loses what is in the queue
loses nothing: a worker that finds it empty, or could not reach it, looks at the rows.
"""

import fcntl
import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from django.conf import settings
from django.db import transaction

from documents import audit
from documents.failpoints import failpoint
from documents.models import Source
from documents.stopping import stopping
from ingestion.models import IngestionRun

if TYPE_CHECKING:
    from ingestion.consumer import Consumer

logger = logging.getLogger(__name__)

TELL_AGAIN = 30.0  # seconds
LAST_SECONDS = 4.0  # of a server: uvicorn has used up to 25 of the 30 it may take to end


def queue_run(
    source: Source,
    *,
    trigger: IngestionRun.Trigger,
    only: Sequence[str] = (),
    allow_mass_delete: bool = False,
) -> IngestionRun:
    """Put a run on record; a worker is told once that is committed.

    A run over the same source that has not begun yet is used again, so that a hundred uploads in
    a row are one run.
    """
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk)
        waiting = source.runs.filter(
            status=IngestionRun.Status.QUEUED, allow_mass_delete=allow_mass_delete
        ).first()
        if waiting is None:
            run = source.runs.create(
                trigger=trigger, only=sorted(set(only)), allow_mass_delete=allow_mass_delete
            )
            audit.record(
                "source.synced", target=f"source:{source.slug}", corpus=source.corpus, run=run.pk
            )
        else:
            run = waiting
            run.only = sorted({*run.only, *only}) if run.only and only else []
            run.save(update_fields=["only"])
    transaction.on_commit(_tell_of_it)
    return run


def _tell_of_it() -> None:
    failpoint("queue.recorded")
    tell_workers()


def tell_workers() -> None:
    """Something changed that decides what is to be done, or when. To be called after its commit.

    Asks no database, and does not fail: as long as the queue is away, it is tried again from a
    thread of this process; and a worker looks anyway when it has its queue back.
    """
    if settings.WORKER == "none":
        return
    from ingestion.tasks import tell

    try:
        tell()
    except Exception as error:  # whatever the queue's client raises
        logger.warning("The queue could not be told: %s", error)
        threading.Thread(target=_tell_until_heard, name="telling workers", daemon=True).start()


def _tell_until_heard() -> None:
    from ingestion.tasks import tell

    if not _telling.acquire(blocking=False):
        return  # a thread is at it already, and one message is enough
    try:
        while not stopping.wait(TELL_AGAIN):
            try:
                tell()
            except Exception:  # noqa: S112 - as before, and on record
                continue
            return
    finally:
        _telling.release()


_telling = threading.Lock()


def worker_seen_at() -> datetime | None:
    """When any worker was last alive, as far as the queue knows; raises what its client raises."""
    if settings.WORKER == "none":
        return None
    from ingestion.tasks import queue

    sign = queue.last_sign()
    return datetime.fromtimestamp(sign, UTC) if sign else None


# The server that works


def begin() -> None:
    """Called once by a server: work, if it is one that works; else have somebody look."""
    if settings.WORKER == "auto" and not settings.REDIS_URL:
        threading.Thread(target=_work_here, name="becoming the worker", daemon=True).start()
    else:
        tell_workers()


def end() -> None:
    """The server is about to stop."""
    if _consumer is not None and not _consumer.end(LAST_SECONDS):
        logger.warning("A run did not stop in time; it goes on after the next start.")


def _work_here() -> None:
    """One of this server's processes works; when it dies, the kernel lets the next one in."""
    global _consumer, _lock
    from ingestion.consumer import Consumer

    _lock = open(settings.VAR_DIR / "worker.lock", "w")  # noqa: SIM115 - held until the process ends
    fcntl.flock(_lock, fcntl.LOCK_EX)
    _consumer = Consumer()
    _consumer.start()
    logger.info("This process works in the background.")


_consumer: "Consumer | None" = None
_lock: TextIO | None = None
