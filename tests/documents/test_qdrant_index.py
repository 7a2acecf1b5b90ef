"""Qdrant's own: collection and alias, the outbox, the shape of requests, every kind of error."""

import asyncio
import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from documents.embedding.base import EmbeddingSpace
from documents.embedding.hashing import HashingEmbedder
from documents.index.base import (
    IndexPoint,
    IndexQuery,
    IndexTrouble,
    IndexUnavailable,
    SpaceMismatch,
)
from documents.index.payload import KEYWORD_FIELDS
from documents.index.qdrant import QdrantIndex
from documents.index.qdrant_errors import vendor_errors, waits_in_seconds
from documents.index.qdrant_requests import EXACT_SCORES, search_requests
from documents.index.qdrant_search import QdrantSearch
from documents.index.sparse import SparseVector, encode_query
from documents.models import Chunk, Document, IndexChange, Source
from documents.scope import Scope
from tests.documents.builders import index, make_source, points, publish
from tests.logs import everything_logged

EMBEDDER = HashingEmbedder()
OTHER = EmbeddingSpace("another", "model", 64)


def in_memory(client: QdrantClient, space: EmbeddingSpace = EMBEDDER.space) -> QdrantIndex:
    return QdrantIndex(client, None, alias="chunks", space=space, fusion="dbsf")


@pytest.fixture
def client() -> QdrantClient:
    return QdrantClient(":memory:")


@pytest.fixture
def source(transactional_db: None) -> Source:
    return make_source()


def query(dense: bool = True, **scope: Any) -> IndexQuery:
    vector = EMBEDDER.embed_documents(["sidebar"])[0] if dense else None
    return IndexQuery(vector, encode_query("sidebar", "en"), Scope(frozenset({7}), **scope))


# Collection and alias


def test_prepare_makes_a_collection_of_the_space_behind_the_alias(client: QdrantClient) -> None:
    made = in_memory(client)
    made.prepare()
    made.prepare()
    assert made.active_collection() == made.collection
    assert made.collection.startswith("chunks__")
    metadata = client.get_collection(made.collection).config.metadata
    assert metadata == {"space": str(EMBEDDER.space)}


def test_an_alias_on_another_space_is_refused_with_a_remedy(client: QdrantClient) -> None:
    in_memory(client, OTHER).prepare()
    with pytest.raises(SpaceMismatch, match=r"another/model/64/c1.*manage.py reindex"):
        in_memory(client).prepare()


def test_a_second_space_is_built_beside_and_activated(client: QdrantClient) -> None:
    old, new = in_memory(client, OTHER), in_memory(client)
    old.prepare()
    new.build()
    assert new.active_collection() == old.collection
    new.activate()
    assert new.active_collection() == new.collection
    new.prepare()


def test_a_collection_that_has_the_name_of_the_alias(client: QdrantClient) -> None:
    client.create_collection("chunks", vectors_config={})
    with pytest.raises(SpaceMismatch, match="QDRANT_COLLECTION"):
        in_memory(client).prepare()


def test_a_collection_without_our_stamp(client: QdrantClient) -> None:
    made = in_memory(client)
    client.create_collection(made.collection, vectors_config={})
    with pytest.raises(SpaceMismatch, match="unknown"):
        made.prepare()


# The outbox


def test_drain_empties_the_outbox_and_counts(source: Source, client: QdrantClient) -> None:
    made = in_memory(client)
    made.prepare()
    _document, chunks = publish(source, "one", [f"Part {n}." for n in range(150)])
    made.upsert(points(EMBEDDER, chunks))
    assert made.drain() == 300  # by whoever published the rows, and by whoever stored the points
    assert made.drain() == 0
    assert not IndexChange.objects.exists()


def test_a_failure_leaves_the_outbox_for_the_next_time(
    source: Source, client: QdrantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = in_memory(client)
    made.prepare()
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(made, EMBEDDER, chunks)
    Document.objects.all().set_status(Document.Status.WITHDRAWN)

    def fail(*args: object, **kwargs: object) -> None:
        raise ResponseHandlingException(httpx.ConnectError("refused"))

    with monkeypatch.context() as patch:
        patch.setattr(client, "batch_update_points", fail)
        with pytest.raises(IndexUnavailable):
            made.drain()
    assert IndexChange.objects.count() == 1
    assert made.drain() == 1
    assert payload(client, made, chunks[0])["live"] is False


def test_a_point_is_live_only_once_a_drainer_has_read_its_row(
    source: Source, client: QdrantClient
) -> None:
    made = in_memory(client)
    made.prepare()
    _document, chunks = publish(source, "one", ["The sidebar."])
    made.upsert(points(EMBEDDER, chunks))
    assert payload(client, made, chunks[0])["live"] is False
    newest = IndexChange.objects.last()
    made.drain()
    stored = payload(client, made, chunks[0])
    assert newest is not None
    assert (stored["live"], stored["change"]) == (True, newest.pk)


def test_points_brought_again_do_not_undo_what_was_settled(
    source: Source, client: QdrantClient
) -> None:
    made = in_memory(client)
    made.prepare()
    _document, chunks = publish(source, "one", ["The sidebar."])
    index(made, EMBEDDER, chunks)
    settled = payload(client, made, chunks[0])
    made.upsert(points(EMBEDDER, chunks))
    assert payload(client, made, chunks[0]) == settled


def test_a_row_whose_point_is_missing_makes_its_document_unverified(
    source: Source, client: QdrantClient
) -> None:
    made = in_memory(client)
    made.prepare()
    document, chunks = publish(source, "one", ["The sidebar."])
    other, _chunks = publish(source, "two", ["The sidebar."])
    for verified in (document, other):
        verified.mark_indexed(str(EMBEDDER.space))
    other.mark_indexed(str(OTHER))
    made.drain()
    assert made.present([chunks[0].pk]) == set()
    document.refresh_from_db()
    other.refresh_from_db()
    assert document.space == ""
    assert other.space == str(OTHER)  # it is not this collection that it was verified in


def test_a_change_reaches_every_collection_of_the_family(
    source: Source, client: QdrantClient
) -> None:
    one, two = in_memory(client), in_memory(client, OTHER)
    one.prepare()
    client.create_collection("chunksandmore", vectors_config={})
    _document, chunks = publish(source, "one", ["The sidebar.", "The lamp."])
    index(one, EMBEDDER, chunks)
    two.build()
    index(two, EMBEDDER, chunks)
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    one.drain()
    assert [payload(client, made, chunks[0])["live"] for made in (one, two)] == [False, False]
    chunks[0].document.delete()
    two.drain()
    assert (one.count(), two.count()) == (0, 0)
    assert one.spare() == {two.collection: 0}


def test_a_point_without_one_of_its_vectors_is_damaged(
    source: Source, client: QdrantClient
) -> None:
    made = in_memory(client)
    made.prepare()
    _document, chunks = publish(source, "one", ["The sidebar.", "The lamp."])
    index(made, EMBEDDER, chunks)
    client.delete_vectors(made.collection, ["dense"], [str(chunks[0].pk)])
    damages = {point.chunk_id: point.damage for point in made.scroll(UUID(int=0), 10)}
    assert damages == {chunks[0].pk: "a vector is missing", chunks[1].pk: ""}


def payload(client: QdrantClient, made: QdrantIndex, chunk: Chunk) -> dict[str, Any]:
    (record,) = client.retrieve(made.collection, [str(chunk.pk)])
    assert record.payload is not None
    return record.payload


# What is asked


def test_corpus_and_live_are_conditions_inside_both_prefetches() -> None:
    hybrid, dense = search_requests(query(languages=frozenset({"en"})), "rrf", 20, params=None)
    assert len(hybrid["prefetch"]) == 2
    for part in (*hybrid["prefetch"], dense):
        assert part["filter"]["must"] == [
            {"key": "live", "match": {"value": True}},
            {"key": "corpus", "match": {"any": ["7"]}},
            {"key": "language", "match": {"any": ["en"]}},
        ]
    assert hybrid["query"] == {"rrf": {"k": 60}}


def test_every_field_that_is_filtered_has_an_index() -> None:
    narrowed = {name: frozenset({"x"}) for name in Scope.__dataclass_fields__ if name != "corpora"}
    (asked,) = search_requests(query(dense=False, **narrowed), "rrf", 5, params=None)
    assert {c["key"] for c in asked["filter"]["must"]} <= {*KEYWORD_FIELDS, "live"}
    assert len(asked["filter"]["must"]) == 2 + len(narrowed)


def test_qdrants_own_client_would_send_the_same() -> None:
    for asked in search_requests(query(), "rrf", 20, params=EXACT_SCORES):
        sent = models.QueryRequest(**asked).model_dump(exclude_unset=True, by_alias=True)
        assert sent == asked


# Over the wire


class Wire:
    """A Qdrant that gives one answer to everything and remembers what it was asked."""

    def __init__(self, respond: Any):
        self.asked: list[tuple[str, str, Any]] = []
        self.respond = respond
        transport = httpx.MockTransport(self.answer)
        with pytest.warns(UserWarning, match="insecure"):
            client = QdrantClient(
                url="http://127.0.0.1:6333", api_key="secret-key", check_compatibility=False,
                transport=transport, event_hooks={"response": [waits_in_seconds]},
            )  # fmt: skip
        searches = QdrantSearch(
            lambda: httpx.AsyncClient(transport=transport), "http://127.0.0.1:6333", "secret-key",
            deadline=5,
        )  # fmt: skip
        self.index = QdrantIndex(
            client, searches, alias="chunks", space=EMBEDDER.space, fusion="dbsf"
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        reply = self.respond(request) if callable(self.respond) else self.respond
        if isinstance(reply, Exception):
            raise reply
        # A response can be read by one client only.
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


def ok(result: Any) -> httpx.Response:
    return httpx.Response(200, json={"result": result, "status": "ok", "time": 0.001})


def test_a_search_is_one_round_trip() -> None:
    chunk_id = str(uuid4())
    point = {"id": chunk_id, "version": 1, "score": 0.5}
    wire = Wire(ok([{"points": [point]}, {"points": [{**point, "score": 0.9}]}]))
    (hit,) = asyncio.run(wire.index.search(query(), limit=10))
    assert (str(hit.chunk_id), hit.score, hit.similarity) == (chunk_id, 0.5, 0.9)
    ((method, path, body),) = wire.asked
    assert (method, path) == ("POST", f"/collections/{wire.index.collection}/points/query/batch")
    assert body["searches"][0]["query"] == {"fusion": "dbsf"}


def test_the_collection_is_made_for_strict_mode_with_an_index_for_every_field() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/aliases":
            return ok({"aliases": []})
        if request.url.path == "/collections":
            return ok({"collections": []})
        if request.method == "GET":
            space = {"space": str(EMBEDDER.space)}
            return httpx.Response(200, json={"result": collection_info(space), "status": "ok"})
        if request.url.path.endswith("/index"):
            return ok({"operation_id": 1, "status": "completed"})
        return ok(True)

    wire = Wire(respond)
    wire.index.prepare()
    puts = [(path, body) for method, path, body in wire.asked if method == "PUT"]
    _path, collection = puts[0]
    assert collection["strict_mode_config"]["enabled"] is True
    assert collection["sparse_vectors"]["bm25"]["modifier"] == "idf"
    indexed = [body["field_name"] for path, body in puts if path.endswith("/index")]
    assert indexed == [*KEYWORD_FIELDS, "live", "change"]
    assert wire.asked[-1][1] == "/collections/aliases"
    # In memory: what every search walks through, as the plan of a run counts it.
    dense, hnsw = collection["vectors"]["dense"], collection["hnsw_config"]
    int8 = dense["quantization_config"]["scalar"]
    assert (int8["type"], int8["always_ram"], hnsw) == ("int8", True, {"m": 16, "on_disk": False})
    assert dense["on_disk"] and collection["on_disk_payload"]
    assert collection["sparse_vectors"]["bm25"]["index"] == {"on_disk": True}
    keywords = [b["field_schema"] for _p, b in puts[1:] if b["field_name"] in KEYWORD_FIELDS]
    assert all(schema["on_disk"] for schema in keywords)


def test_a_field_without_an_index_is_a_fault() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/aliases":
            return ok({"aliases": []})
        if request.url.path == "/collections":
            return ok({"collections": [{"name": wire.index.collection}]})
        keyword = {"data_type": "keyword", "points": 0}
        schema = dict.fromkeys((*KEYWORD_FIELDS, "live"), keyword)
        return ok({**collection_info({}), "payload_schema": schema})

    wire = Wire(respond)
    assert wire.index.faults() == [
        "the field 'change' has no payload index", "the alias 'chunks' is missing",
    ]  # fmt: skip


def test_every_write_is_conditional_and_its_condition_has_an_index() -> None:
    done = {"operation_id": 1, "status": "completed"}
    wire = Wire(lambda request: ok([done] if request.url.path.endswith("/batch") else done))
    chunk_id = uuid4()
    wire.index.own.delete_unless_newer([chunk_id], 7)
    *indexes, (_method, path, body) = wire.asked
    assert [body["field_name"] for _method, _path, body in indexes][-1] == "change"
    assert path.endswith("/points/delete")
    assert body["filter"] == {
        "must": [{"has_id": [str(chunk_id)]}],
        "must_not": [{"key": "change", "range": {"gt": 7}}],
    }
    wire.index.own.set_unless_newer({chunk_id: {"live": True}}, 8)
    operation = wire.asked[-1][2]["operations"][0]["overwrite_payload"]
    assert operation["payload"] == {"live": True, "change": 8}
    assert operation["filter"]["must_not"] == [{"key": "change", "range": {"gt": 8}}]
    wire.index.own.upsert([IndexPoint(chunk_id, None, SparseVector((), ()), {})])
    body = wire.asked[-1][2]
    assert body["update_filter"] == {"must_not": [{"key": "change", "range": {"gt": 0}}]}


def collection_info(metadata: dict[str, str]) -> dict[str, Any]:
    return {
        "status": "green", "optimizer_status": "ok", "segments_count": 1, "payload_schema": {},
        "config": {
            "params": {"vectors": {}}, "hnsw_config": {
                "m": 16, "ef_construct": 100, "full_scan_threshold": 10000,
            },
            "optimizer_config": {
                "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000,
                "default_segment_number": 0, "flush_interval_sec": 5,
            },
            "metadata": metadata,
        },
    }  # fmt: skip


def said(status: int, text: str, **headers: str) -> httpx.Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"status": {"error": text}, "time": 0}, headers=told)


def in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


LIMIT = "Rate limiting exceeded"
# What Qdrant answers, what we say of it, what kind of trouble it is, when to come again.
FAILURES: list[tuple[httpx.Response | Exception, str, str, float | None]] = [
    (httpx.Response(401, text="Invalid API key or JWT"), "QDRANT_API_KEY", "key_refused", None),
    (httpx.Response(403, text="forbidden"), "QDRANT_API_KEY", "key_refused", None),
    (said(404, "Not found"), "does not exist", "missing", None),
    (said(400, "Bad request: Index required"), "Index required", "bad_request", None),
    (said(408, "Timeout: Operation timed out"), "408", "timeout", None),
    (said(413, "Payload too large"), "413", "bad_request", None),
    (said(429, LIMIT), "429", "rate_limited", None),
    (said(429, LIMIT, retry_after="3"), "wait 3 s", "rate_limited", 3),
    (said(429, LIMIT, retry_after=in_an_hour()), "wait", "rate_limited", 3600),
    (said(429, LIMIT, retry_after="soon"), "429", "rate_limited", None),
    (said(500, "Service internal error"), "internal", "unavailable", None),
    (httpx.Response(503, html="<h1>suspended</h1>"), "503", "unavailable", None),
    (said(503, "shard", retry_after="7"), "503", "unavailable", 7),
    (said(507, "Disk quota"), "full", "full", None),
    (httpx.Response(200, html="<h1>proxy</h1>"), "could not be read", "broken_reply", None),
    (httpx.Response(200, content=b'{"result": [{"poi'), "could not be", "broken_reply", None),
    (httpx.Response(200, json={"result": None}), "could not be read", "broken_reply", None),
    (httpx.Response(200, json={"result": "surprise"}), "could not be", "broken_reply", None),
    (httpx.Response(200, json=["surprise"]), "could not be read", "broken_reply", None),
    (httpx.ReadTimeout("slow"), "ReadTimeout", "timeout", None),
    (httpx.ConnectTimeout("slow"), "ConnectTimeout", "timeout", None),
    (httpx.ConnectError("refused"), "ConnectError", "unavailable", None),
    (httpx.RemoteProtocolError("cut"), "RemoteProtocolError", "unavailable", None),
    (httpx.DecodingError("no gzip"), "could not be read", "broken_reply", None),
]
failures = pytest.mark.parametrize(("reply", "message", "code", "wait"), FAILURES)


def calls_to(index: QdrantIndex) -> list[Callable[[], object]]:
    return [
        lambda: asyncio.run(index.search(query(), limit=3)),
        lambda: index.present([uuid4()]),
        lambda: index.delete([uuid4()]),
        index.prepare,
    ]


@failures
def test_every_failure_is_index_unavailable(
    reply: httpx.Response | Exception, message: str, code: str, wait: float | None
) -> None:
    for call in calls_to(Wire(reply).index):
        with pytest.raises(IndexUnavailable, match=message) as raised:
            call()
        assert raised.value.code == code
        assert raised.value.retry_after == (wait and pytest.approx(wait, rel=0.2))


@failures
def test_the_key_is_in_no_log_and_no_error(
    reply: httpx.Response | Exception,
    message: str,
    code: str,
    wait: float | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with everything_logged(caplog):
        for call in calls_to(Wire(reply).index):
            with pytest.raises(IndexUnavailable) as raised:
                call()
            shown = "".join(traceback.format_exception(raised.value))
            assert "secret-key" not in shown + repr(raised.value) + repr(raised.value.__cause__)
    assert "secret-key" not in caplog.text


def test_what_passes_by_itself_may_be_tried_again_and_nothing_else() -> None:
    tried = {code for code in get_args(IndexTrouble) if IndexUnavailable("", code=code).retryable}
    assert tried == {"unavailable", "timeout", "rate_limited", "broken_reply"}


@pytest.mark.parametrize(
    "answers",
    [
        [{"points": [{"id": str(uuid4())}]}, {"points": []}],
        [{"points": [{"id": "no id of ours", "score": 1}]}, {"points": []}],
        [{"points": [{"id": str(uuid4()), "score": "high"}]}, {"points": []}],
        [{"points": None}, {"points": []}],
        [{"points": []}],
        ["points", "points"],
    ],
)
def test_hits_that_are_none_are_an_answer_that_cannot_be_read(answers: Any) -> None:
    with pytest.raises(IndexUnavailable, match="could not be read"):
        asyncio.run(Wire(ok(answers)).index.search(query(), limit=3))


def test_a_bug_of_our_own_is_not_taken_for_the_vendors() -> None:
    with pytest.raises(TypeError), vendor_errors():
        np.zeros("three")  # type: ignore[call-overload]
