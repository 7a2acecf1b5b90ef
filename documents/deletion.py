"""Deletion: invisible first, gone second, verified third; and a receipt of what is left.

Each source is locked while its rows go, as a run locks it to publish, and a tombstone stays for
each key: a run that has read a document already cannot bring it back, be it from a folder that
still has the file or from an upload that is gone. What the index cannot do now is owed by rows that
stay, and done later by a worker; what the disk cannot, by `reconcile --repair`, which finds files
that no row names.

Nothing caches answers. A process keeps the HTML of chunks it has shown (documents/rendering.py),
by their text and in memory alone; it shows them for live rows only, so it is left to run out.
Of citations, chat/receivers.py removes what they had copied of it. The text of an answer stays: it
belongs to whoever asked (docs/decisions/0018).
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from documents.failpoints import failpoint
from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.models import Chunk, Corpus, Document, IndexChange, Source, Tombstone, Upload
from documents.providers import get_index
from documents.signals import documents_deleted, index_owes
from documents.uploads import remove_files

logger = logging.getLogger(__name__)

AT_ONCE = 200  # documents in one transaction
ASKED_AT_ONCE = 500  # ids in one query


@dataclass(frozen=True)
class Receipt:
    """What was deleted, and how much of it is left where; all zero when it is complete."""

    documents: tuple[str, ...]  # "source/key"
    rows: int
    points: int | None  # None: the index could not be asked
    files: int
    cached_answers: int
    pending: int  # chunks that the index has not been told of

    @property
    def complete(self) -> bool:
        left = (self.rows, self.points, self.files, self.cached_answers, self.pending)
        return all(number == 0 for number in left)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "documents": list(self.documents), "complete": self.complete}

    def __str__(self) -> str:
        count = len(self.documents)
        deleted = f"{count} document{'' if count == 1 else 's'} deleted"
        if self.complete:
            return f"{deleted}; nothing is left in the rows, the index or the files."
        points = "unknown" if self.points is None else self.points
        return (
            f"{deleted}, and nobody sees it any more. Still to go: rows {self.rows}, "
            f"points {points}, files {self.files}, pending {self.pending}. A worker tells "
            "the index; `reconcile --repair` does that, too, and removes files."
        )


def delete_documents(documents: QuerySet[Document], by: str) -> Receipt:
    """These documents, with the files they were made from. They do not come back by themselves."""
    return _delete(documents.values_list("source_id", "key"), by)


def delete_keys(source: Source, keys: Iterable[str], by: str) -> Receipt:
    """The same by key: also what was uploaded and never became a document."""
    return _delete([(source.pk, key) for key in keys], by)


def delete_uploads(uploads: QuerySet[Upload], by: str) -> Receipt:
    """With the documents that were made of them, if any."""
    return _delete(uploads.values_list("source_id", "key"), by)


def delete_sources(sources: Iterable[Source], by: str) -> Receipt:
    """With their documents, uploads, tombstones and runs."""
    deletion = _Deletion(by)
    for source in sources:
        deletion.source(source.pk)
    return deletion.concluded()


def delete_corpora(corpora: Iterable[Corpus], by: str) -> Receipt:
    """With their sources and conversations."""
    deletion = _Deletion(by)
    for corpus in corpora:
        for source in corpus.sources.all():
            deletion.source(source.pk)
        corpus.delete()
    return deletion.concluded()


def _delete(wanted: Iterable[tuple[int, str]], by: str) -> Receipt:
    deletion = _Deletion(by)
    for source_id, group in groupby(sorted(set(wanted)), key=itemgetter(0)):
        deletion.keys(source_id, [key for _source_id, key in group])
    return deletion.concluded()


@dataclass
class _Deletion:
    by: str
    names: list[str] = field(default_factory=list)
    documents: set[int] = field(default_factory=set)
    chunks: set[UUID] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    # Invisible

    def keys(self, source_id: int, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), AT_ONCE):
            self._some(source_id, keys[start : start + AT_ONCE])

    def source(self, source_id: int) -> None:
        documents = Document.objects.filter(source_id=source_id).order_by("key")
        while keys := list(documents.values_list("key", flat=True)[:AT_ONCE]):
            if not self._some(source_id, keys):
                break  # somebody else deletes it, too
        with _locked(source_id) as source:
            if source is None:
                return
            # What a run published meanwhile, and every key that never became a document.
            self._rows(source, source.documents.all(), source.uploads.all())
            source.delete()
            failpoint("delete.writing")
        failpoint("delete.committed")

    def _some(self, source_id: int, keys: Sequence[str]) -> bool:
        with _locked(source_id) as source:
            if source is None:
                return False
            here = self._rows(
                source, source.documents.filter(key__in=keys), source.uploads.filter(key__in=keys)
            )
            Tombstone.objects.bulk_create(
                [Tombstone(source=source, key=key, deleted_by=self.by[:200]) for key in here],
                ignore_conflicts=True,
            )
            failpoint("delete.writing")
        failpoint("delete.committed")
        return bool(here)

    def _rows(
        self, source: Source, documents: QuerySet[Document], uploads: QuerySet[Upload]
    ) -> list[str]:
        found = dict(documents.values_list("key", "pk"))
        urls = list(documents.values_list("url", flat=True))
        given = dict(uploads.values_list("key", "stored_as"))
        chunks = Chunk.objects.filter(document__in=found.values())
        chunk_ids = list(chunks.values_list("pk", flat=True))
        self.chunks.update(chunk_ids)
        self.documents.update(found.values())
        self.files.update(given.values())
        keys = sorted(found.keys() | given.keys())
        self.names += [f"{source.slug}/{key}" for key in keys]
        documents.delete()  # and what the index has to be told, in the same transaction
        uploads.delete()
        documents_deleted.send(
            sender=Document, source=source, keys=keys, urls=urls, chunk_ids=chunk_ids
        )
        return keys

    # Gone

    def concluded(self) -> Receipt:
        _quietly(lambda: get_index().drain())
        failpoint("delete.drained")
        files = remove_files(self.files)
        failpoint("delete.purged")
        receipt = self._verified(files)
        if not receipt.complete:
            logger.warning(
                "Deleted %s documents; left are %s rows, %s points, %s files, %s changes to tell",
                len(self.names), receipt.rows, receipt.points, receipt.files, receipt.pending,
            )  # fmt: skip
            index_owes.send(sender=Document)
        return receipt

    # Verified

    def _verified(self, files: int) -> Receipt:
        gone = set(self.chunks)
        for some in _batches(self.chunks):  # the same text may be live again: uploaded once more
            gone.difference_update(Chunk.objects.filter(pk__in=some).values_list("pk", flat=True))
        rows = sum(
            Document.objects.filter(pk__in=some).count() for some in _batches(self.documents)
        )
        points = _quietly(lambda: len(get_index().present(gone)))
        pending = 0
        if get_index().owed():  # by anybody; of interest are those of this deletion
            changes = IndexChange.objects.values("chunk_id").distinct()
            pending = sum(
                changes.filter(chunk_id__in=some).order_by().count() for some in _batches(gone)
            )
        return Receipt(tuple(self.names), rows, points, files, 0, pending)


@contextmanager
def _locked(source_id: int) -> Iterator[Source | None]:
    """The transaction in which nobody else publishes or removes; None: the source is gone."""
    with transaction.atomic():
        yield Source.objects.select_for_update().filter(pk=source_id).first()


def _quietly(ask: Callable[[], int]) -> int | None:
    """None: the index did not answer. What it has to do is on record."""
    try:
        return ask()
    except (IndexUnavailable, SpaceMismatch) as error:
        logger.warning("The index could not be asked: %s", error)
        return None


def _batches(ids: Collection[Any]) -> Iterator[list[Any]]:
    remaining = iter(ids)
    while some := list(islice(remaining, ASKED_AT_ONCE)):
        yield some
