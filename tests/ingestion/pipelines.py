"""Small real parts to run the pipeline with: an embedder that counts, an index that stops."""

from collections.abc import Sequence
from typing import Any

from documents.embedding.base import DocumentEmbedder, Matrix
from documents.embedding.hashing import HashingEmbedder
from documents.index.base import IndexWriter
from documents.index.embedded import EmbeddedIndex
from documents.models import Chunk, ChunkVector, Document, IndexChange, Source
from ingestion.models import IngestionRun
from ingestion.pipeline import IngestionPipeline
from ingestion.runs import Report, ingest_source


class CountingEmbedder:
    """Embeds as the one inside does, and remembers every text it was given."""

    def __init__(self, embedder: DocumentEmbedder) -> None:
        self.embedder, self.space = embedder, embedder.space
        self.texts: list[str] = []
        self.calls = 0
        self.error: Exception | None = None  # raised instead, when there is one

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.texts += texts
        return self.embedder.embed_documents(texts)


class Stopped(BaseException):
    """The process ends here, as with a signal: nobody catches it."""


class StoppingIndex:
    """The index inside, until the named step; there `error` is raised, before or after the step."""

    def __init__(
        self, index: IndexWriter, step: str, error: BaseException, *, after: bool = False
    ) -> None:
        self.index, self.step, self.error, self.after = index, step, error, after
        self.space = index.space

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.index, name)
        if name != self.step:
            return method

        def stop(*arguments: Any) -> None:
            if self.after:
                method(*arguments)
            raise self.error

        return stop


def pipeline_with(embedder: DocumentEmbedder | None = None) -> IngestionPipeline:
    embedder = embedder or HashingEmbedder()
    return IngestionPipeline(embedder, EmbeddedIndex(embedder.space, "rrf"))


def run(
    source: Source, pipeline: IngestionPipeline, *, allow_mass_delete: bool = False, **options: Any
) -> Report:
    record = IngestionRun.objects.create(source=source, allow_mass_delete=allow_mass_delete)
    return ingest_source(record, pipeline, **options)


def stored() -> dict[str, Any]:
    """What readers and the index go by, without moments and automatic numbers."""
    document = ("source__slug", "key", "url", "title", "status", "trust_tier", "fingerprint",
                "space", "warnings")  # fmt: skip
    chunk = ("pk", "document__key", "position", "text", "anchor", "line_start", "char_start",
             "enabled")  # fmt: skip
    return {
        "documents": list(Document.objects.order_by("source", "key").values_list(*document)),
        "chunks": list(Chunk.objects.order_by("document__key", "position").values_list(*chunk)),
        "vectors": sorted(
            (pk, space, bytes(vector))
            for pk, space, vector in ChunkVector.objects.values_list("chunk_id", "space", "vector")
        ),
    }


def last_change() -> int:
    """How far the outbox has got."""
    newest = IndexChange.objects.last()
    return newest.pk if newest else 0
