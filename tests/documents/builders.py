"""Rows for tests of the corpus: a document with chunks, as ingestion would have stored them."""

from collections.abc import Sequence
from uuid import UUID, uuid5

from documents.embedding.base import DocumentEmbedder
from documents.index.base import IndexPoint, IndexWriter
from documents.index.payload import payload_of
from documents.index.sparse import encode_document
from documents.models import Chunk, Corpus, Document, Source

NAMESPACE = UUID("5e5d7d1a-5f0e-4b5c-9a52-0b6a0a3a4f11")


def make_source(slug: str = "docs") -> Source:
    corpus, _created = Corpus.objects.get_or_create(slug=slug, defaults={"name": slug})
    return Source.objects.get_or_create(
        slug=f"{slug}-folder", corpus=corpus, defaults={"location": f"/{slug}"}
    )[0]


def publish(
    source: Source, key: str, texts: Sequence[str], headings: Sequence[str] = (), **fields: object
) -> tuple[Document, list[Chunk]]:
    """A document with one chunk for each text; its rows only, nothing in the index."""
    chunks = [
        Chunk(
            id=uuid5(NAMESPACE, f"{source.corpus_id}/{key}/{text}"), position=position,
            heading_path=list(headings), text=text, line_start=1, line_end=1, char_start=0,
            char_end=len(text), token_estimate=len(text) // 4, text_hash="",
        )
        for position, text in enumerate(texts)
    ]  # fmt: skip
    facts = {"url": f"/{key}", "title": key, "language": "en", "fingerprint": "f", **fields}
    document, _stale = Document.objects.publish_state(source, key, facts, chunks)
    return document, chunks


def points(embedder: DocumentEmbedder | None, chunks: Sequence[Chunk]) -> list[IndexPoint]:
    texts = [chunk.searchable_text for chunk in chunks]
    vectors = None if embedder is None else embedder.embed_documents(texts)
    return [
        IndexPoint(
            chunk.pk,
            None if vectors is None else vectors[row],
            encode_document(texts[row], chunk.document.language),
            payload_of(chunk),
        )
        for row, chunk in enumerate(chunks)
    ]


def index(writer: IndexWriter, embedder: DocumentEmbedder | None, chunks: Sequence[Chunk]) -> None:
    writer.upsert(points(embedder, chunks))
    writer.drain()
