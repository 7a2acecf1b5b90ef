"""Corruption of every kind: planted, found by --check, repaired by --repair, and gone after it."""

import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from qdrant_client import QdrantClient, models

from documents import uploads
from documents.embedding.base import EmbeddingSpace
from documents.embedding.hashing import HashingEmbedder
from documents.index import rows
from documents.index.base import Index, IndexPoint
from documents.index.embedded import EmbeddedIndex, packed
from documents.index.qdrant import QdrantIndex
from documents.index.sparse import SparseVector
from documents.models import Chunk, ChunkVector, Corpus, Document, IndexChange, Source, Upload
from ingestion import differences, reconcile
from ingestion.differences import Kind
from ingestion.leases import acquire
from ingestion.management.commands import reconcile as command
from ingestion.models import IngestionItem, IngestionRun, Lease
from ingestion.pipeline import IngestionPipeline
from ingestion.reconcile import Reconciler
from ingestion.runs import ingest_source
from tests.conftest import PAGES
from tests.ingestion.pipelines import CountingEmbedder, Stopped, run

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = ["embedded", "qdrant"]
ATTEMPTS = 5
REPAIRS = int(os.environ.get("RECONCILE_REPAIRS", "20"))
SEED = int(os.environ.get("RECONCILE_SEED", "20261122"))


class OneAtATime:
    """The in-memory client is plain Python without locks; a server has its own."""

    def __init__(self, client: QdrantClient) -> None:
        self.client, self.lock = client, threading.RLock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def locked(*arguments: Any, **options: Any) -> Any:
            with self.lock:
                return method(*arguments, **options)

        return locked


@dataclass
class Installation:
    """A small site, ingested; its index; and what looks for differences in it."""

    source: Source
    index: Any
    embedder: CountingEmbedder
    folder: Path
    queued: list[tuple[Source, list[str]]] = field(default_factory=list)

    @property
    def pipeline(self) -> IngestionPipeline:
        return IngestionPipeline(self.embedder, self.index)

    def ingest(self) -> None:
        run(self.source, self.pipeline)

    def queue_run(self, source: Source, keys: list[str]) -> None:
        self.queued.append((source, keys))
        source.runs.create(only=keys)

    def work(self) -> None:
        """What a worker does with the runs on record."""
        for record in IngestionRun.objects.unfinished():
            ingest_source(record, self.pipeline)

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(self.index, self.embedder, self.queue_run, ATTEMPTS)

    def found(self) -> dict[Kind, int]:
        return dict(self.reconciler.check().differences)

    def client(self) -> Any:
        return self.index.client

    def payload(self, chunk: Chunk, **fields: object) -> None:
        """Written past the application."""
        self.client().set_payload(self.index.collection, fields, [str(chunk.pk)])


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    """Tests that run beside this one store files, too."""
    stored = settings.STORAGES["uploads"]
    stored = {**stored, "OPTIONS": {**stored["OPTIONS"], "location": tmp_path / "uploads"}}
    settings.STORAGES = {**settings.STORAGES, "uploads": stored}


@pytest.fixture(params=KINDS)
def installation(request: pytest.FixtureRequest, site: Path) -> Installation:
    return installed(request.param, site)


@pytest.fixture
def with_qdrant(site: Path) -> Installation:
    return installed("qdrant", site)


@pytest.fixture
def embedded(site: Path) -> Installation:
    return installed("embedded", site)


def installed(kind: str, site: Path) -> Installation:
    embedder = CountingEmbedder(HashingEmbedder())
    index: Index
    if kind == "qdrant":
        client: Any = OneAtATime(QdrantClient(":memory:"))
        index = QdrantIndex(client, None, alias="chunks", space=embedder.space, fusion="rrf")
    else:
        index = EmbeddedIndex(embedder.space, "rrf")
    source = source_of(site)
    made = Installation(source, index, embedder, site)
    made.ingest()
    embedder.texts.clear()
    return made


def source_of(folder: Path) -> Source:
    corpus, _created = Corpus.objects.get_or_create(slug="lighthouse")
    return Source.objects.create(corpus=corpus, slug=folder.name, location=str(folder))


def a_chunk() -> Chunk:
    """One of several of its document, and not the last."""
    return Chunk.objects.filter(document__key="guide/install.md", position=1).get()


def state(made: Installation) -> dict[str, Any]:
    """Everything that a repair could write to."""
    return {
        "documents": list(Document.objects.order_by("pk").values()),
        "chunks": list(Chunk.objects.order_by("pk").values()),
        "vectors": list(ChunkVector.objects.order_by("pk").values("pk", "chunk_id", "space")),
        "outbox": list(IndexChange.objects.order_by("pk").values_list("pk", flat=True)),
        "number": differences.last_number(),
        "points": made.index.scroll(UUID(int=0), 1000) if made.index.count() else [],
        "leases": list(Lease.objects.values_list("source", "token", "holder")),
        "runs": list(IngestionRun.objects.order_by("pk").values()),
    }


# A healthy store


def test_a_healthy_store_is_left_alone_twice(installation: Installation) -> None:
    before = state(installation)
    for _ in range(2):
        assert installation.reconciler.check().clean
        assert installation.reconciler.repair().clean
    assert state(installation) == before
    assert installation.embedder.texts == []


def test_everything_is_looked_at_in_pages(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PAGE", 2)
    monkeypatch.setattr(differences, "PAGE", 2)
    report = installation.reconciler.check()
    assert report.clean
    assert report.chunks == report.points == Chunk.objects.count() > 4
    assert report.documents == len(PAGES)


def test_pages_of_both_sides_are_compared_wherever_they_end(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers between the chunks shift the pages of points against those of rows."""
    monkeypatch.setattr(rows, "PAGE", 3)
    chance = random.Random(7)
    strangers = [UUID(int=chance.getrandbits(128)) for _ in range(10)]
    installation.index.upsert([stray(pk, installation.source.slug) for pk in strangers])
    lost = list(Chunk.objects.order_by("pk").values_list("pk", flat=True))[::3]
    installation.index.delete(lost)
    assert installation.found() == {Kind.NO_ROW: 10, Kind.FALSE_MARK: len(lost)}


# What is planted, and what it is found as


def lose_a_point(made: Installation) -> None:
    made.index.delete([a_chunk().pk])


def lose_a_point_of_an_unverified_document(made: Installation) -> None:
    lose_a_point(made)
    Document.objects.filter(pk=a_chunk().document_id).update(space="")


def lose_all_points(made: Installation) -> None:
    made.index.delete(Chunk.objects.values_list("pk", flat=True))
    Document.objects.update(space="")


def stray(pk: UUID, source: str) -> IndexPoint:
    vector = np.eye(1, 64, dtype=np.float32)[0]
    return IndexPoint(pk, vector, SparseVector((1,), (1.0,)), {"source": source})


def leave_points_without_rows(made: Installation) -> None:
    made.index.upsert([stray(uuid4(), made.source.slug) for _ in range(3)])


def leave_points_of_a_source_that_is_gone(made: Installation) -> None:
    made.index.upsert([stray(uuid4(), "long-gone")])


def lose_a_vector(made: Installation) -> None:
    if isinstance(made.index, QdrantIndex):
        made.client().delete_vectors(made.index.collection, ["dense"], [str(a_chunk().pk)])
    else:
        damage(made, b"")


def damage(made: Installation, vector: bytes) -> None:
    ChunkVector.objects.filter(chunk_id=a_chunk().pk).update(vector=vector)


def damage_a_text(made: Installation) -> None:
    Chunk.objects.filter(pk=a_chunk().pk).update(text="Something that nobody wrote.")


def damage_a_hash(made: Installation) -> None:
    Chunk.objects.filter(pk=a_chunk().pk).update(text_hash="0" * 64)


def leave_a_hole(made: Installation) -> None:
    Chunk.objects.filter(pk=a_chunk().pk).update(position=17)


def number_twice(made: Installation) -> None:
    Chunk.objects.filter(document_id=a_chunk().document_id).update(position=0)


def lose_all_rows_of_a_document(made: Installation) -> None:
    document = a_chunk().document
    ids = list(document.chunks.values_list("pk", flat=True))
    made.index.delete(ids)
    Chunk.objects.filter(pk__in=ids).delete()
    IndexChange.objects.all().delete()


def forget_the_mark(made: Installation) -> None:
    Document.objects.update(space="")


def mark_for_another_space(made: Installation) -> None:
    Document.objects.update(space="another/model/64/c1")


def spoil_the_memory(made: Installation) -> None:
    Document.objects.filter(key="index.md").update(memory=["etag"], warnings={})


def reset_a_fingerprint(made: Installation) -> None:
    Document.objects.filter(key="index.md").update(fingerprint="", space="")


def die_while_running(made: Installation) -> None:
    made.source.runs.create(status=IngestionRun.Status.RUNNING, attempts=1)


def leave_an_item(made: Installation) -> None:
    finished = made.source.runs.create(status=IngestionRun.Status.CANCELLED)
    finished.items.create(key="index.md", outcome=IngestionItem.Outcome.WAITING)


def leave_a_file(made: Installation) -> None:
    name = uploads._storage().save(f"ab/{uuid4().hex}", ContentFile(b"nobody's"))
    old = (timezone.now() - timedelta(days=2)).timestamp()
    os.utime(uploads._storage().path(name), (old, old))


Plant = Callable[[Installation], None]

OF_BOTH: list[tuple[Plant, dict[Kind, int]]] = [
    (lose_a_point, {Kind.FALSE_MARK: 1}),
    (lose_a_point_of_an_unverified_document, {Kind.NO_POINT: 1, Kind.UNVERIFIED: 1}),
    (lose_all_points, {Kind.NO_POINT: 8, Kind.UNVERIFIED: 4}),
    (leave_points_without_rows, {Kind.NO_ROW: 3}),
    (leave_points_of_a_source_that_is_gone, {Kind.NO_ROW: 1}),
    (lose_a_vector, {Kind.DAMAGED_VECTOR: 1}),
    (damage_a_text, {Kind.DAMAGED_TEXT: 1}),
    (damage_a_hash, {Kind.DAMAGED_TEXT: 1}),
    (leave_a_hole, {Kind.POSITIONS: 1}),
    (number_twice, {Kind.POSITIONS: 1}),
    (lose_all_rows_of_a_document, {Kind.NO_CHUNKS: 1}),
    (forget_the_mark, {Kind.UNVERIFIED: 4}),
    (mark_for_another_space, {Kind.UNVERIFIED: 4}),
    (spoil_the_memory, {Kind.MALFORMED: 2}),
    (reset_a_fingerprint, {Kind.UNREAD: 1}),
    (die_while_running, {Kind.DEAD_RUN: 1}),
    (leave_an_item, {Kind.LEFT_ITEM: 1}),
    (leave_a_file, {Kind.STRAY_FILE: 1}),
]


def of_vectors(vector: bytes) -> Plant:
    return lambda made: damage(made, vector)


def numbers(*values: float) -> bytes:
    return packed(np.array([*values, *[0.0] * (64 - len(values))], np.float32))


OF_VECTORS: dict[str, bytes] = {
    "half of it": b"half",
    "one number too many": numbers(1.0) + b"\0\0",
    "not a number": numbers(float("nan")),
    "infinite": numbers(float("inf")),
    "zero": numbers(0.0),
    "much too long": numbers(30.0),
}


def say_withdrawn(made: Installation) -> None:
    made.payload(a_chunk(), live=False)


def say_other_facts(made: Installation) -> None:
    made.payload(a_chunk(), trust_tier="peer-reviewed", language="xx", source="other")


def say_something_unknown(made: Installation) -> None:
    made.payload(a_chunk(), secret="left by a former version")


def change_without_the_outbox(made: Installation) -> None:
    Document.objects.filter(key="index.md").update(status=Document.Status.WITHDRAWN)


def leave_the_outbox(made: Installation) -> None:
    Document.objects.filter(key="index.md").set_status(Document.Status.WITHDRAWN)


def restore_an_old_backup(made: Installation) -> None:
    """The index has seen numbers that this database is yet to draw."""
    made.payload(a_chunk(), live=False, change=differences.last_number() + 1000)


def drop_the_collection(made: Installation) -> None:
    made.client().delete_collection(made.index.collection)


def drop_the_alias(made: Installation) -> None:
    old = models.DeleteAlias(alias_name="chunks")
    made.client().update_collection_aliases([models.DeleteAliasOperation(delete_alias=old)])


OF_QDRANT: list[tuple[Plant, dict[Kind, int]]] = [
    (say_withdrawn, {Kind.STALE_PAYLOAD: 1}),
    (say_other_facts, {Kind.STALE_PAYLOAD: 1}),
    (say_something_unknown, {Kind.STALE_PAYLOAD: 1}),
    (change_without_the_outbox, {Kind.STALE_PAYLOAD: 1}),
    (leave_the_outbox, {Kind.OWED: 1}),
    (restore_an_old_backup, {Kind.NUMBERS: 1, Kind.STALE_PAYLOAD: 1}),
    (drop_the_collection, {Kind.STORE: 1}),
    (drop_the_alias, {Kind.STORE: 1}),
]


def name(planted: object) -> str:
    return getattr(planted, "__name__", "")


@pytest.mark.parametrize(("plant", "expected"), OF_BOTH, ids=name)
def test_it_is_found_and_repaired(
    installation: Installation, plant: Plant, expected: dict[Kind, int]
) -> None:
    found_and_repaired(installation, plant, expected)


@pytest.mark.parametrize(("plant", "expected"), OF_QDRANT, ids=name)
def test_it_is_found_and_repaired_in_qdrant(
    with_qdrant: Installation, plant: Plant, expected: dict[Kind, int]
) -> None:
    found_and_repaired(with_qdrant, plant, expected)


@pytest.mark.parametrize("vector", OF_VECTORS.values(), ids=OF_VECTORS)
def test_a_damaged_vector_in_the_rows(embedded: Installation, vector: bytes) -> None:
    found_and_repaired(embedded, of_vectors(vector), {Kind.DAMAGED_VECTOR: 1})


def found_and_repaired(made: Installation, plant: Plant, expected: dict[Kind, int]) -> None:
    texts = {chunk.pk: chunk.text for chunk in Chunk.objects.all()}
    plant(made)
    before = state(made)
    assert made.found() == expected
    assert state(made) == before  # looking changes nothing
    made.reconciler.repair()
    assert made.found() == {}
    made.work()
    assert made.found() == {}
    assert {chunk.pk: chunk.text for chunk in Chunk.objects.all()} == texts
    assert made.index.present(texts) == set(texts)


# What a repair is careful about


def test_what_is_missing_is_embedded_from_the_rows_alone(installation: Installation) -> None:
    lose_all_points(installation)
    for path in installation.folder.rglob("*.md"):
        path.unlink()
    installation.reconciler.repair()
    assert installation.found() == {}
    assert len(installation.embedder.texts) == Chunk.objects.count()
    assert installation.queued == []


def test_a_damaged_text_is_read_again_and_keeps_its_switch(installation: Installation) -> None:
    text = a_chunk().text
    Chunk.objects.filter(pk=a_chunk().pk).update(enabled=False, text="Nobody wrote this.")
    IndexChange.objects.record([a_chunk().pk])
    installation.index.drain()
    report = installation.reconciler.repair()
    assert report.read_again == {installation.source.slug: {"guide/install.md"}}
    assert installation.queued == [(installation.source, ["guide/install.md"])]
    pending = installation.reconciler.check()
    assert pending.clean
    assert pending.in_flight == {Kind.DAMAGED_TEXT: 1, Kind.UNREAD: 1}
    installation.work()
    assert (a_chunk().text, a_chunk().enabled) == (text, False)


def test_a_damaged_text_is_not_embedded(installation: Installation) -> None:
    damage_a_text(installation)
    lose_a_point(installation)
    installation.reconciler.repair()
    assert not any("nobody wrote" in text for text in installation.embedder.texts)
    installation.work()
    assert installation.found() == {}


def test_a_page_without_text_is_no_difference(installation: Installation) -> None:
    (installation.folder / "empty.md").write_text("<!-- later -->\n")
    installation.ingest()
    assert Document.objects.get(key="empty.md").chunks.count() == 0
    assert installation.found() == {}


def test_a_source_that_somebody_writes_to_is_in_flight(installation: Installation) -> None:
    leave_points_without_rows(installation)
    lose_a_point(installation)
    before = state(installation)
    lease = acquire(installation.source, "another process")
    report = installation.reconciler.repair()
    assert report.clean
    assert report.in_flight == {Kind.NO_ROW: 3, Kind.FALSE_MARK: 1}
    lease.release()
    assert state(installation)["points"] == before["points"]
    assert not installation.reconciler.repair().clean
    assert installation.found() == {}


def test_a_run_that_came_and_went_while_a_page_was_read_makes_it_in_flight(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_points_without_rows(installation)
    look = rows.still_true

    def after_a_run(*arguments: Any) -> Any:
        acquire(installation.source, "a short run").release()
        return look(*arguments)

    monkeypatch.setattr(rows, "still_true", after_a_run)
    assert installation.reconciler.check().in_flight == {Kind.NO_ROW: 3}


def test_a_document_deleted_while_a_page_was_read_is_no_difference(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A curator needs no lease."""
    read = rows.facts

    def and_then_deleted(chunks: Any) -> Any:
        found = read(chunks)
        monkeypatch.setattr(rows, "facts", read)
        Document.objects.get(key="index.md").delete()
        installation.index.drain()
        return found

    scroll = installation.index.scroll

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(installation.index, "scroll", scroll)
        monkeypatch.setattr(rows, "facts", and_then_deleted)
        return scroll(*arguments)

    monkeypatch.setattr(installation.index, "scroll", late)
    assert installation.reconciler.check().clean


def test_a_document_deleted_while_its_chunks_were_counted_is_no_difference(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = differences.numbering

    def after_a_deletion(page: Any) -> Any:
        Document.objects.filter(key="index.md").delete()
        installation.index.drain()
        return count(page)

    monkeypatch.setattr(differences, "numbering", after_a_deletion)
    assert installation.reconciler.check().clean


def test_a_repair_that_is_stopped_leaves_nothing_that_the_next_does_not_mend(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_all_points(installation)
    leave_points_without_rows(installation)

    def stop(name: str) -> None:
        if name == "reconcile.repaired":
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "failpoint", stop)
        with pytest.raises(Stopped):
            installation.reconciler.repair()
    installation.reconciler.repair()
    assert installation.found() == {}


def test_a_repair_stopped_while_it_embeds_leaves_no_false_mark(
    installation: Installation,
) -> None:
    lose_a_point(installation)
    installation.embedder.error = Stopped()
    with pytest.raises(Stopped):
        installation.reconciler.repair()
    assert Document.objects.get(pk=a_chunk().document_id).space == ""
    installation.embedder.error = None
    installation.ingest()
    assert installation.found() == {}


def test_a_run_whose_process_died_again_and_again_is_given_up(installation: Installation) -> None:
    dead = installation.source.runs.create(status=IngestionRun.Status.RUNNING, attempts=ATTEMPTS)
    young = installation.source.runs.create(status=IngestionRun.Status.RUNNING, attempts=1)
    installation.reconciler.repair()
    dead.refresh_from_db()
    young.refresh_from_db()
    assert (dead.status, young.status) == ("failed", "waiting")
    assert "died 5 times" in dead.error


def test_an_upload_whose_file_is_gone_needs_a_hand(embedded: Installation) -> None:
    Upload.objects.create(
        source=embedded.source, key="a.md", stored_as=f"ab/{uuid4().hex}", sha256="0", size=1
    )
    assert embedded.found() == {Kind.LOST_FILE: 1}
    embedded.reconciler.repair()
    assert embedded.found() == {Kind.LOST_FILE: 1}
    assert Upload.objects.exists()


def test_an_index_of_another_space_is_left_to_reindex(with_qdrant: Installation) -> None:
    other = EmbeddingSpace("another", "model", 64)
    mine = with_qdrant.index
    switched = QdrantIndex(mine.client, None, alias="chunks", space=other, fusion="rrf")
    switched.build()
    switched.activate()
    before = state(with_qdrant)
    report = with_qdrant.reconciler.repair()
    assert report.differences == {Kind.OTHER_SPACE: 1}
    assert "manage.py reindex" in report.shown[0].about
    assert state(with_qdrant) == before


def test_with_other_settings_nothing_is_embedded_that_nobody_searches(
    with_qdrant: Installation,
) -> None:
    wide = CountingEmbedder(HashingEmbedder(96))
    client = with_qdrant.index.client
    index = QdrantIndex(client, None, alias="chunks", space=wide.space, fusion="rrf")
    before = state(with_qdrant)
    configured = Reconciler(index, wide, with_qdrant.queue_run, ATTEMPTS)
    assert configured.repair().differences == {Kind.OTHER_SPACE: 1}
    assert state(with_qdrant) == before
    assert wide.texts == []


def test_what_is_kept_of_other_spaces_is_told_and_left(installation: Installation) -> None:
    if isinstance(installation.index, QdrantIndex):
        space = EmbeddingSpace("another", "model", 64)
        client = installation.index.client
        other = QdrantIndex(client, None, alias="chunks", space=space, fusion="rrf")
        other.build()
        kept = {other.collection: 0}
    else:
        chunk = a_chunk().pk
        ChunkVector.objects.create(chunk_id=chunk, space="another/model/64/c1", vector=b"..")
        kept = {"another/model/64/c1": 1}
    report = installation.reconciler.repair()
    assert report.clean
    assert report.kept == kept == installation.index.spare()


def test_one_source_alone(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    (folder / "page.md").write_text("# Page\n\nAnother lighthouse.\n")
    second = source_of(folder)
    run(second, installation.pipeline)
    lose_a_point(installation)
    installation.index.delete(
        Chunk.objects.filter(document__source=second).values_list("pk", flat=True)
    )
    only = Reconciler(
        installation.index, installation.embedder, installation.queue_run, ATTEMPTS,
        sources=frozenset({second.slug}),
    )  # fmt: skip
    assert only.repair().differences == {Kind.FALSE_MARK: 1}
    assert installation.found() == {Kind.FALSE_MARK: 1}


# Beside live ingestion


@pytest.mark.timeout(300)
def test_beside_live_ingestion_nothing_live_is_ever_touched(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repairs in a loop while pages change; strangers are planted so that there is work to do."""
    chance, done = random.Random(SEED), threading.Event()
    errors: list[BaseException] = []
    ingesting = CountingEmbedder(HashingEmbedder())
    pipeline = IngestionPipeline(ingesting, installation.index)

    def write_and_ingest() -> None:
        try:
            while not done.is_set():
                page = chance.choice(list(PAGES))
                number = chance.randrange(1000)
                (installation.folder / page).write_text(
                    f"# A\n\nAt {number}.\n\n## B\n\nAnd so on."
                )
                run(installation.source, pipeline)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=write_and_ingest)
    thread.start()
    planted, removed = 0, 0
    try:
        for turn in range(REPAIRS):
            if turn % 2:
                installation.index.upsert([stray(uuid4(), "long-gone")])
                planted += 1
            report = installation.reconciler.repair()
            removed += report.differences.pop(Kind.NO_ROW, 0)
            # Nothing else is wrong, however much is going on.
            assert not report.differences, report.shown
    finally:
        done.set()
        thread.join()
    assert errors == []
    installation.reconciler.repair()
    assert installation.found() == {}
    assert planted >= removed > 0
    assert installation.embedder.texts == []  # no live point was lost and had to be made again


# The command


@contextmanager
def configured(made: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(command, "get_index", lambda: made.index)
        patch.setattr(command, "get_embedder", lambda: made.embedder)
        yield


def told(*arguments: str) -> tuple[int, str]:
    output = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=output)
    except SystemExit as stopped:
        return int(str(stopped.code)), output.getvalue()
    return 0, output.getvalue()


def test_the_command_says_what_differs_and_ends_with_an_exit_code(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with configured(installation, monkeypatch):
        assert told("--check")[0] == 0
        lose_a_point(installation)
        code, text = told("--check")
        assert code == 1
        assert "1 × chunk without a point in a document that counts as indexed" in text
        assert str(a_chunk().pk) in text
        code, text = told("--repair")
        assert code == 0
        assert text.endswith("They agree.\n")
        assert told("--check")[0] == 0


def test_the_command_queues_what_has_to_be_read_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_a_text(installation)
    with configured(installation, monkeypatch):
        code, text = told("--repair", "--json")
    lines = [json.loads(line) for line in text.splitlines()]
    assert code == 0
    assert [line["event"] for line in lines] == ["difference", "repair", "check"]
    assert lines[1]["read_again"] == {installation.source.slug: ["guide/install.md"]}
    queued = IngestionRun.objects.unfinished().get()
    assert queued.only == ["guide/install.md"]


def test_the_command_knows_its_sources() -> None:
    with pytest.raises(CommandError, match="no source nowhere"):
        call_command("reconcile", "--check", source=["nowhere"])


def test_every_kind_has_a_test() -> None:
    planted = [expected for _plant, expected in OF_BOTH + OF_QDRANT]
    alone = {Kind.LOST_FILE, Kind.OTHER_SPACE}
    assert {kind for expected in planted for kind in expected} | alone == set(Kind)
