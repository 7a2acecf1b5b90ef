"""A BEIR folder as rows, and its queries and judgements for ir_measures."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import ir_measures

from documents.embedding.base import DocumentEmbedder
from documents.index.base import IndexPoint, IndexWriter
from documents.index.payload import payload_of
from documents.index.sparse import encode_document
from documents.models import Chunk, Corpus, Document, IndexChange, Source

NAMESPACE = UUID("0c9ff0ac-94f4-4a3c-8f5c-0e8a7a2c9d11")
BATCH_SIZE = 96


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def queries(folder: Path) -> dict[str, str]:
    return {query["_id"]: query["text"] for query in lines(folder / "queries.jsonl")}


def judgements(folder: Path) -> list[Any]:
    with (folder / "qrels.tsv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    return [ir_measures.Qrel(query, document, int(grade)) for query, document, grade in rows]


def store(
    folder: Path, name: str, language: str, embedder: DocumentEmbedder | None, index: IndexWriter
) -> tuple[int, dict[UUID, str]]:
    """One document and one chunk for each text; returns the corpus and the texts' own ids."""
    corpus = Corpus.objects.create(slug=name, name=name, language=language)
    source = Source.objects.create(corpus=corpus, slug=f"{name}-texts", location=str(folder))
    documents, chunks = [], []
    for text in lines(folder / "corpus.jsonl"):
        document = Document(
            corpus=corpus, source=source, key=text["_id"], title=text.get("title", "")[:500],
            language=language, fingerprint="-",
        )  # fmt: skip
        documents.append(document)
        chunks.append(
            Chunk(
                id=uuid5(NAMESPACE, f"{name}/{text['_id']}"), document=document, position=0,
                text=text["text"], line_start=1, line_end=1, char_start=0,
                char_end=len(text["text"]), token_estimate=0, text_hash="",
            )
        )  # fmt: skip
    Document.objects.bulk_create(documents)
    Chunk.objects.bulk_create(chunks)
    index.prepare()
    for start in range(0, len(chunks), BATCH_SIZE):
        index.upsert(points(chunks[start : start + BATCH_SIZE], language, embedder))
    IndexChange.objects.record([chunk.pk for chunk in chunks])
    index.drain()
    return corpus.pk, {chunk.pk: chunk.document.key for chunk in chunks}


def points(
    chunks: list[Chunk], language: str, embedder: DocumentEmbedder | None
) -> list[IndexPoint]:
    texts = [chunk.searchable_text for chunk in chunks]
    vectors = None if embedder is None else embedder.embed_documents(texts)
    return [
        IndexPoint(
            chunk.pk,
            None if vectors is None else vectors[row],
            encode_document(texts[row], language),
            payload_of(chunk),
        )
        for row, chunk in enumerate(chunks)
    ]
