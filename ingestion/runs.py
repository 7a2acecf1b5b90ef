"""One run over one source: what is there, what goes, what happened, all of it on record."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from documents.models import Source
from documents.reader import ADDRESS
from ingestion.loaders.base import Loader, LoadError
from ingestion.loaders.files import FolderLoader
from ingestion.models import IngestionItem, IngestionRun
from ingestion.pipeline import (
    NO_LONGER_THERE,
    Aborted,
    IngestionPipeline,
    Result,
    fingerprints,
)

FEW = 3  # removing no more documents than this never needs permission
ITEMS_AT_ONCE = 50


class MassDelete(LoadError):
    """The source lost so much that it is more likely a mistake; nothing was changed."""


@dataclass
class Report:
    """Counts by outcome, and every result worth telling."""

    counts: Counter[str] = field(default_factory=Counter)
    results: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.counts[result.outcome] += 1
        self.counts["chunks"] += result.chunks if result.outcome != "removed" else 0
        self.counts["embedded"] += result.embedded
        if result.outcome != "unchanged":
            self.results.append(result)

    @property
    def failed(self) -> bool:
        return bool(self.counts["failed"])


Progress = Callable[[Result, int, int], None]  # the result, how many are done, of how many


def loader_for(source: Source) -> Loader:
    if source.kind != Source.Kind.FOLDER:
        raise LoadError(f"Sources of kind {source.kind} cannot be read yet; use a folder.")
    loader = FolderLoader(Path(source.location), base_url=source.base_url)
    if not source.base_url and not loader.site.url:
        loader.base_url = f"{ADDRESS}{source.slug}"  # published nowhere: this server shows it
    return loader


def ingest_source(
    run: IngestionRun,
    pipeline: IngestionPipeline,
    *,
    allow_mass_delete: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Bring a source up to date; the run ends in a final state whatever happens."""
    report, source = Report(), run.source
    run.start()
    status, error = IngestionRun.Status.SUCCEEDED, ""
    try:
        with _Records(run) as records:
            for result in _steps(source, pipeline, allow_mass_delete, report, progress):
                records.add(result)
        if report.failed:
            status = IngestionRun.Status.INCOMPLETE
    except (LoadError, Aborted) as problem:
        status, error = IngestionRun.Status.FAILED, str(problem)
        raise
    except BaseException as problem:
        status, error = IngestionRun.Status.FAILED, f"stopped by {type(problem).__name__}"
        raise
    finally:
        run.finish(status, report.counts, error)
    return report


def _steps(
    source: Source,
    pipeline: IngestionPipeline,
    allow_mass_delete: bool,
    report: Report,
    progress: Progress | None,
) -> Iterator[Result]:
    loader = loader_for(source)
    keys = list(loader.paths())
    known = set(source.documents.values_list("key", flat=True))
    guard(known - set(keys), known, allow_mass_delete)  # before anything is changed
    here: set[str] = set()
    dropped: dict[str, str] = {}  # key to why its site does not publish it any more
    for done, result in enumerate(pipeline.ingest(source, loader.load()), start=1):
        if result.outcome == "skipped" and result.key in known:
            dropped[result.key] = result.reason  # told once, with its removal
            continue
        report.add(result)
        if result.outcome != "skipped":
            here.add(result.key)  # a page that failed is still there: its last good state stays
        if progress:
            progress(result, done, len(keys))
        yield result
    gone = known - here
    guard(gone, known, allow_mass_delete)
    for removed in pipeline.remove(source, sorted(gone)):
        result = replace(removed, reason=dropped.get(removed.key, removed.reason))
        report.add(result)
        if progress:
            progress(result, len(keys), len(keys))
        yield result


def guard(gone: set[str], known: set[str], allowed: bool) -> None:
    """Refuse to remove a large share of a source unless told to; raises MassDelete."""
    if allowed or len(gone) <= FEW or len(gone) <= settings.MASS_DELETE_SHARE * len(known):
        return
    raise MassDelete(
        f"{len(gone)} of the source's {len(known)} documents are no longer there, for example "
        f"{', '.join(sorted(gone)[:3])}. Nothing was removed. If that is right, run again with "
        "--allow-mass-delete."
    )


class _Records:
    """Items of a run, written a handful at a time, with the run's heartbeat."""

    def __init__(self, run: IngestionRun) -> None:
        self.run = run
        self.waiting: list[IngestionItem] = []

    def __enter__(self) -> "_Records":
        return self

    def __exit__(self, *error: object) -> None:
        self.write()

    def add(self, result: Result) -> None:
        if result.outcome == "unchanged":
            return
        self.waiting.append(
            IngestionItem(
                run=self.run,
                key=result.key,
                outcome=result.outcome,
                reason=result.reason,
                warnings=list(result.warnings),
                chunks=result.chunks,
                embedded=result.embedded,
            )
        )
        if len(self.waiting) >= ITEMS_AT_ONCE:
            self.write()

    def write(self) -> None:
        IngestionItem.objects.bulk_create(self.waiting)
        IngestionRun.objects.filter(pk=self.run.pk).update(heartbeat_at=timezone.now())
        self.waiting = []


def preview_source(source: Source, pipeline: IngestionPipeline) -> Report:
    """What a run would do, without writing anything."""
    report = Report()
    loader = loader_for(source)
    known = fingerprints(source)
    here: set[str] = set()
    dropped: dict[str, str] = {}
    for raw in loader.load():
        step = pipeline.prepare(source, raw, known)
        if isinstance(step, Result):
            result = step
        else:
            result = Result(
                step.raw.key,
                "new" if step.is_new else "changed",
                warnings=step.warnings,
                chunks=len(step.chunks),
                embedded=len(step.missing) if pipeline.embedder else 0,
            )
        if result.outcome == "skipped" and result.key in known:
            dropped[result.key] = result.reason
            continue
        report.add(result)
        if result.outcome != "skipped":
            here.add(result.key)
    for key in sorted(known.keys() - here):
        report.add(Result(key, "removed", dropped.get(key, NO_LONGER_THERE)))
    return report
