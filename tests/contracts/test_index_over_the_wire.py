"""QdrantIndex and the real qdrant-client over real sockets, against a Qdrant that can fail.

First all of the index contract that takes an index, then what only a server does to us.
"""

import asyncio
import inspect
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from documents.embedding.base import NO_DENSE_VECTORS, EmbeddingSpace
from documents.index.base import IndexQuery, IndexUnavailable, SpaceMismatch
from documents.index.qdrant import QdrantIndex
from documents.index.sparse import encode_query
from documents.models import Chunk, Document, IndexChange, Source
from documents.scope import Scope
from tests.contracts import test_indexes as contract
from tests.contracts.test_indexes import EMBEDDER, TEXTS, Search, ids
from tests.documents.builders import index, points, publish
from tests.standins.qdrant import QdrantStandIn
from tests.standins.qdrant_process import QdrantProcess

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]
Server = QdrantStandIn | QdrantProcess


def connected(server: Server, **options: Any) -> QdrantIndex:
    given = {
        "url": server.url, "api_key": server.api_key, "timeout": 5, "alias": "chunks",
        "space": EMBEDDER.space, "fusion": "dbsf", **options,
    }  # fmt: skip
    return QdrantIndex.connect(**given)


@pytest.fixture
def any_index(qdrant_standin: QdrantStandIn) -> QdrantIndex:
    made = connected(qdrant_standin)
    made.prepare()
    return made


def takes_an_index(test: Any) -> bool:
    return bool({"any_index", "search", "chunks"} & set(inspect.signature(test).parameters))


FIXTURES = ("chunks", "search", "source")
globals().update(
    {
        name: thing
        for name, thing in vars(contract).items()
        if name in FIXTURES or (name.startswith("test_") and takes_an_index(thing))
    }
)


@pytest.mark.parametrize("fusion", ["rrf", "dbsf"])
@pytest.mark.parametrize("space", [EMBEDDER.space, NO_DENSE_VECTORS], ids=["hybrid", "words"])
def test_fusions_and_spaces(
    qdrant_standin: QdrantStandIn, source: Source, fusion: str, space: EmbeddingSpace
) -> None:
    made = connected(qdrant_standin, fusion=fusion, space=space)
    made.prepare()
    embedder = EMBEDDER if space.dimension else None
    _document, stored = publish(source, "guide", TEXTS)
    index(made, embedder, stored)
    assert found(made, source, dense=embedder is not None)[0] == stored[1].pk


def found(
    made: QdrantIndex, source: Source, text: str = "sidebar", dense: bool = True
) -> list[Any]:
    vector = EMBEDDER.embed_documents([text])[0] if dense else None
    query = IndexQuery(vector, encode_query(text, "en"), Scope(frozenset({source.corpus_id})))
    return ids(asyncio.run(made.search(query, limit=3)))


# --- The collection, as a server sees it ---------------------------------------------------------


def test_the_collection_is_strict_and_every_field_has_its_index(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn
) -> None:
    info = any_index.client.get_collection("chunks")
    assert info.config.strict_mode_config.enabled
    assert info.config.metadata["space"] == str(EMBEDDER.space)
    assert {"corpus", "live", "source", "sections"} <= set(info.payload_schema)
    assert info.payload_schema["corpus"].params.is_tenant
    other = models.FieldCondition(key="title", match=models.MatchValue(value="x"))
    with pytest.raises(UnexpectedResponse, match="Index required but not found"):
        any_index.client.count(any_index.collection, models.Filter(must=[other]))


def test_preparing_again_in_another_process_changes_nothing(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, chunks: list[Chunk]
) -> None:
    connected(qdrant_standin).prepare()
    assert any_index.present([chunk.pk for chunk in chunks]) == {chunk.pk for chunk in chunks}


def test_another_space_behind_the_alias_is_refused(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn
) -> None:
    other = connected(qdrant_standin, space=EmbeddingSpace("another", "model", 64))
    for attempt in (other.prepare, other.open):
        with pytest.raises(SpaceMismatch):
            attempt()


# --- Failures ------------------------------------------------------------------------------------


def test_a_wrong_key_says_which_setting(qdrant_standin: QdrantStandIn, source: Source) -> None:
    for key in ("wrong", ""):
        made = connected(qdrant_standin, api_key=key)
        with pytest.raises(IndexUnavailable, match="QDRANT_API_KEY"):
            made.prepare()
        with pytest.raises(IndexUnavailable, match="QDRANT_API_KEY"):
            made.open()
        with pytest.raises(IndexUnavailable, match="QDRANT_API_KEY"):
            found(made, source)


def test_a_search_before_anything_was_ingested(
    qdrant_standin: QdrantStandIn, source: Source
) -> None:
    with pytest.raises(IndexUnavailable, match="Ingest something first"):
        found(connected(qdrant_standin), source)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "status": ({"status": 503}, "503"),
    "html": ({}, "503"),
    "stall": ({}, "ReadTimeout"),
    "reset": ({}, "did not answer"),
    "close": ({}, "did not answer"),
    "hang": ({}, "ReadTimeout"),
    "lose": ({}, "did not answer"),
    "truncate": ({}, "did not answer"),
    "empty": ({}, "could not be read"),
    "null": ({}, "could not be read"),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items(), ids=FAULTS.keys())
def test_however_it_fails_the_index_is_unavailable(
    any_index: QdrantIndex,
    qdrant_standin: QdrantStandIn,
    source: Source,
    chunks: list[Chunk],
    fault: str,
    expected: tuple[dict[str, Any], str],
) -> None:
    details, message = expected
    hasty = connected(qdrant_standin, timeout=1)
    qdrant_standin.faults.add(fault, "query_batch", times=1, **details)
    qdrant_standin.faults.add(fault, "upsert", times=1, **details)
    with pytest.raises(IndexUnavailable, match=message) as unavailable:
        found(hasty, source)
    assert qdrant_standin.api_key not in str(unavailable.value)
    with pytest.raises(IndexUnavailable, match=message):
        hasty.upsert(points(EMBEDDER, chunks))
    assert found(hasty, source)[0] == chunks[1].pk


def test_a_rate_limit_is_passed_on(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source
) -> None:
    qdrant_standin.faults.add("status", "query_batch", status=429, retry_after="7")
    with pytest.raises(IndexUnavailable, match="wait 7 s"):
        found(any_index, source)


def test_an_upsert_whose_answer_was_lost_can_be_repeated(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source
) -> None:
    _document, many = publish(source, "long", [f"Setting number {n}" for n in range(230)])
    qdrant_standin.faults.add("lose", "upsert", every=2, times=3)
    attempts = repeated(lambda: any_index.upsert(points(EMBEDDER, many)))
    assert attempts > 1
    any_index.drain()
    assert any_index.client.count(any_index.collection).count == len(many)
    assert len(found(any_index, source, "setting number 7")) == 3


def test_a_drain_whose_answers_are_lost_comes_to_the_same_end(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, search: Search, chunks: list[Chunk]
) -> None:
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    qdrant_standin.faults.add("lose", "batch", times=2)
    with pytest.raises(IndexUnavailable):
        any_index.drain()
    assert IndexChange.objects.count() == len(chunks), "the outbox waits"
    repeated(any_index.drain)
    assert (search(TEXTS[0]), IndexChange.objects.count()) == ([], 0)


def test_a_delete_whose_answer_was_lost_can_be_repeated(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, chunks: list[Chunk]
) -> None:
    qdrant_standin.faults.add("lose", "delete", times=1)
    gone = [chunks[0].pk, uuid4()]
    assert repeated(lambda: any_index.delete(gone)) == 2
    assert any_index.present([chunk.pk for chunk in chunks]) == {c.pk for c in chunks[1:]}


def test_a_write_that_arrives_late_undoes_nothing(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, search: Search, chunks: list[Chunk]
) -> None:
    hasty = connected(qdrant_standin, timeout=1)
    qdrant_standin.faults.add("delay", "batch", times=1, seconds=2)
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    with pytest.raises(IndexUnavailable, match="ReadTimeout"):
        hasty.drain()
    Document.objects.all().set_status(Document.Status.PUBLISHED)
    any_index.drain()
    assert len(search(TEXTS[0])) == len(chunks)
    time.sleep(1.5)  # by now the server has carried out what it was told first
    assert len(search(TEXTS[0])) == len(chunks)


def repeated(work: Any) -> int:
    """How often it had to be tried."""
    for attempt in range(1, 10):
        try:
            work()
        except IndexUnavailable:
            continue
        return attempt
    raise AssertionError("it never succeeded")


# --- The server dies -----------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantProcess]:
    with QdrantProcess(tmp_path) as process:
        yield process


def test_a_killed_server_comes_back_with_what_it_acknowledged(
    server: QdrantProcess, source: Source
) -> None:
    made = connected(server)
    made.prepare()
    _document, stored = publish(source, "guide", TEXTS)
    index(made, EMBEDDER, stored)
    server.kill()
    for call in (
        lambda: found(made, source),
        lambda: made.upsert(points(EMBEDDER, stored)),
        made.open,
    ):
        with pytest.raises(IndexUnavailable, match="ConnectError"):
            call()
    server.start()
    assert made.active_collection() == made.collection
    assert found(made, source)[0] == stored[1].pk
    made.prepare()
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    made.drain()
    assert found(made, source) == []
