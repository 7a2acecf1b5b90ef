"""Writers of one Qdrant that overtake each other, at every step: the newest state of the rows wins.

Each writer is a thread, but only one of them runs at a time: before every call to the store or the
database that matters it hands over to whoever the seed says is next. Now and then one is frozen: it
thaws when all others are done, and goes on as if nothing had happened.
"""

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid5

import pytest
from django.db import connection
from qdrant_client import QdrantClient, models

from documents.embedding.hashing import HashingEmbedder
from documents.index import qdrant, qdrant_collection
from documents.index.qdrant import QdrantIndex
from documents.index.rows import NO_POINT, compare
from documents.models import Chunk, Document, IndexChange, Source
from tests.documents.builders import NAMESPACE, index, make_source, points, publish

EMBEDDER = HashingEmbedder()
SEED = int(os.environ.get("FENCE_SEED", "20261122"))
INTERLEAVINGS = int(os.environ.get("FENCE_INTERLEAVINGS", "120"))
FREEZES = 0.12  # of all steps
TEXTS = ["The sidebar.", "The lamp.", "The log."]
STEPS = ("get_collections", "delete", "batch_update_points", "retrieve", "upsert")


class Baton:
    """Who has it runs. `hand_over` gives it to one of the writers that are not done, by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.changed = chance, threading.Condition()
        self.waiting: list[int] = []
        self.frozen: set[int] = set()
        self.holder: int | None = None

    def hand_over(self) -> None:
        me = threading.get_ident()
        with self.changed:
            if me not in self.waiting:
                return  # the test itself
            if self.chance.random() < FREEZES:
                self.frozen.add(me)
            self.holder = self.next()
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.holder == me, 30)

    def next(self) -> int | None:
        awake = [writer for writer in self.waiting if writer not in self.frozen]
        return self.chance.choice(awake or self.waiting) if self.waiting else None

    def run(self, writers: list[Callable[[], object]]) -> None:
        errors: list[BaseException] = []
        ready = threading.Barrier(len(writers) + 1)

        def body(write: Callable[[], object]) -> None:
            me = threading.get_ident()
            ready.wait(30)
            try:
                with self.changed:
                    assert self.changed.wait_for(lambda: self.holder == me, 30)
                write()
            except BaseException as error:
                errors.append(error)
            finally:
                connection.close()
                with self.changed:
                    self.waiting.remove(me)
                    self.holder = self.next()
                    self.changed.notify_all()

        threads = [threading.Thread(target=body, args=(write,), daemon=True) for write in writers]
        for thread in threads:
            thread.start()
            self.waiting.append(thread.ident or 0)
        ready.wait(30)
        with self.changed:
            self.holder = self.next()
            self.changed.notify_all()
        for thread in threads:
            thread.join(60)
        if errors:
            raise errors[0]


class Steps:
    """The in-memory client; hands over before each call that reads or writes points."""

    def __init__(self, client: QdrantClient) -> None:
        self.client = client
        self.before: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name not in STEPS:
            return method

        def step(*arguments: Any, **options: Any) -> Any:
            self.before()
            return method(*arguments, **options)

        return step


@pytest.fixture
def source(transactional_db: None) -> Source:
    return make_source()


@pytest.fixture
def steps() -> Steps:
    return Steps(QdrantClient(":memory:"))


@pytest.fixture
def made(steps: Steps, source: Source) -> QdrantIndex:
    new = another(steps)
    new.prepare()
    return new


def another(steps: Steps) -> QdrantIndex:
    """As another process has it."""
    client: Any = steps
    return QdrantIndex(client, None, alias="chunks", space=EMBEDDER.space, fusion="dbsf")


@contextmanager
def unfenced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The condition taken out of every write."""

    def anybody(change: int, among: Any = None) -> models.Filter:
        these = None if among is None else [models.HasIdCondition(has_id=list(map(str, among)))]
        return models.Filter(must=these)

    with monkeypatch.context() as patch:
        patch.setattr(qdrant_collection, "not_after", anybody)
        yield


def wrong(made: QdrantIndex) -> list[str]:
    """What the index has wrong although nobody is at work and nothing is owed any more. A missing
    point is no lie as long as its document does not count as indexed."""
    assert made.owed() == 0
    space = str(EMBEDDER.space)
    found = (one for page in compare(made) for one in page.found)
    return [
        f"{one.kind} {one.detail}"
        for one in found
        if one.kind in ("stale payload", "no row") or (one.kind == NO_POINT and one.space == space)
    ]


# One writer frozen at one step


@pytest.mark.parametrize("step", ["get_collections", "delete", "batch_update_points", "retrieve"])
def test_a_deletion_that_thaws_after_the_text_came_back_changes_nothing(
    step: str, made: QdrantIndex, steps: Steps, source: Source
) -> None:
    assert thawed_deletion(step, made, steps, source) == []


def test_without_the_condition_it_would_have_deleted_a_live_point(
    made: QdrantIndex, steps: Steps, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unfenced(monkeypatch):
        assert thawed_deletion("delete", made, steps, source) == ["no point "]


def thawed_deletion(step: str, made: QdrantIndex, steps: Steps, source: Source) -> list[str]:
    """A drainer reads that the chunk is gone; while it is frozen, the same text is published."""
    document, chunks = publish(source, "page", TEXTS[:1])
    index(made, EMBEDDER, chunks)
    document.delete()

    def meanwhile() -> None:
        steps.before = lambda: None
        document, again = publish(source, "page", TEXTS[:1])
        other = another(steps)
        other.upsert(points(EMBEDDER, again))
        other.drain()
        document.mark_indexed(str(EMBEDDER.space))

    frozen_at(steps, step, meanwhile)
    made.drain()
    return wrong(made)


def test_a_payload_that_thaws_after_a_newer_one_changes_nothing(
    made: QdrantIndex, steps: Steps, source: Source
) -> None:
    assert thawed_payload(made, steps, source) == []


def test_without_the_condition_it_would_have_shown_a_withdrawn_page(
    made: QdrantIndex, steps: Steps, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unfenced(monkeypatch):
        assert thawed_payload(made, steps, source) == ["stale payload live"]


def thawed_payload(made: QdrantIndex, steps: Steps, source: Source) -> list[str]:
    _document, chunks = publish(source, "page", TEXTS[:1])
    index(made, EMBEDDER, chunks)
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    Document.objects.all().set_status(Document.Status.PUBLISHED)

    def meanwhile() -> None:
        steps.before = lambda: None
        Document.objects.all().set_status(Document.Status.WITHDRAWN)
        another(steps).drain()

    frozen_at(steps, "batch_update_points", meanwhile)
    made.drain()
    return wrong(made)


def test_points_that_thaw_after_their_document_was_finished_change_nothing(
    made: QdrantIndex, steps: Steps, source: Source
) -> None:
    document, chunks = publish(source, "page", TEXTS)
    late = points(EMBEDDER, chunks)
    index(another(steps), EMBEDDER, chunks)
    document.mark_indexed(str(EMBEDDER.space))
    made.upsert(late)
    # Even if the process dies before it has told anybody:
    IndexChange.objects.all().delete()
    assert wrong(made) == []


def test_points_of_a_process_that_died_before_it_told_anybody_become_live(
    made: QdrantIndex, source: Source
) -> None:
    """With the next run: the document was not verified yet, so all of it is announced again."""
    _document, chunks = publish(source, "page", TEXTS)
    made.upsert(points(EMBEDDER, chunks))
    IndexChange.objects.all().delete()
    assert made.present(chunk.pk for chunk in chunks) == {chunk.pk for chunk in chunks}
    publish(source, "page", TEXTS)
    made.drain()
    assert wrong(made) == []


def frozen_at(steps: Steps, name: str, meanwhile: Callable[[], None]) -> None:
    """The next call of that name waits until `meanwhile` is over."""
    method = getattr(steps.client, name)

    def thaws(*arguments: Any, **options: Any) -> Any:
        setattr(steps.client, name, method)
        meanwhile()
        return method(*arguments, **options)

    setattr(steps.client, name, thaws)


# Everybody at once


def play(seed: int, made: QdrantIndex, steps: Steps, source: Source) -> list[str]:
    """Two drainers, a curator and a run, in an order that the seed decides."""
    chance = random.Random(seed)
    document, chunks = publish(source, "page", TEXTS)
    index(made, EMBEDDER, chunks)
    document.mark_indexed(str(EMBEDDER.space))
    baton = Baton(chance)
    steps.before = baton.hand_over
    read = qdrant.current_payloads

    def payloads(chunk_ids: Any) -> Any:
        found = read(chunk_ids)
        baton.hand_over()  # frozen with what was read, and not written yet
        return found

    def drain() -> None:
        baton.hand_over()
        another(steps).drain()

    def curate() -> None:
        for _ in range(2):
            baton.hand_over()
            status = chance.choice(Document.Status.values)
            Document.objects.filter(key="page").set_status(Document.Status(status))

    def rewrite() -> None:
        """As the pipeline does it: points, rows, drain, verify; twice."""
        for texts in (chance.sample(TEXTS, 2), chance.sample(TEXTS, 3)):
            baton.hand_over()
            run_once(another(steps), source, texts, baton)

    qdrant.current_payloads = payloads
    try:
        writers = [drain, drain, curate, rewrite]
        if chance.random() < 0.5:
            writers.append(lambda: Document.objects.filter(key="page").delete())
        baton.run(writers)
    finally:
        qdrant.current_payloads, steps.before = read, lambda: None
    another(steps).drain()  # the worker, at its next look
    return wrong(made)


def run_once(made: QdrantIndex, source: Source, texts: list[str], baton: Baton) -> None:
    document, chunks = publish_with_points(made, source, texts, baton)
    made.drain()
    baton.hand_over()
    wanted = {chunk.pk for chunk in chunks}
    if made.present(wanted) == wanted:
        document.mark_indexed(str(EMBEDDER.space))


def publish_with_points(
    made: QdrantIndex, source: Source, texts: list[str], baton: Baton
) -> tuple[Document, list[Chunk]]:
    document = Document(source=source, corpus=source.corpus, title="page", language="en")
    drafts = chunks_of(source, texts, document)
    new = {chunk.pk for chunk in drafts} - made.present(chunk.pk for chunk in drafts)
    if new:
        made.upsert(points(EMBEDDER, [chunk for chunk in drafts if chunk.pk in new]))
    baton.hand_over()
    return publish(source, "page", texts, space="")


def chunks_of(source: Source, texts: list[str], document: Document) -> list[Chunk]:
    return [
        Chunk(
            id=uuid5(NAMESPACE, f"{source.corpus_id}/page/{text}"),
            text=text,
            document=document,
            heading_path=[],
        )
        for text in texts
    ]


def broken_games(
    made: QdrantIndex, steps: Steps, source: Source
) -> Iterator[tuple[int, list[str]]]:
    """Seeds that end badly, and what is wrong then."""
    for seed in range(SEED, SEED + INTERLEAVINGS):
        if found := play(seed, made, steps, source):
            yield seed, found
        Document.objects.all().delete()
        made.drain()
        made.delete(point.chunk_id for point in made.scroll(UUID(int=0), 100))


@pytest.mark.timeout(400)
def test_whatever_the_order_the_index_agrees_with_the_rows(
    made: QdrantIndex, steps: Steps, source: Source
) -> None:
    assert list(broken_games(made, steps, source)) == []


@pytest.mark.timeout(400)
def test_without_the_condition_some_orders_leave_it_wrong(
    made: QdrantIndex, steps: Steps, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unfenced(monkeypatch):
        assert next(broken_games(made, steps, source))
