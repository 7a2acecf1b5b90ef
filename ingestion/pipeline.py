"""THE PATH OF ONE DOCUMENT: load, parse, chunk, embed what is new, upsert, publish, verify.

It may be stopped anywhere, which every failpoint stands for. Points are stored before the rows
that make them visible, rows change in one transaction that only the holder of the source's lease
may make, and a document counts as done only when every chunk was found in the index; whatever was
cut short is simply done again, under the same ids.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Exists, OuterRef

from documents.embedding.base import (
    CHUNKER_VERSION,
    NO_DENSE_VECTORS,
    DocumentEmbedder,
    EmbeddingError,
)
from documents.failpoints import failpoint
from documents.index.base import IndexPoint, IndexUnavailable, IndexWriter, SpaceMismatch
from documents.index.payload import payload_of
from documents.index.sparse import encode_document
from documents.models import Chunk, Document, Source, Tombstone
from documents.providers import get_embedder, get_index
from ingestion.chunking import ChunkDraft, chunk_by_section, chunk_id
from ingestion.leases import HeldLease
from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.metadata import facts_of
from ingestion.parsing import parse
from ingestion.parsing.base import ParsedDocument, ParseError

logger = logging.getLogger(__name__)
T = TypeVar("T")

EMBED_AT_ONCE = 96  # texts: what one call to Cohere may carry
REMOVE_AT_ONCE = 50  # documents
NO_TEXT = "no text"
NO_LONGER_THERE = "no longer in the source"
STILL_IN_THE_INDEX = (
    "nobody sees it any more, but the index still holds some of it; run `reconcile --repair`"
)
# What the columns hold; SQLite would not say that there is more.
KEY_LIMIT, URL_LIMIT, ANCHOR_LIMIT = 500, 1000, 300
ADDRESS = re.compile(r"https?://|/(?!/)", re.IGNORECASE)  # what a citation may link to


class Aborted(Exception):
    """Going on would be useless (no credit, no index): the run ends here, nothing is lost.

    `retryable`: the same run may get further later; not before `retry_after` seconds, if known.
    """

    def __init__(self, message: str, *, retryable: bool = False, retry_after: float | None = None):
        super().__init__(message)
        self.retryable, self.retry_after = retryable, retry_after


@dataclass(frozen=True)
class Known:
    """What is stored of one document."""

    fingerprint: str
    space: str  # in which all of it was found in the index
    has_text: bool
    memory: Mapping[str, Any]


@dataclass
class Result:
    """What happened to one document."""

    key: str
    outcome: str  # an IngestionItem.Outcome, or "unchanged"
    reason: str = ""
    warnings: Sequence[str] = ()
    chunks: int = 0
    embedded: int = 0
    retryable: bool = False  # a failure that may pass by itself
    retry_after: float | None = None  # seconds, if the provider said so


@dataclass
class Prepared:
    """A document on its way: read and cut, not yet stored."""

    raw: RawDocument
    fingerprint: str
    parsed: ParsedDocument
    chunks: list[Chunk]
    is_new: bool
    empties: bool  # it had text, and would have none
    warnings: list[str]
    missing: set[UUID] = field(default_factory=set)  # chunks the index does not hold yet
    document: Document | None = None


@dataclass(frozen=True)
class IngestionPipeline:
    embedder: DocumentEmbedder | None
    index: IndexWriter

    @classmethod
    def from_settings(cls) -> "IngestionPipeline":
        return cls(get_embedder(), get_index())

    @property
    def space(self) -> str:
        return str(self.embedder.space if self.embedder else NO_DENSE_VECTORS)

    def ingest(
        self,
        lease: HeldLease,
        loaded: Iterable[RawDocument | LoadError],
        emptied: list[Prepared] | None = None,
    ) -> Iterator[Result]:
        """Take each document down the path, a handful at a time; raises Aborted and LeaseLost.

        Documents that would lose all their text are put into `emptied` instead, for the caller to
        `store` once it knows how many there are.
        """
        source = lease.source
        with index_trouble_aborts():
            self.index.prepare()
        known = known_documents(source)
        deleted = {stone.key: stone for stone in source.tombstones.all()}
        addresses: dict[str, str] = {}  # address to key
        waiting: list[Prepared] = []
        for raw in loaded:
            if raw.key in deleted:
                yield Result(raw.key, "skipped", why_deleted(deleted[raw.key]))
                continue
            step = self.prepare(source, raw, known)
            if isinstance(raw, RawDocument):
                first = addresses.setdefault(raw.url, raw.key)
                if first != raw.key and isinstance(step, Prepared):
                    step.warnings.append(f"has the same address as {first}: {raw.url}")
            if isinstance(step, Result):
                if step.outcome == "unchanged" and isinstance(raw, RawDocument):
                    self._remember(lease, raw, known[raw.key])
                yield step
                continue
            if step.empties and emptied is not None:
                emptied.append(step)
                continue
            if not fits(step, waiting):
                yield from self.store(lease, waiting)
                waiting = []
            waiting.append(step)
        if waiting:
            yield from self.store(lease, waiting)

    def _remember(self, lease: HeldLease, raw: RawDocument, before: Known) -> None:
        """A page may have a new etag and the same text."""
        if dict(raw.memory) != before.memory:
            with lease.writing():
                lease.source.documents.filter(key=raw.key).update(memory=dict(raw.memory))

    def prepare(
        self, source: Source, raw: RawDocument | LoadError, known: Mapping[str, Known]
    ) -> Prepared | Result:
        """Parse and chunk, unless nothing changed; find out what the index lacks."""
        if isinstance(raw, LoadError):
            outcome = "skipped" if isinstance(raw, NotAPage) else "failed"
            return Result(
                raw.key, outcome, str(raw), retryable=raw.retryable, retry_after=raw.retry_after
            )
        if len(raw.key) > KEY_LIMIT or len(raw.url) > URL_LIMIT:
            return Result(raw.key[-KEY_LIMIT:], "failed", "its path or address is too long")
        if not ADDRESS.match(raw.url):
            reason = f"its address is neither http nor https nor a path: {raw.url[:100]}"
            return Result(raw.key, "failed", reason)
        fingerprint = fingerprint_of(source, raw)
        before = known.get(raw.key)
        if before and (before.fingerprint, before.space) == (fingerprint, self.space):
            return Result(raw.key, "unchanged")
        try:
            if raw.fetch is not None:  # its server says unmodified, but we look at it differently
                raw = raw.fetch()
            parsed = parse(raw)
        except LoadError as error:
            return self.prepare(source, error, known)
        except ParseError as error:
            return Result(raw.key, "failed", str(error))
        drafts = chunk_by_section(parsed, limit=settings.CHUNK_CHARS)
        chunks = [
            as_chunk(source, raw.key, position, draft) for position, draft in enumerate(drafts)
        ]
        empties = before is not None and before.has_text and not chunks
        warnings = [*raw.about.get("warnings", ()), *parsed.warnings]
        if not chunks and NO_TEXT not in warnings:
            warnings.append(NO_TEXT)
        prepared = Prepared(raw, fingerprint, parsed, chunks, before is None, empties, warnings)
        with index_trouble_aborts():
            ids = {chunk.pk for chunk in chunks}
            prepared.missing = ids - self.index.present(ids)
        return prepared

    def store(self, lease: HeldLease, batch: Sequence[Prepared]) -> Iterator[Result]:
        """Embed and upsert what is new, publish, delete what is stale, verify."""
        source = lease.source
        try:
            self.index_new(source, batch)
        except EmbeddingError as error:
            if not error.retryable:
                raise Aborted(str(error)) from error
            for prepared in batch:
                yield Result(
                    prepared.raw.key, "failed", str(error), retryable=True,
                    retry_after=error.retry_after,
                )  # fmt: skip
            return
        failed: dict[str, str] = {}
        unwanted: set[UUID] = set()
        for prepared in batch:
            try:
                self.publish(lease, prepared)
            except Deleted as error:
                failed[prepared.raw.key] = str(error)
                unwanted |= prepared.missing  # stored already, and no row will speak of them
            except DatabaseError as error:
                logger.exception("Document %s could not be published", prepared.raw.key)
                failed[prepared.raw.key] = f"the database refused it: {type(error).__name__}"
        with index_trouble_aborts():
            if unwanted:
                self.index.purge(unwanted)
            self.index.drain()  # what is stale goes, what is new becomes visible to a search
            wanted = {chunk.pk for prepared in batch for chunk in prepared.chunks}
            lost = wanted - self.index.present(wanted)
        failpoint("verify.read")
        for prepared in batch:
            key = prepared.raw.key
            if key not in failed and any(chunk.pk in lost for chunk in prepared.chunks):
                failed[key] = "the index did not keep all of its chunks"
            if key in failed or prepared.document is None:
                yield Result(key, "failed", failed.get(key, ""), retryable=True)
                continue
            with lease.writing():
                prepared.document.mark_indexed(self.space)
            failpoint("verify.marked")
            yield Result(
                key,
                "new" if prepared.is_new else "changed",
                warnings=prepared.warnings,
                chunks=len(prepared.chunks),
                embedded=len(prepared.missing) if self.embedder else 0,
            )

    def publish(self, lease: HeldLease, prepared: Prepared) -> None:
        """All of the new rows at once; raises Deleted when somebody deleted it meanwhile."""
        source, key = lease.source, prepared.raw.key
        with lease.writing():
            if stone := source.tombstones.filter(key=key).first():
                raise Deleted(why_deleted(stone))
            prepared.document, _gone = Document.objects.publish_state(
                source, key, document_fields(source, prepared), prepared.chunks
            )
            failpoint("publish.writing")
        failpoint("publish.committed")

    def index_new(self, source: Source, batch: Sequence[Prepared]) -> None:
        """Vectors and points for the chunks that the index does not hold; nobody sees them yet."""
        new: dict[UUID, Chunk] = {}
        for prepared in batch:
            # The row does not exist yet; after it does, the outbox completes the payload.
            expected = Document(
                source=source, corpus=source.corpus, **document_fields(source, prepared)
            )
            for chunk in prepared.chunks:
                if chunk.pk in prepared.missing:
                    chunk.document = expected
                    new[chunk.pk] = chunk
        for some in batched(new.values(), EMBED_AT_ONCE):
            # Stored call by call: what was embedded is never embedded again, whatever comes next.
            self._upsert(some)

    def _upsert(self, chunks: Sequence[Chunk]) -> None:
        texts = [chunk.searchable_text for chunk in chunks]
        vectors = self.embedder.embed_documents(texts) if self.embedder else None
        failpoint("batch.embedded")
        points = [
            IndexPoint(
                chunk_id=chunk.pk,
                dense=None if vectors is None else vectors[row],
                sparse=encode_document(texts[row], chunk.document.language),
                payload=payload_of(chunk),
            )
            for row, chunk in enumerate(chunks)
        ]
        with index_trouble_aborts():
            self.index.upsert(points)
        failpoint("batch.upserted")

    def remove(self, lease: HeldLease, keys: Iterable[str]) -> Iterator[Result]:
        """Documents that the source no longer has: invisible first, gone second, verified third."""
        for some in batched(keys, REMOVE_AT_ONCE):
            removed: dict[str, set[UUID]] = {}
            with lease.writing():
                for document in lease.source.documents.filter(key__in=some):
                    removed[document.key] = set(document.chunks.values_list("pk", flat=True))
                    document.delete()
                failpoint("remove.writing")
            failpoint("remove.committed")
            with index_trouble_aborts():
                self.index.drain()
                left = self.index.present(set().union(*removed.values()))
            failpoint("remove.verified")
            for key, ids in removed.items():
                if ids & left:
                    yield Result(key, "failed", STILL_IN_THE_INDEX)
                else:
                    yield Result(key, "removed", NO_LONGER_THERE, chunks=len(ids))


class Deleted(Exception):
    """Somebody deleted the document while it was on its way."""


class index_trouble_aborts:  # reads as a phrase
    """An index that is away stays away for the next document too."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IndexUnavailable):
            # Not with the same key, the same request, or into an index that is full.
            again = error.retryable or error.code == "missing"
            raise Aborted(str(error), retryable=again, retry_after=error.retry_after) from error
        if isinstance(error, SpaceMismatch):
            raise Aborted(str(error)) from error


def fits(step: Prepared, waiting: Sequence[Prepared]) -> bool:
    """Whether one call embeds it too: of a call that is not full, the rest is paid in vain."""
    return not waiting or sum(map(_weight, (*waiting, step))) <= EMBED_AT_ONCE


def _weight(step: Prepared) -> int:
    return max(1, len(step.missing))  # so that documents without new text are published soon, too


def known_documents(source: Source) -> dict[str, Known]:
    """What is stored, by key."""
    if source.pk is None:
        return {}
    stored = source.documents.annotate(
        has_text=Exists(Chunk.objects.filter(document=OuterRef("pk")))
    ).values_list("key", "fingerprint", "space", "has_text", "memory")
    return {key: Known(*about) for key, *about in stored}


def why_deleted(stone: Tombstone) -> str:
    by = f" by {stone.deleted_by}" if stone.deleted_by else ""
    return (
        f"deleted{by} on {stone.created_at:%Y-%m-%d}; to have it back, delete its tombstone in the "
        "admin"
    )


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some


def fingerprint_of(source: Source, raw: RawDocument) -> str:
    """Changes when the bytes change, or anything that decides what becomes of them."""
    about = [
        source.slug, source.corpus.slug, source.corpus.language, source.trust_tier, source.options,
        raw.url, raw.media_type, raw.site_kind, dict(raw.about), settings.CHUNK_CHARS,
        CHUNKER_VERSION,
    ]  # fmt: skip
    about.append(raw.content_hash)
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


def as_chunk(source: Source, key: str, position: int, draft: ChunkDraft) -> Chunk:
    return Chunk(
        id=chunk_id(source.corpus.slug, f"{source.slug}:{key}", draft),
        position=position, heading_path=list(draft.heading_path),
        # Without one, a link leads to the top of the page; cut short, it would lead nowhere.
        anchor=draft.anchor if len(draft.anchor) <= ANCHOR_LIMIT else "",
        text=draft.text, line_start=draft.line_start, line_end=draft.line_end,
        char_start=draft.char_start, char_end=draft.char_end,
        token_estimate=draft.token_estimate, text_hash=draft.text_hash,
    )  # fmt: skip


def document_fields(source: Source, prepared: Prepared) -> dict[str, object]:
    return {
        **facts_of(source, prepared.raw, prepared.parsed),
        "fingerprint": prepared.fingerprint,
        "space": "",  # until it is verified: stopped before that, the next run does it again
        "warnings": prepared.warnings,
        "memory": dict(prepared.raw.memory),
    }
