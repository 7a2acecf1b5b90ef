"""PostgreSQL against the index, the work on record and the files: what differs, and its repair.

The rows are the truth. What can be made from them (points, payloads, vectors) is made again; what
was lost in the rows themselves is read again from its source. Every repair looks once more before
it writes, so one that came too late does no harm.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.management.color import no_style
from django.db import connection, transaction

from documents.embedding.base import DocumentEmbedder
from documents.failpoints import failpoint
from documents.index import rows
from documents.index.base import IndexKeeper
from documents.models import Chunk, Corpus, Document, IndexChange, Source
from documents.uploads import remove_file
from ingestion.differences import (
    BY_HAND,
    FROM_THE_ROWS,
    FROM_THE_SOURCE,
    SHAPES,
    Difference,
    Kind,
    Report,
    Search,
    last_number,
)
from ingestion.leases import HeldLease, LeaseLost, SourceBusy, leased
from ingestion.models import IngestionItem, IngestionRun

QueueRun = Callable[[Source, list[str]], object]


@dataclass(frozen=True)
class Reconciler:
    """`attempts`: after how many of them a run that took its process with it is given up.
    `sources`: slugs; empty means all. `queue_run` puts a run for some keys on record."""

    index: IndexKeeper
    embedder: DocumentEmbedder | None
    queue_run: QueueRun
    attempts: int
    sources: frozenset[str] = frozenset()

    @property
    def space(self) -> str:
        return str(self.index.space)

    def check(self) -> Report:
        """Changes nothing."""
        report = Report()
        for found in self._differences(report):
            for one in found:
                report.add(one)
        return report

    def repair(self) -> Report:
        """What was found, page by page, each repaired before the next is read. Check afterwards."""
        report = Report()
        for found in self._differences(report):
            for one in found:
                report.add(one)
            for slug, some in by_source(one for one in found if one.kind not in BY_HAND):
                self._repair(slug, some, report)
                failpoint("reconcile.repaired")
        return report

    def _differences(self, report: Report) -> Iterator[list[Difference]]:
        return Search(self.index, report, self.sources).differences()

    def _repair(self, slug: str, found: list[Difference], report: Report) -> None:
        """Under the lease of the source, so that no run publishes meanwhile."""
        source = Source.objects.filter(slug=slug).first()
        if source is None:  # of all sources, or of one that was deleted
            self._repair_without_lease(found)
            return
        try:
            with leased(source, "reconcile") as lease:
                to_read = self._repair_under(lease, found)
        except (SourceBusy, LeaseLost):
            for one in found:
                report.in_flight[one.kind] += 1
        else:
            if to_read:  # only now: a worker would find the source held, and come back much later
                self.queue_run(source, to_read)
                report.read_again[slug].update(to_read)

    def _repair_without_lease(self, found: list[Difference]) -> None:
        of_kind = kinds(found)
        if of_kind[Kind.STORE]:
            self.index.prepare()
        for one in of_kind[Kind.NUMBERS]:
            raise_numbers(one.number)
        if of_kind[Kind.OWED]:
            self.index.drain()
        if strays := chunk_ids(of_kind[Kind.NO_ROW]):
            self.index.purge(strays)
        for one in of_kind[Kind.STRAY_FILE]:
            remove_file(one.about)

    def _repair_under(self, lease: HeldLease, found: list[Difference]) -> list[str]:
        """Returns the keys of the documents that have to be read again."""
        of_kind = kinds(found)
        if strays := chunk_ids(of_kind[Kind.NO_ROW]):
            self.index.purge(strays)
        if stale := chunk_ids(of_kind[Kind.STALE_PAYLOAD]):
            with lease.writing():
                IndexChange.objects.record(stale)
                Corpus.objects.changed([lease.source.corpus_id])
            self.index.drain()
        lost = {one.document for one in found if one.kind in FROM_THE_SOURCE and one.document}
        to_read = self._forget(lease, lost) if lost else []
        from_rows = {one.document for one in found if one.kind in FROM_THE_ROWS and one.document}
        if from_rows:
            self._index_again(lease, from_rows, chunk_ids(of_kind[Kind.DAMAGED_VECTOR]))
        for one in of_kind[Kind.MALFORMED]:
            self._reshape(lease, one)
        for one in of_kind[Kind.DEAD_RUN]:
            self._take_from_the_dead(lease, one)
        left = [one.number for one in of_kind[Kind.LEFT_ITEM]]
        if left:
            items = IngestionItem.objects.filter(pk__in=left)
            items.update(outcome=IngestionItem.Outcome.FAILED, next_attempt_at=None)
        return to_read

    def _forget(self, lease: HeldLease, lost: set[int]) -> list[str]:
        """What the rows have lost is in the source alone."""
        documents = Document.objects.filter(pk__in=lost)
        with lease.writing():
            documents.update(fingerprint="", space="")
            return list(documents.values_list("key", flat=True))

    def _index_again(self, lease: HeldLease, documents: set[int], damaged: Sequence[UUID]) -> None:
        with lease.writing():  # stopped in the middle, they are not taken for complete
            Document.objects.filter(pk__in=documents).update(space="")
        if damaged:
            self.index.delete(damaged)
        chunks = Chunk.objects.filter(document__in=documents).order_by("document", "position")
        ids = list(chunks.values_list("pk", flat=True))
        if sum(rows.embed(self.index, self.embedder, rows.lacking(self.index, ids))):
            self.index.drain()
        for document in Document.objects.filter(pk__in=documents).exclude(fingerprint=""):
            wanted = set(document.chunks.values_list("pk", flat=True))
            if self.index.present(wanted) == wanted:
                with lease.writing():
                    document.mark_indexed(self.space)

    def _reshape(self, lease: HeldLease, one: Difference) -> None:
        """An empty one says nothing that is not true."""
        with lease.writing():
            document = Document.objects.filter(pk=one.document or 0).first()
            shape = SHAPES[one.detail]
            if document is not None and not isinstance(getattr(document, one.detail), shape):
                Document.objects.filter(pk=document.pk).update(**{one.detail: shape()})

    def _take_from_the_dead(self, lease: HeldLease, one: Difference) -> None:
        """As a worker does: another attempt, until there were enough of them."""
        with lease.writing():
            run = IngestionRun.objects.filter(
                pk=one.number, status=IngestionRun.Status.RUNNING
            ).first()
            if run is None:
                return
            error = f"Its process died {run.attempts} times."
            if run.attempts < self.attempts:
                run.wait(0, run.counts, error)
            else:
                run.finish(IngestionRun.Status.FAILED, run.counts, error)


def raise_numbers(above: int) -> None:
    """After a backup was restored: a number that the index has seen already would be taken for an
    old one, and what comes with it refused."""
    with transaction.atomic():
        IndexChange.objects.record([UUID(int=0)])  # under the lock of the outbox
        if last_number() > above:
            return
        IndexChange.objects.create(pk=above + 1, chunk_id=UUID(int=0))
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), [IndexChange]):
                cursor.execute(statement)


# Differences, sorted


def by_source(found: Iterable[Difference]) -> Iterator[tuple[str, list[Difference]]]:
    groups: dict[str, list[Difference]] = defaultdict(list)
    for one in found:
        groups[one.source].append(one)
    yield from groups.items()


def kinds(found: Sequence[Difference]) -> dict[Kind, list[Difference]]:
    groups: dict[Kind, list[Difference]] = defaultdict(list)
    for one in found:
        groups[one.kind].append(one)
    return groups


def chunk_ids(found: Sequence[Difference]) -> list[UUID]:
    return [one.chunk for one in found if one.chunk is not None]
