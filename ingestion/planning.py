"""What a run would change and what it would cost, before it runs. Nothing is written, nothing paid.

The same steps as a run's, up to the point where a run would begin to spend. Calls and texts are
exact, as long as no call has to be repeated; tokens and sizes are estimates, which the tests hold
against what was billed (tests/ingestion/test_plan_and_ledger.py) and stored (test_planning.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection

from documents.index.sizing import collection_size
from documents.models import Chunk, Source, searchable_text
from documents.quotas import database_size, quotas_of
from documents.tokens import likely_tokens
from ingestion.pipeline import (
    EMBED_AT_ONCE,
    NO_LONGER_THERE,
    IngestionPipeline,
    Prepared,
    Result,
    fits,
    known_documents,
    why_deleted,
)
from ingestion.runs import MassDelete, Report, guard, is_complete
from ingestion.sources import loader_for

# Bytes beside the text: row headers, ids, hashes, heading paths, indexes.
CHUNK_ROW_BYTES, DOCUMENT_ROW_BYTES = 700, 1500


@dataclass
class Plan:
    """Sizes in bytes. `refusal` is what a run would stop with, "" when it would not."""

    report: Report = field(default_factory=Report)
    refusal: str = ""
    texts: int = 0  # to embed
    tokens: int = 0  # estimated, title and headings included
    calls: int = 0  # of the embedding provider; 0 when embedding costs nothing
    chunks_after: int = 0
    index_memory: int = 0  # of all chunks there will be, in Qdrant
    index_disk: int = 0
    database_growth: int = 0
    database_size: int = 0  # now


@dataclass(frozen=True)
class Limit:
    """One figure against what the operator's tier allows; `allowed` None: nothing is limited."""

    name: str
    needed: int
    allowed: int | None
    unit: str
    used: int = 0  # of what is allowed, before this run
    resets_at: datetime | None = None

    @property
    def remaining(self) -> int | None:
        return None if self.allowed is None else max(0, self.allowed - self.used)

    @property
    def fits(self) -> bool:
        return self.remaining is None or self.needed <= self.remaining


def plan_run(source: Source, pipeline: IngestionPipeline) -> Plan:
    """Raises LoadError like a run."""
    plan = Plan()
    prepared: list[Prepared] = []
    for step in _steps(source, pipeline, plan):
        if isinstance(step, Prepared):
            prepared.append(step)
            result = Result(
                step.raw.key,
                "new" if step.is_new else "changed",
                "loses all its text" if step.empties else "",
                warnings=step.warnings,
                chunks=len(step.chunks),
                embedded=len(step.missing) if pipeline.embedder else 0,
            )
            plan.report.add(result)
        else:
            plan.report.add(step)
    _add_costs(plan, source, pipeline, prepared)
    return plan


def _steps(source: Source, pipeline: IngestionPipeline, plan: Plan) -> Iterator[Prepared | Result]:
    known = known_documents(source)
    deleted = {stone.key: stone for stone in source.tombstones.all()} if source.pk else {}
    here: set[str] = set()
    losing: set[str] = set()
    dropped: dict[str, str] = {}
    with loader_for(source) as loader:
        for raw in loader.load():
            if raw.key in deleted:
                step: Prepared | Result = Result(raw.key, "skipped", why_deleted(deleted[raw.key]))
            else:
                step = pipeline.prepare(source, raw, known)
            if isinstance(step, Result) and step.outcome == "skipped":
                if step.key in known:
                    dropped[step.key] = step.reason
                    continue
            else:
                here.add(raw.key)
            if isinstance(step, Prepared) and step.empties:
                losing.add(raw.key)
            yield step
        complete = is_complete(loader)
    gone = known.keys() - here if complete else dropped.keys()
    try:
        guard(set(gone) | losing, set(known), allowed=False)
    except MassDelete as refusal:
        plan.refusal = str(refusal)
    for key in sorted(gone):
        yield Result(key, "removed", dropped.get(key, NO_LONGER_THERE))


def _add_costs(
    plan: Plan, source: Source, pipeline: IngestionPipeline, prepared: list[Prepared]
) -> None:
    new = [chunk for step in prepared for chunk in step.chunks if chunk.pk in step.missing]
    if pipeline.embedder is not None:
        plan.texts = len(new)
        plan.tokens = round(
            sum(
                likely_tokens(searchable_text(step.parsed.title, chunk.heading_path, chunk.text))
                for step in prepared
                for chunk in step.chunks
                if chunk.pk in step.missing
            )
        )
        if pipeline.embedder.space.provider == "cohere":
            plan.calls = _calls(prepared)
    others = Chunk.objects.exclude(document__source=source) if source.pk else Chunk.objects.all()
    here = Chunk.objects.filter(document__source=source) if source.pk else Chunk.objects.none()
    touched = {step.raw.key for step in prepared}
    gone = {result.key for result in plan.report.results if result.outcome == "removed"}
    kept = here.exclude(document__key__in=touched | gone).count()
    plan.chunks_after = others.count() + kept + sum(len(step.chunks) for step in prepared)
    dimension = pipeline.embedder.space.dimension if pipeline.embedder else 0
    words = sum(len(chunk.text.split()) for chunk in new) / len(new) if new else 100
    size = collection_size(plan.chunks_after, dimension, words)
    plan.index_memory, plan.index_disk = round(size.memory), round(size.disk)
    vector_bytes = 0 if settings.QDRANT_URL else 2 * dimension + 150
    plan.database_growth = sum(
        len(chunk.text.encode()) + CHUNK_ROW_BYTES + vector_bytes for chunk in new
    ) + DOCUMENT_ROW_BYTES * sum(step.is_new for step in prepared)
    plan.database_size = database_size()


def _calls(prepared: list[Prepared]) -> int:
    """As the pipeline will batch them: a handful of documents at a time, so that each is
    published soon."""
    calls = 0
    waiting: list[Prepared] = []
    for step in prepared:
        if not fits(step, waiting):
            calls += _calls_for(waiting)
            waiting = []
        waiting.append(step)
    return calls + _calls_for(waiting)


def _calls_for(waiting: list[Prepared]) -> int:
    return -(-sum(len(step.missing) for step in waiting) // EMBED_AT_ONCE)


def limits(plan: Plan) -> list[Limit]:
    """What is asked of each provider, against what the settings say its tier allows."""
    found = []
    if plan.calls:
        for quota in quotas_of("cohere"):
            allowed = int(quota.budget.limit) or None
            used = int(quota.used)
            if quota.stopped_at is not None:  # Cohere counts what others used as well
                used = max(used, allowed or 0)
            name = f"embedding calls a {quota.budget.period}"
            found.append(Limit(name, plan.calls, allowed, "calls", used, quota.resets_at))
    if settings.QDRANT_URL:
        allowed = settings.QDRANT_MEMORY_BYTES or None
        found.append(Limit("Qdrant memory", plan.index_memory, allowed, "bytes"))
        allowed = settings.QDRANT_DISK_BYTES or None
        found.append(Limit("Qdrant disk", plan.index_disk, allowed, "bytes"))
    if connection.vendor == "postgresql":
        needed = plan.database_size + plan.database_growth
        allowed = settings.DATABASE_BYTES or None
        found.append(Limit("PostgreSQL", needed, allowed, "bytes"))
    return found
