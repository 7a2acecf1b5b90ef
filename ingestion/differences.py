"""What differs between the rows, the index, the work on record and the files, page by page."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connection
from django.db.models import Count, Max, Min
from django.utils import timezone

from documents.index import rows
from documents.index.base import IndexKeeper, SpaceMismatch
from documents.index.rows import Disagreement
from documents.models import Chunk, Document, IndexChange
from documents.uploads import missing_files, orphan_files
from ingestion.leases import holder_is_dead
from ingestion.models import IngestionItem, IngestionRun, Lease

PAGE = 500  # documents in memory at a time
SHOWN = 50  # differences of each kind that a report tells one by one


class Kind(StrEnum):
    """What can differ; the value is what an operator reads."""

    STORE = "the index itself is incomplete"
    OTHER_SPACE = "the index in use is of another embedding space"
    OWED = "changes that the index was not told of"
    NUMBERS = "the index has seen changes that the database does not know: a restored backup?"
    NO_POINT = "chunk without a point"
    FALSE_MARK = "chunk without a point in a document that counts as indexed"
    NO_ROW = "point without a chunk"
    STALE_PAYLOAD = "point that says something else than its chunk"
    DAMAGED_VECTOR = "point whose vectors are missing or damaged"
    DAMAGED_TEXT = "chunk whose text was damaged"
    POSITIONS = "document whose chunks are not numbered one after the other"
    NO_CHUNKS = "document without chunks that counts as read"
    UNVERIFIED = "document that was not found complete in the index"
    UNREAD = "document to be read again, and no run that does it"
    MALFORMED = "document with a field of the wrong form"
    DEAD_RUN = "run that counts as running, and nobody is at work"
    LEFT_ITEM = "document that waits for another attempt of a run that is over"
    LOST_FILE = "upload whose file is gone; upload it again, or delete the document"
    STRAY_FILE = "stored file that no upload names"


# What only somebody's hand can mend.
BY_HAND = {Kind.OTHER_SPACE, Kind.LOST_FILE}
FROM_THE_SOURCE = {Kind.DAMAGED_TEXT, Kind.POSITIONS, Kind.NO_CHUNKS, Kind.UNREAD}
FROM_THE_ROWS = {Kind.NO_POINT, Kind.FALSE_MARK, Kind.DAMAGED_VECTOR, Kind.UNVERIFIED}
SHAPES: dict[str, type] = {
    "memory": dict, "warnings": list, "authors": list, "set_by_hand": list,
}  # fmt: skip

KINDS = {
    rows.NO_POINT: Kind.NO_POINT,
    rows.NO_ROW: Kind.NO_ROW,
    rows.STALE_PAYLOAD: Kind.STALE_PAYLOAD,
    rows.DAMAGED_VECTOR: Kind.DAMAGED_VECTOR,
    rows.DAMAGED_TEXT: Kind.DAMAGED_TEXT,
}


@dataclass(frozen=True)
class Difference:
    kind: Kind
    about: str  # a chunk, a document's key, a run, a file: for people
    source: str = ""  # slug; empty: of no single source
    detail: str = ""
    document: int | None = None
    chunk: UUID | None = None
    number: int = 0  # the row that it is about, or the point's change


@dataclass
class Report:
    """`in_flight` belongs to sources that somebody is writing to: not wrong, only not done."""

    differences: Counter[Kind] = field(default_factory=Counter)
    in_flight: Counter[Kind] = field(default_factory=Counter)
    read_again: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    kept: dict[str, int] = field(default_factory=dict)  # points of other spaces
    shown: list[Difference] = field(default_factory=list)
    points: int = 0
    chunks: int = 0
    documents: int = 0

    @property
    def clean(self) -> bool:
        return not self.differences

    def add(self, one: Difference) -> None:
        self.differences[one.kind] += 1
        if self.differences[one.kind] <= SHOWN:
            self.shown.append(one)


@dataclass(frozen=True)
class Search:
    """`sources`: slugs; empty means all. Counts what it has looked at in the report."""

    index: IndexKeeper
    report: Report
    sources: frozenset[str] = frozenset()

    @property
    def space(self) -> str:
        return str(self.index.space)

    def differences(self) -> Iterator[list[Difference]]:
        self.report.kept = self.index.spare()
        try:
            store = [Difference(Kind.STORE, fault) for fault in self.index.faults()]
        except SpaceMismatch as error:
            # Whether the settings or the index are right is not for us to say: not one of the
            # documents is looked for in the space that is not in use.
            yield [Difference(Kind.OTHER_SPACE, str(error))]
            in_use = False
        else:
            in_use = True
            if store:
                yield store
            yield from self._of_the_outbox()
            if self.index.count() or not self.index.faults():  # there is something to read from
                yield from self._undisturbed(self._of_chunks())
        yield from self._undisturbed(self._of_documents(in_use=in_use))
        yield from self._undisturbed(iter([[*self._of_runs(), *self._of_files()]]))

    def _undisturbed(self, pages: Iterator[list[Difference]]) -> Iterator[list[Difference]]:
        """Without what belongs to a source that somebody was writing to while the page was read.

        Its points are stored before its rows and go after them, so in whichever order the two are
        read, a difference that is none can be seen: read the points first, and a chunk published in
        between has a row but no point; read the rows first, and it is a point without a row. The
        leases are therefore read before and after: a token that did not rise, of a lease that
        nobody held, says that nobody published in between. (People may still publish, withdraw and
        delete; they need no lease, and are why `still_true` looks twice.)
        """
        while True:
            before = leases()
            page = next(pages, None)
            if page is None:
                return
            if not page:
                continue
            after = leases()
            promised = promised_documents(page)
            quiet = []
            for one in page:
                if self.sources and one.source and one.source not in self.sources:
                    continue
                lease = after.get(one.source, FREE)
                disturbed = lease.held or lease != before.get(one.source, FREE)
                if disturbed or (one.document, one.kind) in promised:
                    self.report.in_flight[one.kind] += 1
                else:
                    quiet.append(one)
            if quiet:
                yield quiet

    def _of_the_outbox(self) -> Iterator[list[Difference]]:
        owed = self.index.owed()
        if owed and any(lease.held for lease in leases().values()):
            self.report.in_flight[Kind.OWED] += 1
        elif owed:
            yield [Difference(Kind.OWED, f"{owed} changes", number=owed)]

    def _of_chunks(self) -> Iterator[list[Difference]]:
        drawn = last_number()
        for page in rows.compare(self.index):
            self.report.points += page.points
            self.report.chunks += page.rows
            newest = page.newest_change
            if newest > drawn and newest > (drawn := last_number()):
                yield [Difference(Kind.NUMBERS, f"change {newest}", number=newest)]
                drawn = newest
            found = rows.still_true(self.index, page.found)
            yield [self._of_chunk(one) for one in found]

    def _of_chunk(self, one: Disagreement) -> Difference:
        kind = KINDS[one.kind]
        if kind == Kind.NO_POINT and one.space == self.space:
            kind = Kind.FALSE_MARK
        return Difference(
            kind, str(one.chunk_id), one.source, one.detail, one.document, one.chunk_id, one.change
        )

    def _of_documents(self, *, in_use: bool) -> Iterator[list[Difference]]:
        after = 0
        while True:
            page = list(
                Document.objects.filter(pk__gt=after).select_related("source").order_by("pk")[:PAGE]
            )
            if not page:
                return
            after = page[-1].pk
            self.report.documents += len(page)
            chunks = numbering(page)
            found = [
                Difference(kind, document.key, document.source.slug, detail, document.pk)
                for document in page
                for kind, detail in self._of_document(document, chunks.get(document.pk))
                if in_use or kind != Kind.UNVERIFIED
            ]
            if found:  # one that was deleted meanwhile has no chunks, and that is as it should be
                still_there = set(
                    Document.objects.filter(pk__in={one.document for one in found if one.document})
                    .values_list("pk", flat=True)
                )  # fmt: skip
                found = [one for one in found if one.document in still_there]
            yield found

    def _of_document(
        self, document: Document, chunks: "Numbering | None"
    ) -> Iterator[tuple[Kind, str]]:
        for name, shape in SHAPES.items():
            if not isinstance(getattr(document, name), shape):
                yield Kind.MALFORMED, name
        if not document.fingerprint:
            yield Kind.UNREAD, ""
            return
        if document.space != self.space:
            yield Kind.UNVERIFIED, document.space
        if chunks is None and not any("no text" in str(said) for said in document.warnings or ()):
            yield Kind.NO_CHUNKS, ""
        if chunks is not None and not chunks.complete:
            yield Kind.POSITIONS, f"{chunks.count} chunks, the last is number {chunks.last}"

    def _of_runs(self) -> Iterator[Difference]:
        # In one statement, so that run and lease are of the same moment.
        running = IngestionRun.objects.filter(status=IngestionRun.Status.RUNNING)
        for run in running.select_related("source__lease"):
            if not is_held(getattr(run.source, "lease", None), timezone.now()):
                yield Difference(Kind.DEAD_RUN, str(run), run.source.slug, number=run.pk)
        waiting = IngestionItem.objects.filter(outcome=IngestionItem.Outcome.WAITING)
        left = waiting.exclude(run__status__in=IngestionRun.UNFINISHED)
        for item in left.select_related("run__source")[: PAGE * 10]:
            yield Difference(Kind.LEFT_ITEM, item.key, item.run.source.slug, number=item.pk)

    def _of_files(self) -> Iterator[Difference]:
        for upload in missing_files():
            yield Difference(Kind.LOST_FILE, upload.key, upload.source.slug, upload.stored_as)
        for name in orphan_files():
            yield Difference(Kind.STRAY_FILE, name)


# Leases, as they are read


@dataclass(frozen=True)
class LeaseState:
    token: int
    held: bool


FREE = LeaseState(0, False)  # as if nobody had ever held it


def leases() -> dict[str, LeaseState]:
    now = timezone.now()
    return {
        lease.source.slug: LeaseState(lease.token, is_held(lease, now))
        for lease in Lease.objects.select_related("source")
    }


def is_held(lease: Lease | None, now: datetime) -> bool:
    """As a worker sees it that looks for runs to take up (ingestion/schedule.py)."""
    return bool(lease and lease.holder and lease.expires_at > now and not holder_is_dead(lease))


# Documents, and how their chunks are numbered


def promised_documents(found: Sequence[Difference]) -> set[tuple[int | None, Kind]]:
    """Which differences a run that is on record, and not over, will mend by reading the document:
    whatever is wrong with one that is to be read again, and one that is only not verified."""
    ids = {one.document for one in found if one.document is not None}
    documents = Document.objects.filter(pk__in=ids)
    unfinished = IngestionRun.objects.unfinished().filter(source__in=documents.values("source"))
    runs: dict[int, list[list[str]]] = defaultdict(list)
    for source, only in unfinished.values_list("source", "only"):
        runs[source].append(only)
    promised: set[tuple[int | None, Kind]] = set()
    for pk, source, key, fingerprint in (
        documents.values_list("pk", "source", "key", "fingerprint") if runs else ()
    ):
        if any(not only or key in only for only in runs[source]):
            mended = {Kind.UNVERIFIED} if fingerprint else FROM_THE_ROWS | FROM_THE_SOURCE
            promised |= {(pk, kind) for kind in mended}
    return promised


@dataclass(frozen=True)
class Numbering:
    count: int
    distinct: int
    first: int
    last: int

    @property
    def complete(self) -> bool:
        return self.count == self.distinct == self.last + 1 and self.first == 0


def numbering(documents: Sequence[Document]) -> dict[int, Numbering]:
    chunks = Chunk.objects.filter(document__in=documents).order_by().values("document")
    counted = chunks.annotate(
        count=Count("pk"), distinct=Count("position", distinct=True),
        first=Min("position"), last=Max("position"),
    )  # fmt: skip
    return {
        found["document"]: Numbering(
            found["count"], found["distinct"], found["first"], found["last"]
        )
        for found in counted
    }


# The outbox


def last_number() -> int:
    """Drawn last, though its row may be gone."""
    table = IndexChange._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = "pg_get_serial_sequence(%s, 'id')"
            cursor.execute(f"SELECT pg_sequence_last_value({sequence})", [table])
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        found = cursor.fetchone()
    return int(found[0] or 0) if found else 0
