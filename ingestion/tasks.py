"""What a worker does when it is woken up: take up what the rows say is due, until nothing is.

Django's Tasks API (the backport; `django.tasks` from Django 6.0 on). Imported only by a process
that queues or works: it pulls the queue in.
"""

import logging
from contextlib import suppress
from time import time
from typing import cast

from django.db import DatabaseError, connection
from django_tasks import task
from huey.contrib.djhuey import HUEY

from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.providers import get_index
from documents.stopping import at_work, stopping
from ingestion.leases import LeaseLost, SourceBusy
from ingestion.loaders.base import LoadError
from ingestion.models import IngestionRun
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.queue import NEVER, Waking
from ingestion.runs import Cancelled, ingest_source
from ingestion.schedule import SOON, Stock, take_stock

logger = logging.getLogger(__name__)

queue = cast(Waking, HUEY)
# Work goes on without the queue, whatever its client raises; the thread finds out by itself.
may_be_away = suppress(Exception)
LONGEST_SILENCE = 3600.0  # seconds between two looks at work that cannot be done


def tell() -> None:
    """Have some worker look at the rows; raises whatever the queue's client raises."""
    # First the moment: should the message get lost on its way, somebody looks then.
    queue.look_at(time() + SOON.total_seconds())
    _wake_up()


def _wake_up() -> None:
    if not queue.has_enough():
        work.enqueue()


@task()
def work() -> None:
    """Take up one due run after the other, then say when to look again.

    Called twice, or for nothing, it does no harm.
    """
    claim = time() + SOON.total_seconds()
    with may_be_away:  # others do not look at the same time, but they do if we never return
        queue.look_at(claim)
    with at_work:
        try:
            moment = _work_until_nothing_is_due()
        finally:
            connection.close()
    with may_be_away:
        if stopping.is_set():
            tell()  # somebody else goes on
        elif queue.next_look() == claim:  # else somebody looked after us, or wants a look
            queue.look_at(moment)


def _work_until_nothing_is_due() -> float:
    """When to look again."""
    tried: set[int] = set()
    drained = False
    try:
        while not stopping.is_set():
            stock = take_stock()
            untried = [run for run in stock.runs if run not in tried]
            if stock.index_owes and not drained:
                drained = True
                _drain_outbox()
            elif not untried:
                return _next_look(stock)
            else:
                if len(untried) > 1:
                    with may_be_away:
                        _wake_up()  # another worker may be free
                tried.add(untried[0])
                _advance(untried[0])
        return time()  # for somebody else
    except DatabaseError as error:
        logger.warning("The database could not be asked for work: %s", error)
    except Exception:
        logger.exception("Looking for work went wrong")
    return time() + _patience.seconds("trouble")


def _next_look(stock: Stock) -> float:
    later = stock.next_look_at.timestamp() if stock.next_look_at else NEVER
    if stock.runs or stock.index_owes:  # they were tried, and nothing came of it
        return min(later, time() + _patience.seconds((*stock.runs, stock.index_owes)))
    _patience.forget()
    return later


def _advance(run_id: int) -> None:
    """One attempt at a run. If somebody else was faster, nothing."""
    runs = IngestionRun.objects.unfinished().select_related("source__corpus")
    run = runs.filter(pk=run_id).first()
    if run is None:
        return
    try:
        pipeline = IngestionPipeline.from_settings()
    except Exception as error:
        logger.exception("Run %s could not begin", run_id)
        run.finish(IngestionRun.Status.FAILED, run.counts, f"It could not begin: {error}")
        return
    try:
        ingest_source(run, pipeline)
    except (SourceBusy, LeaseLost) as error:
        logger.info("Run %s is left to another process: %s", run_id, error)
    except (LoadError, Aborted, Cancelled) as error:
        logger.warning("Run %s: %s", run_id, error)  # on record
    except DatabaseError as error:
        logger.warning("Run %s goes on when its lease is over: %s", run_id, error)
        connection.close()  # it may be broken, and the next look needs one
    except (Exception, SystemExit):
        logger.exception("Run %s ended in a way nobody expected", run_id)


def _drain_outbox() -> None:
    """Tell the index what it could not be told when it happened."""
    try:
        get_index().drain()
    except (IndexUnavailable, SpaceMismatch) as error:
        logger.warning("The index could not be told of changes: %s", error)


class _Patience:
    """Longer and longer while the same work cannot be done: it must not keep a database awake."""

    def __init__(self) -> None:
        self._what: object = None
        self._seconds = 0.0

    def seconds(self, what: object) -> float:
        if what == self._what:
            self._seconds = min(self._seconds * 2, LONGEST_SILENCE)
        else:
            self._what, self._seconds = what, SOON.total_seconds()
        return self._seconds

    def forget(self) -> None:
        self._what = None


_patience = _Patience()
