"""Qdrant's own: collection and alias, the outbox, the shape of requests, every kind of error."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException

from documents.embedding.base import EmbeddingSpace
from documents.embedding.hashing import HashingEmbedder
from documents.index.base import IndexQuery, IndexUnavailable, SpaceMismatch
from documents.index.payload import KEYWORD_FIELDS
from documents.index.qdrant import QdrantIndex
from documents.index.qdrant_requests import search_requests, vendor_errors
from documents.index.sparse import encode_query
from documents.models import Document, IndexChange, Source
from documents.scope import Scope
from tests.documents.builders import index, make_source, points, publish

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
    with pytest.raises(SpaceMismatch, match=r"another/model/64/c1.*QDRANT_COLLECTION"):
        in_memory(client).prepare()


def test_a_second_space_is_built_beside_and_activated(client: QdrantClient) -> None:
    old, new = in_memory(client, OTHER), in_memory(client)
    old.prepare()
    new.create_collection()
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
    assert made.drain() == 150
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


def test_a_change_made_while_draining_is_not_overwritten(
    source: Source, client: QdrantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = in_memory(client)
    made.prepare()
    _document, chunks = publish(source, "one", ["The sidebar."])
    made.upsert(points(EMBEDDER, chunks))
    write, calls = made._set_payloads, []

    def withdrawn_meanwhile(payloads: Any) -> None:
        if not calls:
            Document.objects.update(status=Document.Status.WITHDRAWN)
        calls.append(payloads)
        write(payloads)

    monkeypatch.setattr(made, "_set_payloads", withdrawn_meanwhile)
    made.drain()
    (record,) = client.retrieve(made.collection, [str(chunks[0].pk)])
    assert record.payload is not None
    assert record.payload["live"] is False


def test_a_row_whose_point_is_missing_is_left_to_reconcile(
    source: Source, client: QdrantClient
) -> None:
    made = in_memory(client)
    made.prepare()
    _document, chunks = publish(source, "one", ["The sidebar."])
    assert made.drain() == 1
    assert made.present([chunks[0].pk]) == set()


# What is asked


def test_corpus_and_live_are_conditions_inside_both_prefetches() -> None:
    hybrid, dense = search_requests(query(languages=frozenset({"en"})), "rrf", 20, params=None)
    assert hybrid.prefetch is not None
    for part in (*hybrid.prefetch, dense):
        conditions = {c.key: c.match.model_dump() for c in part.filter.must}
        assert conditions == {
            "live": {"value": True}, "corpus": {"any": ["7"]}, "language": {"any": ["en"]},
        }  # fmt: skip
    assert hybrid.query.model_dump(exclude_none=True) == {"rrf": {"k": 60}}


def test_every_field_that_is_filtered_has_an_index() -> None:
    narrowed = {name: frozenset({"x"}) for name in Scope.__dataclass_fields__ if name != "corpora"}
    (asked,) = search_requests(query(dense=False, **narrowed), "rrf", 5, params=None)
    assert {c.key for c in asked.filter.must} <= {*KEYWORD_FIELDS, "live"}
    assert len(asked.filter.must) == 2 + len(narrowed)


# Over the wire


class Wire:
    """A Qdrant that gives one answer to everything and remembers what it was asked."""

    def __init__(self, respond: Any):
        self.asked: list[tuple[str, str, Any]] = []
        self.respond = respond
        options: dict[str, Any] = {
            "url": "http://127.0.0.1:6333", "api_key": "secret-key", "check_compatibility": False,
            "transport": httpx.MockTransport(self.answer),
        }  # fmt: skip
        with pytest.warns(UserWarning, match="insecure"):
            client = QdrantClient(**options)

        def async_client() -> AsyncQdrantClient:
            with pytest.warns(UserWarning, match="insecure"):
                return AsyncQdrantClient(**options)

        self.index = QdrantIndex(
            client, async_client, alias="chunks", space=EMBEDDER.space, fusion="dbsf"
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
    assert collection["vectors"]["dense"]["quantization_config"]["scalar"]["always_ram"] is True
    assert collection["sparse_vectors"] == {"bm25": {"modifier": "idf"}}
    indexed = [body["field_name"] for path, body in puts if path.endswith("/index")]
    assert indexed == [*KEYWORD_FIELDS, "live"]
    assert wire.asked[-1][1] == "/collections/aliases"


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


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (httpx.Response(401, text="Invalid API key or JWT"), "QDRANT_API_KEY"),
        (httpx.Response(403, text="forbidden"), "QDRANT_API_KEY"),
        (httpx.Response(404, json={"status": {"error": "Not found"}}), "does not exist"),
        (httpx.Response(400, json={"status": {"error": "Bad request: Index required"}}), "Index"),
        (httpx.Response(429, json={"status": {"error": "Rate limiting exceeded"}}), "429"),
        (httpx.Response(429, headers={"retry-after": "3"}, json={}), "wait 3 s"),
        (httpx.Response(429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), "limit"),
        (httpx.Response(500, json={"status": {"error": "Service internal error"}}), "internal"),
        (httpx.Response(503, html="<h1>suspended</h1>"), "503"),
        (httpx.Response(200, html="<h1>proxy</h1>"), "could not be read"),
        (httpx.Response(200, content=b'{"result": [{"poi'), "could not be read"),
        (httpx.Response(200, json={"result": None, "status": "ok"}), "could not be read"),
        (httpx.Response(200, json={"result": "surprise", "status": "ok"}), "did not answer"),
        (httpx.ReadTimeout("slow"), "ReadTimeout"),
        (httpx.ConnectError("refused"), "ConnectError"),
        (httpx.RemoteProtocolError("cut"), "RemoteProtocolError"),
    ],
)
def test_every_failure_is_index_unavailable(
    reply: httpx.Response | Exception, message: str
) -> None:
    wire = Wire(reply)
    for call in (
        lambda: asyncio.run(wire.index.search(query(), limit=3)),
        lambda: wire.index.present([uuid4()]),
        lambda: wire.index.delete([uuid4()]),
        wire.index.prepare,
    ):
        with pytest.raises(IndexUnavailable, match=message) as raised:
            call()
        assert "secret-key" not in str(raised.value)


def test_a_bug_of_our_own_is_not_taken_for_the_vendors() -> None:
    with pytest.raises(TypeError), vendor_errors():
        np.zeros("three")  # type: ignore[call-overload]
