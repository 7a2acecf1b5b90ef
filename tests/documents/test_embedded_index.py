"""The embedded index: replicas that follow the outbox, in this process and in others."""

import asyncio
import logging
import os
import sys
import threading
from uuid import uuid4

import numpy as np
import pytest
from django.db import DatabaseError

from documents.embedding.base import EmbeddingSpace
from documents.embedding.hashing import HashingEmbedder
from documents.index import embedded
from documents.index.base import IndexHit, IndexQuery, IndexUnavailable
from documents.index.embedded import EmbeddedIndex, new_replica, packed, unpacked
from documents.index.sparse import encode_query
from documents.models import ChunkVector, IndexChange, Source
from documents.scope import Scope
from tests.documents.builders import index, make_source, points, publish

pytestmark = pytest.mark.django_db(transaction=True)

EMBEDDER = HashingEmbedder()


@pytest.fixture
def source() -> Source:
    return make_source()


def new_index() -> EmbeddedIndex:
    return EmbeddedIndex(EMBEDDER.space, "dbsf")


def search(searcher: EmbeddedIndex, text: str, source: Source) -> list[IndexHit]:
    vector = asyncio.run(EMBEDDER.embed_query(text))
    query = IndexQuery(vector, encode_query(text, "en"), Scope(frozenset({source.corpus_id})))
    return asyncio.run(searcher.search(query, limit=10))


def found(searcher: EmbeddedIndex, text: str, source: Source) -> set[object]:
    return {hit.chunk_id for hit in search(searcher, text, source)}


def count_fillings(searcher: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    fillings: list[int] = []
    filled = searcher._filled
    monkeypatch.setattr(searcher, "_filled", lambda: fillings.append(1) or filled())
    return fillings


def test_another_process_sees_what_is_written_at_its_next_search(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = new_index(), new_index()
    _document, first = publish(source, "one", ["The sidebar."])
    index(writer, EMBEDDER, first)
    assert found(reader, "sidebar", source) == {first[0].pk}
    fillings = count_fillings(reader, monkeypatch)
    document, second = publish(source, "two", ["Another sidebar."])
    index(writer, EMBEDDER, second)
    assert found(reader, "sidebar", source) == {first[0].pk, second[0].pk}
    document.delete()
    assert found(reader, "sidebar", source) == {first[0].pk}
    assert fillings == []


def test_repaired_and_removed_vectors_are_seen_too(source: Source) -> None:
    writer, reader = new_index(), new_index()
    _document, chunks = publish(source, "one", ["The sidebar."])
    assert search(reader, "sidebar", source)[0].similarity is None  # a row, but no vector yet
    index(writer, EMBEDDER, chunks)
    assert search(reader, "sidebar", source)[0].similarity is not None
    writer.delete([chunks[0].pk])
    assert search(reader, "sidebar", source)[0].similarity is None


def test_a_pruned_outbox_means_loading_everything_again(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = new_index()
    _document, first = publish(source, "one", ["The sidebar."])
    index(reader, EMBEDDER, first)
    found(reader, "sidebar", source)
    fillings = count_fillings(reader, monkeypatch)
    _document, second = publish(source, "two", ["Another sidebar."])
    index(reader, EMBEDDER, second)
    IndexChange.objects.all().delete()
    assert found(reader, "sidebar", source) == {first[0].pk, second[0].pk}
    assert found(reader, "sidebar", source)
    assert fillings == [1]


def test_pruning_all_but_the_newest_change_costs_nothing(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = new_index()
    _document, chunks = publish(source, "one", ["The sidebar.", "More of the sidebar."])
    index(reader, EMBEDDER, chunks)
    found(reader, "sidebar", source)
    fillings = count_fillings(reader, monkeypatch)
    newest = IndexChange.objects.last()
    assert newest is not None
    IndexChange.objects.filter(pk__lt=newest.pk).delete()
    assert len(found(reader, "sidebar", source)) == 2
    assert fillings == []


def test_a_database_that_went_back_in_time_is_noticed(source: Source) -> None:
    reader = new_index()
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(reader, EMBEDDER, chunks)
    found(reader, "sidebar", source)
    last = IndexChange.objects.last()
    assert last is not None
    # As after restoring a backup: other rows, and the last number belongs to another chunk.
    chunks[0].document.delete()
    IndexChange.objects.filter(pk__gt=last.pk).delete()
    IndexChange.objects.filter(pk=last.pk).update(chunk_id=uuid4())
    assert found(reader, "sidebar", source) == set()


def test_with_vectors_of_another_space_words_are_compared_alone(source: Source) -> None:
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(new_index(), EMBEDDER, chunks)
    other = EmbeddedIndex(EmbeddingSpace("another", "model", 64), "dbsf")
    other.prepare()
    assert other.present([chunks[0].pk]) == set()
    hits = search(other, "sidebar", source)
    assert [(hit.chunk_id, hit.similarity) for hit in hits] == [(chunks[0].pk, None)]


def test_a_damaged_vector_leaves_the_words(source: Source) -> None:
    writer = new_index()
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(writer, EMBEDDER, chunks)
    ChunkVector.objects.update(vector=b"half")
    hits = search(new_index(), "sidebar", source)
    assert [(hit.chunk_id, hit.similarity) for hit in hits] == [(chunks[0].pk, None)]


def test_filling_goes_in_batches(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "BATCH_SIZE", 7)
    _document, chunks = publish(source, "one", [f"Part {n} of the sidebar." for n in range(30)])
    index(new_index(), EMBEDDER, chunks)
    reader = new_index()
    found(reader, "sidebar", source)
    assert reader._replica is not None
    assert reader._replica.shard.info().points_count == 30  # type: ignore[attr-defined]
    _document, more = publish(source, "two", [f"Page {n} of the sidebar." for n in range(30)])
    index(new_index(), EMBEDDER, more)
    found(reader, "sidebar", source)
    assert reader._replica.shard.info().points_count == 60  # type: ignore[attr-defined]


def test_first_searches_side_by_side_fill_one_replica(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = new_index()
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(reader, EMBEDDER, chunks)
    fillings = count_fillings(reader, monkeypatch)
    results: list[set[object]] = []
    threads = [
        threading.Thread(target=lambda: results.append(found(reader, "sidebar", source)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{chunks[0].pk}] * 6
    assert fillings == [1]


def test_a_fork_fills_a_replica_of_its_own(source: Source) -> None:
    reader = new_index()
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(reader, EMBEDDER, chunks)
    found(reader, "sidebar", source)
    before = reader._replica
    reader._owner = os.getpid() + 1  # as if this were the child
    assert found(reader, "sidebar", source) == {chunks[0].pk}
    assert reader._replica is not before


def test_without_the_engine_it_says_so_and_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "documents.index.edge", raising=False)
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    with caplog.at_level(logging.WARNING, "documents"):
        replica = new_replica(EMBEDDER.space, "rrf")
    assert "qdrant-edge-py is not available" in caplog.text
    query = IndexQuery(None, encode_query("sidebar", "en"), Scope(frozenset({1})))
    assert replica.search_now(query, 3) == []


def test_a_database_that_does_not_answer(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise DatabaseError("gone")

    reader = new_index()
    monkeypatch.setattr(reader, "_caught_up", fail)
    with pytest.raises(IndexUnavailable):
        search(reader, "sidebar", source)


def test_a_vector_of_the_wrong_size_is_an_index_error(source: Source) -> None:
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(new_index(), EMBEDDER, chunks)
    query = IndexQuery(
        np.ones(3, np.float32), encode_query("sidebar", "en"), Scope(frozenset({source.corpus_id}))
    )
    with pytest.raises(IndexUnavailable, match="dim"):
        asyncio.run(new_index().search(query, limit=3))


def test_vectors_keep_their_direction_as_half_floats() -> None:
    vector = EMBEDDER.embed_documents(["The sidebar."])[0]
    back = unpacked(packed(vector), 64)
    assert back is not None
    assert back.dtype == np.float32
    assert back @ vector == pytest.approx(1, abs=1e-3)
    assert unpacked(packed(None), 0) is None


def test_the_outbox_is_kept_for_the_other_processes(source: Source) -> None:
    writer = new_index()
    _document, chunks = publish(source, "one", ["The sidebar."])
    writer.upsert(points(EMBEDDER, chunks))
    assert writer.drain() == 0
    assert IndexChange.objects.exists()
