"""One run over one source: what is there, what goes, what happened, all of it on record."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Sum
from django.utils import timezone

from documents.failpoints import failpoint
from documents.models import Source
from documents.stopping import HandedBack, sleep
from ingestion.leases import HeldLease, LeaseLost, leased
from ingestion.loaders.base import Loader, LoadError, RawDocument
from ingestion.models import IngestionItem, IngestionRun
from ingestion.pipeline import (
    Aborted,
    IngestionPipeline,
    Prepared,
    Result,
)
from ingestion.progress import forget_progress, publish_progress
from ingestion.sources import loader_for

T = TypeVar("T")

ONE = 1  # removing a single document never needs permission
ITEMS_AT_ONCE = 50
FLUSH_SECONDS = 2.0
ATTEMPTS = 5  # of a document, and of a run as a whole
SHORTEST_WAIT, LONGEST_WAIT = 5.0, 600.0  # seconds
DONE = ("new", "changed", "removed", "skipped")


class MassDelete(LoadError):
    """The source lost so much that it is more likely a mistake; nothing was changed."""


class Cancelled(Exception):
    """Somebody asked for the run to stop. What was published stays; the next run does the rest."""


@dataclass
class Report:
    """Counts by outcome, and every result worth telling; of all attempts of one run."""

    found: dict[str, Result] = field(default_factory=dict)
    unchanged: int = 0

    def add(self, result: Result) -> None:
        if result.outcome == "unchanged":
            self.unchanged += 1
        else:
            self.found[result.key] = result

    @property
    def results(self) -> list[Result]:
        return list(self.found.values())

    @property
    def counts(self) -> Counter[str]:
        counts = Counter({"unchanged": self.unchanged})
        for result in self.found.values():
            counts[result.outcome] += 1
            counts["chunks"] += result.chunks if result.outcome != "removed" else 0
            counts["embedded"] += result.embedded
        return counts

    @property
    def failed(self) -> bool:
        return any(result.outcome == "failed" for result in self.found.values())


Loaded = RawDocument | LoadError
Progress = Callable[[Result, int, int], None]  # the result, how many are done, of how many


def ingest_source(
    run: IngestionRun,
    pipeline: IngestionPipeline,
    *,
    report: Report | None = None,
    progress: Progress | None = None,
) -> Report:
    """One attempt at bringing a source up to date.

    Afterwards the run is finished, or it waits for its next attempt; give the same `report` then.
    Raises SourceBusy (nothing was done), LeaseLost (somebody else goes on with it), and LoadError,
    Aborted or Cancelled, which are on record.
    """
    report = Report() if report is None else report
    stop = threading.Event()

    def beat() -> None:
        running = IngestionRun.objects.filter(pk=run.pk)
        running.update(heartbeat_at=timezone.now())
        if running.filter(cancel_requested=True).exists():
            stop.set()

    with leased(run.source, f"run {run.pk}", each_beat=beat) as lease:
        with lease.writing():
            run.refresh_from_db()
            if run.is_finished:  # by another process, while this one waited for its turn
                return report
            _supersede(run)
            again = _keys_to_try_again(run)
            run.start()
        failpoint("run.started")
        try:
            with _Records(run, lease, stop) as records:
                for result in _steps(run, lease, pipeline, again, report, records, progress):
                    records.add(result)
        except (LeaseLost, DatabaseError):
            # The row is somebody else's by now, or cannot be written: it stays as it is, and is
            # taken up again once the lease has run out.
            raise
        except Cancelled as problem:
            _finish(run, IngestionRun.Status.CANCELLED, report, str(problem))
            raise
        except HandedBack as problem:
            run.attempts -= 1  # nothing is wrong with the run
            run.wait(0, run_counts(run, report), str(problem))
        except (LoadError, Aborted) as problem:
            if problem.retryable and run.attempts < ATTEMPTS:
                seconds = max(backoff(run.attempts), problem.retry_after or 0)
                run.wait(seconds, run_counts(run, report), str(problem))
            else:
                _finish(run, IngestionRun.Status.FAILED, report, str(problem))
            raise
        except BaseException as problem:
            error = f"stopped by {type(problem).__name__}"
            _finish(run, IngestionRun.Status.FAILED, report, error)
            raise
        else:
            _conclude(run, report)
        finally:
            forget_progress(run.pk)
    return report


def _supersede(run: IngestionRun) -> None:
    """We hold the source, so whoever else was at work on all of it is dead."""
    if run.only:
        return
    running = run.source.runs.filter(status=IngestionRun.Status.RUNNING, only=[])
    for other in running.exclude(pk=run.pk):
        error = f"Its process died. Run {run.pk} did the work."
        other.finish(IngestionRun.Status.FAILED, other.counts, error)
    failpoint("run.superseded")


def _keys_to_try_again(run: IngestionRun) -> list[str]:
    """Of a run that waited for some of its documents; empty: look at all that it is about."""
    if run.status != IngestionRun.Status.WAITING:
        return []
    waiting = run.items.filter(outcome=IngestionItem.Outcome.WAITING)
    return list(waiting.values_list("key", flat=True))


def _steps(
    run: IngestionRun,
    lease: HeldLease,
    pipeline: IngestionPipeline,
    again: list[str],
    report: Report,
    records: "_Records",
    progress: Progress | None,
) -> Iterator[Result]:
    only = again or run.only
    known = set(run.source.documents.values_list("key", flat=True))
    with loader_for(run.source) as loader:
        keys = list(records.unless_stopped(only or loader.paths()))
        records.total(len(keys))
        if not only and is_complete(loader):
            # Before anything is changed: a guess, as a page may still turn out not to be one.
            guard(known - set(keys), known, run.allow_mass_delete)
        here: set[str] = set()
        dropped: dict[str, str] = {}  # key to why its site does not publish it any more
        emptied: list[Prepared] = []
        done = 0

        def told(result: Result) -> Result:
            nonlocal done
            done += 1
            result = records.judged(result)
            report.add(result)
            if progress:
                progress(result, min(done, len(keys)), len(keys))
            return result

        documents = records.unless_stopped(_documents(loader, only))
        for result in pipeline.ingest(lease, documents, emptied):
            if result.outcome != "skipped":
                here.add(result.key)  # a page that failed is still there: its last state stays
            elif result.key in known:
                dropped[result.key] = result.reason  # told once, with its removal
                continue
            if result.outcome == "unchanged" and result.key in records.done_before:
                continue
            yield told(result)
        losing = {prepared.raw.key for prepared in emptied}
        gone = known - here - losing if not only and is_complete(loader) else set(dropped)
        guard(gone | losing, known, run.allow_mass_delete)
        for result in pipeline.store(lease, emptied) if emptied else ():
            yield told(result)
        for removed in pipeline.remove(lease, sorted(gone)):
            yield told(replace(removed, reason=dropped.get(removed.key, removed.reason)))
        _keep_facts(run, lease, loader)


def _keep_facts(run: IngestionRun, lease: HeldLease, loader: Loader) -> None:
    """What the loader learned of the source as a whole."""
    run.warnings = list(getattr(loader, "warnings", ()))
    with lease.writing():
        run.save(update_fields=["warnings"])
        if commit := getattr(loader, "commit", ""):
            Source.objects.filter(pk=run.source_id).update(commit=commit)


def _documents(loader: Loader, only: list[str]) -> Iterable[Loaded]:
    if not only:
        return loader.load()
    return map(_reader(loader), only)


def _reader(loader: Loader) -> Callable[[str], Loaded]:
    def read(key: str) -> Loaded:
        try:
            return loader.read(key)
        except LoadError as error:
            error.key = error.key or key
            return error

    return read


def is_complete(loader: Loader) -> bool:
    """False when a limit ended the walk: what was not seen is not gone."""
    return getattr(loader, "complete", True)


def guard(gone: set[str], known: set[str], allowed: bool) -> None:
    """Refuse to remove or empty a large share of a source unless told to; raises MassDelete."""
    if allowed or len(gone) <= ONE or len(gone) <= settings.MASS_DELETE_SHARE * len(known):
        return
    raise MassDelete(
        f"{len(gone)} of the source's {len(known)} documents are no longer there or have no text "
        f"any more, for example {', '.join(sorted(gone)[:3])}. None of them was touched. If that "
        "is right, run again with --allow-mass-delete."
    )


def backoff(attempt: int) -> float:
    """Seconds before the next attempt; `attempt` is the number of those that failed."""
    return min(SHORTEST_WAIT * 4 ** (attempt - 1), LONGEST_WAIT)


def _conclude(run: IngestionRun, report: Report) -> None:
    failpoint("run.finishing")
    waiting = run.items.filter(outcome=IngestionItem.Outcome.WAITING).order_by("next_attempt_at")
    first = waiting.first()
    if first is not None and first.next_attempt_at is not None:
        seconds = (first.next_attempt_at - timezone.now()).total_seconds()
        run.wait(max(seconds, 0.0), run_counts(run, report), first.reason)
    elif run.items.filter(outcome=IngestionItem.Outcome.FAILED).exists():
        _finish(run, IngestionRun.Status.INCOMPLETE, report, "")
    else:
        _finish(run, IngestionRun.Status.SUCCEEDED, report, "")


def _finish(run: IngestionRun, status: IngestionRun.Status, report: Report, error: str) -> None:
    run.settle_waiting_items()  # they count as failed
    run.finish(status, run_counts(run, report), error)
    failpoint("run.finished")


def run_counts(run: IngestionRun, report: Report) -> dict[str, int]:
    """From the items, so that attempts before this process's are counted too."""
    items = run.items.order_by()
    counts = Counter({"unchanged": report.unchanged})
    counts.update(items.values_list("outcome", flat=True))
    kept = items.exclude(outcome=IngestionItem.Outcome.REMOVED)
    sums = kept.aggregate(chunks=Sum("chunks"), embedded=Sum("embedded"))
    return {**counts, **{name: number or 0 for name, number in sums.items()}}


class _Records:
    """Items of a run, written a handful at a time, with the run's counts and heartbeat."""

    def __init__(self, run: IngestionRun, lease: HeldLease, stop: threading.Event) -> None:
        self.run, self.lease, self.stop = run, lease, stop
        self.waiting: dict[str, IngestionItem] = {}
        self.unchanged = 0
        self.seen: Counter[str] = Counter()
        self.flushed_at = monotonic()
        items = run.items.values_list("key", "outcome", "attempts")
        self.attempts = {key: attempts for key, _outcome, attempts in items}
        self.done_before = {key for key, outcome, _attempts in items if outcome in DONE}

    def __enter__(self) -> "_Records":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (LeaseLost, DatabaseError)):
            self.write()

    def total(self, documents: int) -> None:
        self.run.total = documents
        IngestionRun.objects.filter(pk=self.run.pk).update(total=documents)

    def judged(self, result: Result) -> Result:
        """A failure that may pass waits for another attempt, until there were enough of them."""
        tired = self.attempts.get(result.key, 0) + 1 >= ATTEMPTS
        if result.outcome == "failed" and result.retryable and not tired:
            return replace(result, outcome="waiting")
        return result

    def add(self, result: Result) -> None:
        if result.outcome == "unchanged":
            self.unchanged += 1
        else:
            self.waiting[result.key] = self._item(result)
        self.seen[result.outcome] += 1
        publish_progress(self.run, self.seen, result.key)
        overdue = monotonic() - self.flushed_at > FLUSH_SECONDS
        if len(self.waiting) >= ITEMS_AT_ONCE or overdue:
            self.write()

    def unless_stopped(self, loaded: Iterable[T]) -> Iterator[T]:
        """Between two documents: everything that was published is on record then."""
        for raw in loaded:
            if self.stop.is_set():
                raise Cancelled("Cancelled. What was published until then stays.")
            sleep(0)  # hands the run back when the process is to end
            yield raw

    def _item(self, result: Result) -> IngestionItem:
        attempts = self.attempts.get(result.key, 0) + 1
        next_attempt_at = None
        if result.outcome == "waiting":
            seconds = max(result.retry_after or 0.0, backoff(attempts))
            next_attempt_at = timezone.now() + timedelta(seconds=seconds)
        return IngestionItem(
            run=self.run, key=result.key, outcome=result.outcome, reason=result.reason,
            warnings=list(result.warnings), chunks=result.chunks, embedded=result.embedded,
            attempts=attempts, next_attempt_at=next_attempt_at,
        )  # fmt: skip

    def write(self) -> None:
        """Also looks whether somebody asked for the run to stop."""
        fields = ["outcome", "reason", "warnings", "chunks", "embedded", "attempts",
                  "next_attempt_at"]  # fmt: skip
        with self.lease.writing():
            IngestionItem.objects.bulk_create(
                self.waiting.values(), update_conflicts=True, unique_fields=["run", "key"],
                update_fields=fields,
            )  # fmt: skip
        self.waiting, self.flushed_at = {}, monotonic()
        failpoint("items.written")
        counts = run_counts(self.run, Report(unchanged=self.unchanged))
        running = IngestionRun.objects.filter(pk=self.run.pk)
        running.update(heartbeat_at=timezone.now(), counts=counts)
        if running.filter(cancel_requested=True).exists():
            self.stop.set()
