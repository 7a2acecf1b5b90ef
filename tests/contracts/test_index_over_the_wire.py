"""QdrantIndex and the real qdrant-client over real sockets, against a Qdrant that can fail.

First all of the index contract that takes an index, then what only a server does to us.
"""

import asyncio
import inspect
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.cache.backends.locmem import LocMemCache
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from documents.embedding.base import NO_DENSE_VECTORS, EmbeddingSpace
from documents.index import qdrant_patience
from documents.index.base import IndexQuery, IndexUnavailable, SpaceMismatch
from documents.index.qdrant import QdrantIndex
from documents.index.sparse import encode_query
from documents.models import Chunk, Document, IndexChange, Source
from documents.scope import Scope
from documents.upstream.breaker import Breaker
from documents.upstream.moments import Moments
from tests.contracts import test_indexes as contract
from tests.contracts.test_indexes import EMBEDDER, TEXTS, Search, ids
from tests.documents.builders import index, points, publish
from tests.logs import everything_logged
from tests.standins import FaultProxy, eventually, json_reply
from tests.standins.qdrant import QdrantStandIn
from tests.standins.qdrant_process import QdrantProcess

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]
Server = QdrantStandIn | QdrantProcess


def connected(server: Server, **options: Any) -> QdrantIndex:
    given = {
        "url": server.url, "api_key": server.api_key, "timeout": 5, "deadline": 5,
        "alias": "chunks", "space": EMBEDDER.space, "fusion": "dbsf", **options,
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
    "status": ({"status": 503}, "unavailable"),
    "html": ({}, "unavailable"),
    "stall": ({}, "timeout"),
    "reset": ({}, "unavailable"),
    "close": ({}, "unavailable"),
    "hang": ({}, "timeout"),
    "lose": ({}, "unavailable"),
    "truncate": ({}, "unavailable"),
    "empty": ({}, "broken_reply"),
    "null": ({}, "broken_reply"),
}
# A search is sent once more when its connection is gone.
TWICE = ("reset", "close", "lose")


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items(), ids=FAULTS.keys())
def test_however_it_fails_the_index_is_unavailable(
    any_index: QdrantIndex,
    qdrant_standin: QdrantStandIn,
    source: Source,
    chunks: list[Chunk],
    fault: str,
    expected: tuple[dict[str, Any], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    details, code = expected
    hasty = connected(qdrant_standin, timeout=1, deadline=0.5)
    times = 2 if fault in TWICE else 1
    qdrant_standin.faults.add(fault, "query_batch", times=times, **details)
    qdrant_standin.faults.add(fault, "upsert", times=1, **details)
    with everything_logged(caplog):
        with pytest.raises(IndexUnavailable) as unavailable:
            found(hasty, source)
        assert unavailable.value.code == code
        with pytest.raises(IndexUnavailable) as unavailable:
            hasty.upsert(points(EMBEDDER, chunks))
        assert unavailable.value.code == code
        assert found(connected(qdrant_standin), source)[0] == chunks[1].pk
    assert qdrant_standin.api_key not in caplog.text + str(unavailable.value)
    assert "/points/query/batch" in caplog.text  # everything was logged


def test_a_connection_that_was_closed_meanwhile_costs_a_search_nothing(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source, chunks: list[Chunk]
) -> None:
    qdrant_standin.faults.add("close", "query_batch", times=1)
    assert found(any_index, source)[0] == chunks[1].pk
    assert qdrant_standin.faults.report()["operations"]["query_batch"] == 2


def test_a_kept_connection_is_used_again_and_replaced_when_the_server_has_closed_it(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source, chunks: list[Chunk]
) -> None:
    vector = EMBEDDER.embed_documents(["sidebar"])[0]
    query = IndexQuery(vector, encode_query("x", "en"), Scope(frozenset({source.corpus_id})))

    async def searches() -> list[Any]:
        host, port = qdrant_standin.url.removeprefix("http://").split(":")
        with FaultProxy(host, int(port)) as proxy:
            made = connected(qdrant_standin, url=proxy.url)
            for _ in range(3):
                hits = await made.search(query, limit=3)
            assert proxy.accepted == 1
            proxy.cut_all()
            assert await made.search(query, limit=3) == hits
            assert proxy.accepted == 2
            for _ in range(2):  # the other calls have connections of their own, and the same luck
                assert await asyncio.to_thread(made.own.count) == len(chunks)
            assert proxy.accepted == 3
            proxy.cut_all()
            assert await asyncio.to_thread(made.own.count) == len(chunks)
            return hits

    assert len(asyncio.run(searches())) == len(chunks)


def test_a_search_is_given_up_at_its_deadline_and_its_connection_closed(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source, chunks: list[Chunk]
) -> None:
    hasty = connected(qdrant_standin, deadline=0.3)
    qdrant_standin.faults.add("late", "query_batch", seconds=20)
    began = time.monotonic()
    with pytest.raises(IndexUnavailable, match=r"within 0\.3 s") as late:
        found(hasty, source)
    assert late.value.code == "timeout"
    assert time.monotonic() - began < 3
    (request,) = [r for r in qdrant_standin.requests if r.path.endswith("/query/batch")]
    asyncio.run(eventually(lambda: request.disconnected_at))


def test_a_qdrant_that_keeps_failing_is_left_alone(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source, chunks: list[Chunk]
) -> None:
    now = [1000.0]
    moments = Moments(LocMemCache("qdrant", {}), "breaker:", remote=False, now=lambda: now[0])
    breaker = Breaker("qdrant", moments, now=lambda: now[0])
    made = connected(qdrant_standin, breaker=breaker)
    qdrant_standin.faults.add("status", "query_batch", status=503, times=5)
    for _ in range(5):
        with pytest.raises(IndexUnavailable, match="503"):
            found(made, source)
    with pytest.raises(IndexUnavailable, match="left alone") as resting:
        found(made, source)
    assert resting.value.retry_after == pytest.approx(10)
    assert qdrant_standin.faults.report()["operations"]["query_batch"] == 5
    now[0] += 11
    assert found(made, source)[0] == chunks[1].pk
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    ("details", "state"),
    [
        ({"status": 429, "retry_after": "30"}, "open"),
        ({"status": 400}, "closed"),
        ({"status": 503}, "closed"),  # not five times yet
    ],
)
def test_what_a_search_learns_of_qdrant(
    any_index: QdrantIndex,
    qdrant_standin: QdrantStandIn,
    source: Source,
    details: dict[str, Any],
    state: str,
) -> None:
    breaker = Breaker("qdrant", Moments(LocMemCache("one", {}), str(uuid4()), remote=False))
    made = connected(qdrant_standin, breaker=breaker)
    qdrant_standin.faults.add("status", "query_batch", times=1, **details)
    with pytest.raises(IndexUnavailable):
        found(made, source)
    assert breaker.state == state


def test_a_search_whose_reader_leaves_is_no_trial(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source, chunks: list[Chunk]
) -> None:
    now = [1000.0]
    moments = Moments(LocMemCache("left", {}), "breaker:", remote=False, now=lambda: now[0])
    breaker = Breaker("qdrant", moments, now=lambda: now[0])
    breaker.failed(rest=10)
    now[0] += 11
    made = connected(qdrant_standin, breaker=breaker)
    qdrant_standin.faults.add("stall", "query_batch", times=1)
    query = IndexQuery(None, encode_query("sidebar", "en"), Scope(frozenset({source.corpus_id})))

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await made.search(query, limit=3)

    asyncio.run(leave())
    assert found(made, source)[0] == chunks[1].pk  # the next one tries
    assert breaker.state == "closed"


def test_a_write_that_may_be_repeated_is(
    any_index: QdrantIndex,
    qdrant_standin: QdrantStandIn,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(qdrant_patience, "LONGEST_WAIT", 0.05)
    patient = connected(qdrant_standin, patience=10)
    _document, many = publish(source, "long", [f"Setting number {n}" for n in range(230)])
    for operation in ("upsert", "delete", "batch", "retrieve", "list_collections"):
        qdrant_standin.faults.add("lose", operation, times=1)
    qdrant_standin.faults.add("status", "scroll", times=1, status=503)
    patient.upsert(points(EMBEDDER, many))
    patient.drain()
    assert len(patient.scroll(UUID(int=0), 300)) == patient.count() == len(many)


def test_nothing_is_repeated_before_qdrant_said_it_may(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, chunks: list[Chunk]
) -> None:
    patient = connected(qdrant_standin, patience=10)
    qdrant_standin.faults.add("status", "upsert", times=1, status=429, retry_after="1")
    patient.upsert(points(EMBEDDER, chunks))
    first, second = [
        request.arrived_at
        for request in qdrant_standin.requests_to(f"/collections/{any_index.collection}/points")
        if request.method == "PUT"
    ][-2:]
    assert second - first >= 1


@pytest.mark.parametrize(
    ("details", "attempts"),
    [
        ({"status": 429, "retry_after": "60"}, 1),  # longer than we have
        ({"status": 400}, 1), ({"status": 401}, 1), ({"status": 403}, 1), ({"status": 507}, 1),
        ({"status": 503}, 4),
    ],
)  # fmt: skip
def test_patience_has_its_limits(
    any_index: QdrantIndex,
    qdrant_standin: QdrantStandIn,
    chunks: list[Chunk],
    details: dict[str, Any],
    attempts: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(qdrant_patience, "LONGEST_WAIT", 0.05)
    patient = connected(qdrant_standin, patience=10)
    before = qdrant_standin.faults.report()["operations"].get("upsert", 0)
    qdrant_standin.faults.add("status", "upsert", **details)
    with pytest.raises(IndexUnavailable):
        patient.upsert(points(EMBEDDER, chunks))
    assert qdrant_standin.faults.report()["operations"]["upsert"] - before == attempts


@pytest.mark.parametrize("status", ["acknowledged", "wait_timeout"])
def test_what_is_only_accepted_counts_neither_as_failed_nor_as_there(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source, status: str
) -> None:
    accepted = {"operation_id": 1, "status": status}
    path = f"/collections/{any_index.collection}/points"
    _document, stored = publish(source, "guide", TEXTS)
    qdrant_standin.script(path, json_reply({"result": accepted, "status": "ok", "time": 0}))
    any_index.upsert(points(EMBEDDER, stored))
    assert any_index.present([chunk.pk for chunk in stored]) == set()


def test_a_rate_limit_is_passed_on(
    any_index: QdrantIndex, qdrant_standin: QdrantStandIn, source: Source
) -> None:
    qdrant_standin.faults.add("status", "query_batch", status=429, retry_after="7")
    with pytest.raises(IndexUnavailable, match="wait 7 s") as limited:
        found(any_index, source)
    assert limited.value.retry_after == 7


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
