"""THE PATH OF ONE DOCUMENT: load, parse, chunk, embed what is new, upsert, publish, verify.

It may be stopped anywhere. Points are stored before the rows that make them visible, rows change
in one transaction, and a document counts as done only when every chunk was found in the index;
whatever was cut short is simply done again, under the same ids.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from documents.embedding.base import (
    CHUNKER_VERSION,
    NO_DENSE_VECTORS,
    DocumentEmbedder,
    EmbeddingError,
)
from documents.index.base import IndexPoint, IndexUnavailable, IndexWriter, SpaceMismatch
from documents.index.payload import payload_of
from documents.index.sparse import encode_document
from documents.models import Chunk, Document, Source, TrustTier
from documents.providers import get_embedder, get_index
from ingestion.chunking import ChunkDraft, chunk_by_section, chunk_id
from ingestion.loaders.base import LoadError, NotAPage, RawDocument
from ingestion.parsing import parse
from ingestion.parsing.base import ParsedDocument, ParseError

logger = logging.getLogger(__name__)

EMBED_AT_ONCE = 96  # texts: what one call to Cohere may carry
NO_LONGER_THERE = "no longer in the source"
# What the columns hold; SQLite would not say that there is more.
KEY_LIMIT, URL_LIMIT, ANCHOR_LIMIT = 500, 1000, 300
ADDRESS = re.compile(r"https?://|/(?!/)", re.IGNORECASE)  # what a citation may link to

Fingerprints = dict[str, tuple[str, str]]


class Aborted(Exception):
    """Going on would be useless (no credit, no index): the run ends here, nothing is lost."""


@dataclass
class Result:
    """What happened to one document."""

    key: str
    outcome: str  # an IngestionItem.Outcome, or "unchanged"
    reason: str = ""
    warnings: Sequence[str] = ()
    chunks: int = 0
    embedded: int = 0


@dataclass
class Prepared:
    """A document on its way: read and cut, not yet stored."""

    raw: RawDocument
    fingerprint: str
    parsed: ParsedDocument
    chunks: list[Chunk]
    is_new: bool
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

    def ingest(self, source: Source, loaded: Iterable[RawDocument | LoadError]) -> Iterator[Result]:
        """Take each document down the path, a handful at a time; raises Aborted."""
        with index_trouble_aborts():
            self.index.prepare()
        known = fingerprints(source)
        addresses: dict[str, str] = {}  # address to key
        waiting: list[Prepared] = []
        for raw in loaded:
            step = self.prepare(source, raw, known)
            if isinstance(raw, RawDocument):
                first = addresses.setdefault(raw.url, raw.key)
                if first != raw.key and isinstance(step, Prepared):
                    step.warnings.append(f"has the same address as {first}: {raw.url}")
            if isinstance(step, Result):
                yield step
                continue
            waiting.append(step)
            if sum(max(1, len(prepared.missing)) for prepared in waiting) >= EMBED_AT_ONCE:
                yield from self.store(source, waiting)
                waiting = []
        if waiting:
            yield from self.store(source, waiting)

    def prepare(
        self, source: Source, raw: RawDocument | LoadError, known: Fingerprints
    ) -> Prepared | Result:
        """Parse and chunk, unless nothing changed; find out what the index lacks."""
        if isinstance(raw, LoadError):
            outcome = "skipped" if isinstance(raw, NotAPage) else "failed"
            return Result(raw.key, outcome, str(raw))
        if len(raw.key) > KEY_LIMIT or len(raw.url) > URL_LIMIT:
            return Result(raw.key[-KEY_LIMIT:], "failed", "its path or address is too long")
        if not ADDRESS.match(raw.url):
            reason = f"its address is neither http nor https nor a path: {raw.url[:100]}"
            return Result(raw.key, "failed", reason)
        fingerprint = fingerprint_of(source, raw)
        if known.get(raw.key) == (fingerprint, self.space):
            return Result(raw.key, "unchanged")
        try:
            parsed = parse(raw)
        except (ParseError, LoadError) as error:
            return Result(raw.key, "failed", str(error))
        drafts = chunk_by_section(parsed, limit=settings.CHUNK_CHARS)
        chunks = [
            as_chunk(source, raw.key, position, draft) for position, draft in enumerate(drafts)
        ]
        prepared = Prepared(
            raw, fingerprint, parsed, chunks, raw.key not in known, list(parsed.warnings)
        )
        with index_trouble_aborts():
            ids = {chunk.pk for chunk in chunks}
            prepared.missing = ids - self.index.present(ids)
        return prepared

    def store(self, source: Source, batch: Sequence[Prepared]) -> Iterator[Result]:
        """Embed and upsert what is new, publish, delete what is stale, verify."""
        try:
            self.index_new(source, batch)
        except EmbeddingError as error:
            if not error.retryable:
                raise Aborted(str(error)) from error
            yield from (Result(p.raw.key, "failed", str(error)) for p in batch)
            return
        stale: list[UUID] = []
        failed: dict[str, str] = {}
        for prepared in batch:
            try:
                prepared.document, gone = Document.objects.publish_state(
                    source, prepared.raw.key, document_fields(source, prepared), prepared.chunks
                )
                stale += gone
            except DatabaseError as error:
                logger.exception("Document %s could not be published", prepared.raw.key)
                failed[prepared.raw.key] = f"the database refused it: {type(error).__name__}"
        with index_trouble_aborts():
            self.index.delete(stale)
            self.index.drain()
            wanted = {chunk.pk for prepared in batch for chunk in prepared.chunks}
            lost = wanted - self.index.present(wanted)
        for prepared in batch:
            key = prepared.raw.key
            if key not in failed and any(chunk.pk in lost for chunk in prepared.chunks):
                failed[key] = "the index did not keep all of its chunks; run ingest again"
            if key in failed or prepared.document is None:
                yield Result(key, "failed", failed.get(key, ""))
                continue
            prepared.document.mark_indexed(self.space)
            yield Result(
                key,
                "new" if prepared.is_new else "changed",
                warnings=prepared.warnings,
                chunks=len(prepared.chunks),
                embedded=len(prepared.missing) if self.embedder else 0,
            )

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
        texts = [chunk.searchable_text for chunk in new.values()]
        vectors = self.embedder.embed_documents(texts) if self.embedder and texts else None
        points = [
            IndexPoint(
                chunk_id=chunk.pk,
                dense=None if vectors is None else vectors[row],
                sparse=encode_document(texts[row], chunk.document.language),
                payload=payload_of(chunk),
            )
            for row, chunk in enumerate(new.values())
        ]
        with index_trouble_aborts():
            self.index.upsert(points)

    def remove(self, source: Source, keys: Iterable[str]) -> Iterator[Result]:
        """Documents that the source no longer has: invisible first, then out of the index."""
        for document in source.documents.filter(key__in=list(keys)):
            ids = list(document.chunks.values_list("pk", flat=True))
            document.delete()
            with index_trouble_aborts():
                self.index.delete(ids)
                self.index.drain()
            yield Result(document.key, "removed", NO_LONGER_THERE, chunks=len(ids))


class index_trouble_aborts:  # reads as a phrase
    """An index that is away stays away for the next document too."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (IndexUnavailable, SpaceMismatch)):
            raise Aborted(str(error)) from error


def fingerprints(source: Source) -> Fingerprints:
    """Of every document that is stored, by key; with the space it was verified in."""
    if source.pk is None:
        return {}
    stored = source.documents.values_list("key", "fingerprint", "space")
    return {key: (fingerprint, space) for key, fingerprint, space in stored}


def fingerprint_of(source: Source, raw: RawDocument) -> str:
    """Changes when the bytes change, or anything that decides what becomes of them."""
    about = [
        source.slug, source.corpus.slug, source.corpus.language, source.trust_tier, source.options,
        raw.url, raw.media_type, raw.site_kind, settings.CHUNK_CHARS, CHUNKER_VERSION,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode() + raw.content).hexdigest()


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
    """What a document's own text and front matter say about it."""
    about = prepared.parsed.metadata
    tier = str(about.get("trust_tier") or "")
    if tier in TrustTier.values:
        reason = "front matter"
    else:
        tier, reason = source.trust_tier, "the source's default"
    authors = about.get("authors") or about.get("author") or []
    year = str(about.get("year") or "")
    return {
        "url": prepared.raw.url,
        "title": prepared.parsed.title[:500],
        "language": str(prepared.parsed.language or about.get("lang") or source.corpus.language)[
            :20
        ],
        "version": str(about.get("version") or source.options.get("version") or "")[:50],
        "trust_tier": tier,
        "trust_reason": reason,
        "authors": [str(a)[:200] for a in (authors if isinstance(authors, list) else [authors])],
        "year": int(year) if year.isdigit() and len(year) == 4 else None,
        "doi": str(about.get("doi") or "")[:200],
        "fingerprint": prepared.fingerprint,
        "space": "",  # until it is verified: stopped before that, the next run does it again
        "warnings": prepared.warnings,
    }
