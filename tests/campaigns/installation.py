"""One installation under trial: a database, an index, a source; and what its processes do."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import numpy as np
from django.conf import settings
from django.utils import timezone

from documents.embedding.base import Matrix
from documents.embedding.hashing import HashingEmbedder
from documents.index.base import IndexPoint
from documents.index.sparse import encode_document
from documents.uploads import orphan_files
from tests.campaigns.world import Verdict, World, judge

SLUG = "log"
SHELF = "shelf"
dimension = 64


class SlowEmbedder(HashingEmbedder):
    """Takes its time, so that there is a moment to be killed in."""

    seconds = 0.02

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        time.sleep(self.seconds * max(1, len(texts) // 8))
        return super().embed_documents(texts)


def embedder() -> SlowEmbedder:
    """That of the settings, as it were: a process takes what its parent had."""
    return SlowEmbedder(dimension)


def pipeline() -> Any:
    from ingestion.pipeline import IngestionPipeline

    return IngestionPipeline(embedder(), index())


def index() -> Any:
    """Over the wire where there is an address, else in the database's rows."""
    space = embedder().space
    if settings.QDRANT_URL:
        from documents.index.qdrant import QdrantIndex

        return QdrantIndex.connect(
            url=settings.QDRANT_URL, api_key=settings.QDRANT_API_KEY, timeout=5,
            deadline=5, alias=settings.QDRANT_COLLECTION, space=space, fusion="rrf",
        )  # fmt: skip
    from documents.index.embedded import EmbeddedIndex

    return EmbeddedIndex(space, "rrf")


# What a process does


def install(folder: str) -> None:
    from documents.models import Corpus, Source

    corpus = Corpus.objects.create(slug="trial", name="Trial")
    Source.objects.create(corpus=corpus, slug=SLUG, location=folder)
    Source.objects.create(corpus=corpus, slug=SHELF, location="", kind=Source.Kind.UPLOAD)


def queue() -> int:
    from documents.models import Source
    from ingestion.models import IngestionRun
    from ingestion.worker import queue_run

    source = Source.objects.get(slug=SLUG)
    trigger = IngestionRun.Trigger.COMMAND
    return queue_run(source, trigger=trigger, allow_mass_delete=True).pk


def work() -> int:
    """What a worker does until nothing is due any more: the product's own way of recovering."""
    from documents.providers import get_index
    from ingestion.leases import LeaseLost, SourceBusy
    from ingestion.models import IngestionRun
    from ingestion.pipeline import Aborted
    from ingestion.runs import ingest_source
    from ingestion.schedule import take_stock

    taken = 0
    with (
        mock.patch("ingestion.schedule.get_index", index),
        mock.patch.object(get_index, "__wrapped__", index),
    ):
        while True:
            # Nobody waits for real: what is due later is due now.
            IngestionRun.objects.filter(status="waiting").update(next_attempt_at=None)
            stock = take_stock()
            if stock.index_owes:
                index().drain()
            if not stock.runs:
                return taken
            for pk in stock.runs:
                taken += 1
                try:
                    ingest_source(IngestionRun.objects.get(pk=pk), pipeline())
                except (Aborted, SourceBusy, LeaseLost):
                    time.sleep(0.05)


def delete_page(key: str) -> dict[str, Any]:
    from documents.deletion import delete_documents
    from documents.models import Document

    with mock.patch("documents.deletion.get_index", index):
        receipt = delete_documents(Document.objects.filter(key=key), by="campaign")
    return {"complete": receipt.complete}


def upload(name: str, content: str) -> int:
    """As the API does it."""
    from django.core.files.base import ContentFile

    from documents.models import Source
    from documents.uploads import storing
    from ingestion.models import IngestionRun
    from ingestion.worker import queue_run

    source = Source.objects.get(slug=SHELF)
    file = ContentFile(content.encode(), name=name)
    with storing(source, [file], by="campaign") as uploads:
        keys = [upload.key for upload in uploads]
        return queue_run(source, trigger=IngestionRun.Trigger.API, only=keys).pk


def reindex() -> int:
    """From the space in use to that of the settings."""
    from ingestion.reindex import Reindexer

    return Reindexer(index(), embedder(), patience=30.0).run()


def repair() -> dict[str, int]:
    """What is left afterwards, by kind."""
    from ingestion.management.commands.reconcile import queued
    from ingestion.reconcile import Reconciler
    from ingestion.runs import ATTEMPTS

    # Nobody waits for real: a file is left over at once, not after an hour.
    young = partial(orphan_files, timedelta(0))
    with mock.patch("ingestion.differences.orphan_files", young):
        reconciler = Reconciler(index(), embedder(), queued, ATTEMPTS)
        reconciler.repair()
        return {kind.name: number for kind, number in reconciler.check().differences.items()}


def damage(seed: int) -> dict[str, int]:
    """What a backup, a bug or a hand in the database may do; says how much of what was done."""
    from documents.models import Chunk, Document

    dice = random.Random(seed)
    ids = list(Chunk.objects.order_by("pk").values_list("pk", flat=True))
    lost = dice.sample(ids, 5)
    index().delete(lost)
    strays = [UUID(int=dice.getrandbits(128), version=5) for _ in range(3)]
    vectors = embedder().embed_documents([str(stray) for stray in strays])
    index().upsert(
        [
            IndexPoint(stray, vector, encode_document(str(stray), "en"))
            for stray, vector in zip(strays, vectors, strict=True)
        ]
    )
    torn = dice.choice(Document.objects.order_by("pk").filter(source__slug=SLUG))
    Chunk.objects.filter(document=torn, position=0).delete()
    unmarked = Document.objects.filter(pk=dice.choice(Document.objects.order_by("pk")).pk)
    return {"points lost": len(lost), "stray points": len(strays), "unmarked":
            unmarked.update(space="")}  # fmt: skip


def stored_files() -> set[str]:
    """Every file of an upload that is on the disk, and whether a row names it."""
    from documents.models import Upload

    folder = Path(settings.STORAGES["uploads"]["OPTIONS"]["location"])
    here = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return here ^ set(Upload.objects.values_list("stored_as", flat=True))


# What is found afterwards


def verdict(*worlds: World) -> Verdict:
    """In a process of its own; everything is read anew."""
    from documents.models import Chunk
    from ingestion.leases import holder_is_dead
    from ingestion.models import IngestionRun, Lease

    rows, texts = [], {}
    for chunk in Chunk.objects.select_related("document__source").order_by("pk"):
        rows.append((chunk.document.key, chunk.text, chunk.pk))
        texts[chunk.pk] = chunk.searchable_text
    vectors = embedder().embed_documents(list(texts.values())) if texts else []
    points, live = stored_points()
    now = timezone.now()
    leases = Lease.objects.exclude(holder="").filter(expires_at__gt=now)
    held = [lease for lease in leases if not holder_is_dead(lease)]
    stuck = IngestionRun.objects.unfinished().count() + len(held)
    expected = {text for world in worlds for text in world.expected()}
    return judge(expected, rows, points, dict(zip(texts, vectors, strict=True)), live, stuck)


def stored_points() -> tuple[dict[UUID, "np.ndarray | None"], set[UUID] | None]:
    """Straight from the store: not through the index that is on trial."""
    if settings.QDRANT_URL:
        return points_over_the_wire()
    from documents.models import ChunkVector

    found = ChunkVector.objects.filter(space=str(embedder().space))
    return {
        pk: np.frombuffer(bytes(vector), "<f2").astype(np.float32)
        for pk, vector in found.values_list("chunk_id", "vector")
    }, None


def points_over_the_wire() -> tuple[dict[UUID, "np.ndarray | None"], set[UUID]]:
    import httpx

    points: dict[UUID, np.ndarray | None] = {}
    live: set[UUID] = set()
    headers = {"api-key": settings.QDRANT_API_KEY}
    with httpx.Client(base_url=settings.QDRANT_URL, headers=headers, trust_env=False) as client:
        offset = None
        while True:
            body = {"limit": 500, "with_vector": True, "with_payload": True, "offset": offset}
            path = f"/collections/{settings.QDRANT_COLLECTION}/points/scroll"
            reply = client.post(path, json=body)
            if reply.status_code == 404:  # nothing was ever ingested
                return {}, set()
            result = reply.raise_for_status().json()["result"]
            for point in result["points"]:
                dense = (point.get("vector") or {}).get("dense")
                pk = UUID(str(point["id"]))
                points[pk] = None if dense is None else np.asarray(dense, np.float32)
                if (point.get("payload") or {}).get("live"):
                    live.add(pk)
            offset = result.get("next_page_offset")
            if offset is None:
                return points, live


@contextmanager
def without_guard(name: str) -> Iterator[None]:
    """The positive control: the same trial must find something when a guard is gone."""
    if not name:
        with nullcontext():
            yield
        return
    from ingestion import pipeline as module

    if name == "vectors-before-rows":
        # Publish first and call it indexed; the vectors come afterwards.
        fields, new = module.document_fields, module.IngestionPipeline.index_new
        publish = module.IngestionPipeline.publish

        def declared(source: Any, prepared: Any) -> dict[str, object]:
            return {**fields(source, prepared), "space": str(embedder().space)}

        def published_first(self: Any, source: Any, batch: Any) -> None:
            for prepared in batch:
                publish(self, _Loose(source), prepared)
            new(self, source, batch)

        with (
            mock.patch.object(module, "document_fields", declared),
            mock.patch.object(module.IngestionPipeline, "index_new", published_first),
            mock.patch.object(module.IngestionPipeline, "publish", lambda *_: None),
        ):
            yield
        return
    if name == "fencing":
        from ingestion.leases import HeldLease

        with mock.patch.object(HeldLease, "writing", _no_token):
            yield
        return
    raise SystemExit(f"there is no guard named {name}")


class _Loose:
    """A lease that asks nobody."""

    def __init__(self, source: Any) -> None:
        self.source = source

    @contextmanager
    def writing(self) -> Iterator[None]:
        from django.db import transaction

        with transaction.atomic():
            yield


@contextmanager
def _no_token(self: Any) -> Iterator[None]:
    from django.db import transaction

    with transaction.atomic():
        yield
