"""Another embedding space beside the one in use: filled from the rows, verified, switched to.

Search goes on all the while, in the space it was in. May be stopped anywhere and run again: what
is in the new space already is not embedded twice, and the one in use stays so until the new one
was found complete.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import monotonic, sleep
from uuid import UUID

from django.utils import timezone

from documents.embedding.base import NO_DENSE_VECTORS, DocumentEmbedder
from documents.failpoints import failpoint
from documents.index import rows
from documents.index.base import IndexKeeper
from documents.models import Chunk, Document, IndexChange, Source
from ingestion.leases import HeldLease, LeaseLost, SourceBusy, acquire

PASSES = 5  # over all rows, to catch up with what ingestion does meanwhile
ROUNDS = 3  # of repairing what a verification found
PATIENCE = 600.0  # seconds to wait for the runs that are at work
POLL = 1.0
SECONDS_BETWEEN = 5.0  # two renewals of the leases
DOCUMENTS_AT_ONCE = 2000


class Incomplete(Exception):
    """The space to switch to lacks something; the one in use was left in use."""


class NothingBefore(Exception):
    """There is no space to go back to."""


@dataclass(frozen=True)
class Plan:
    """`to_embed` of the `chunks` have no point in the new space yet."""

    space: str
    chunks: int
    to_embed: int
    spare: dict[str, int]


Tell = Callable[[str, int, int], None]  # what is done, how many, of how many


def nobody(what: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Reindexer:
    """`index` is of the space to switch to."""

    index: IndexKeeper
    embedder: DocumentEmbedder | None
    tell: Tell = nobody
    patience: float = PATIENCE

    def plan(self) -> Plan:
        chunks = Chunk.objects.order_by("pk").values_list("pk", flat=True)
        total = missing = chunks.count()
        if self.index.count():
            missing = sum(1 for _ in rows.lacking(self.index, chunk_ids()))
        return Plan(str(self.index.space), total, missing, self.index.spare())

    def run(self) -> int:
        """Returns how many chunks were embedded; raises Incomplete and SourceBusy."""
        self.index.build()
        failpoint("reindex.created")
        embedded = 0
        for _ in range(PASSES):
            copied = self._copy()
            embedded += copied
            if not copied:
                break
        with every_source(self.patience) as sources:
            embedded += self._copy()
            self._switch(sources)
        return embedded

    def roll_back(self) -> str:
        """Back to the space that was in use before; returns its name."""
        before = self.index.previous()
        if before is None:
            raise NothingBefore(
                "No other space was in use before this one. Where the vectors are in the database, "
                "put the former settings back: they alone decide which are searched."
            )
        with every_source(self.patience) as sources:
            Reindexer(before, self.embedder, self.tell)._switch(sources)
        return str(before.space)

    def _copy(self) -> int:
        """One pass over all rows; what is there already costs a look."""
        total, copied = Chunk.objects.count(), 0
        for number in rows.embed(self.index, self.embedder, rows.lacking(self.index, chunk_ids())):
            # Points become live one batch after the other: the outbox stays short.
            self.index.drain()
            copied += number
            self.tell("embedded", copied, total)
            failpoint("reindex.copied")
        return copied

    def _switch(self, sources: "HeldSources") -> None:
        """No run publishes meanwhile: it would do so in the space that is about to be left. Runs
        that begin later find the other space in use, and stop before they write anything."""
        self._verify(sources)
        failpoint("reindex.verified")
        sources.keep()
        self.index.activate()
        failpoint("reindex.flipped")
        self._verify(sources)  # people may have withdrawn or deleted while it was switched
        self._mark()

    def _verify(self, sources: "HeldSources") -> None:
        """Every row has its point and every point its row, and they say the same."""
        found: list[rows.Disagreement] = []
        for _ in range(ROUNDS):
            self.index.drain()
            found = list(self._found(sources))
            if not found and self.index.count() == Chunk.objects.count():
                return
            self._mend(found)
        example = f", for example {found[0].chunk_id}: {found[0].kind}" if found else ""
        raise Incomplete(
            f"The space {self.index.space} still differs from the rows{example}. "
            "Run `manage.py reconcile --repair` with the settings of the space in use, then this "
            "again."
        )

    def _found(self, sources: "HeldSources") -> Iterator[rows.Disagreement]:
        for page in rows.compare(self.index):
            sources.keep(SECONDS_BETWEEN)
            yield from rows.still_true(self.index, page.found)

    def _mend(self, found: list[rows.Disagreement]) -> None:
        ids: dict[str, list[UUID]] = defaultdict(list)
        for one in found:
            ids[one.kind].append(one.chunk_id)
        missing = ids[rows.NO_POINT] + ids[rows.DAMAGED_VECTOR]
        if missing and not self._can_embed:
            raise Incomplete(
                f"{len(missing)} chunks are not in the space {self.index.space}. Put its settings "
                "back and run `manage.py reindex`, which embeds only those."
            )
        self.index.delete(ids[rows.DAMAGED_VECTOR])
        sum(rows.embed(self.index, self.embedder, missing))
        self.index.purge(ids[rows.NO_ROW])
        IndexChange.objects.record(ids[rows.STALE_PAYLOAD])

    @property
    def _can_embed(self) -> bool:
        return self.index.space == (self.embedder.space if self.embedder else NO_DENSE_VECTORS)

    def _mark(self) -> None:
        """All of every document was found there, so the next run has nothing to do for it."""
        space = str(self.index.space)
        others = Document.objects.exclude(space=space).order_by("pk")
        while some := list(others.values_list("pk", flat=True)[:DOCUMENTS_AT_ONCE]):
            Document.objects.filter(pk__in=some).update(space=space, indexed_at=timezone.now())


def chunk_ids() -> Iterator[UUID]:
    """Of all rows, also of those that were added at the end meanwhile."""
    after = UUID(int=0)
    ids = Chunk.objects.order_by("pk").values_list("pk", flat=True)
    while page := list(ids.filter(pk__gt=after)[: rows.PAGE]):
        yield from page
        after = page[-1]


@dataclass
class HeldSources:
    leases: list[HeldLease]
    kept_at: float = field(default_factory=monotonic)

    def keep(self, every: float = 0.0) -> None:
        """Renew them, if that was not done for so many seconds; raises LeaseLost."""
        if monotonic() - self.kept_at < every:
            return
        for lease in self.leases:
            if not lease.renew():
                raise LeaseLost(f"The source {lease.source} was taken over; nothing was switched.")
        self.kept_at = monotonic()


@contextmanager
def every_source(patience: float) -> Iterator[HeldSources]:
    """Hold all of them at once; raises SourceBusy when a run has not ended after so long.

    Whoever has to wait for one holds none meanwhile: nobody then waits for him.
    """
    give_up_at = monotonic() + patience
    while True:
        with ExitStack() as stack:
            leases: list[HeldLease] = []
            try:
                for source in Source.objects.order_by("pk"):
                    leases.append(acquire(source, "reindex"))
                    stack.callback(leases[-1].release)
            except SourceBusy:
                if monotonic() > give_up_at:
                    raise
            else:
                yield HeldSources(leases)
                return
        sleep(POLL)
