"""The stand-in for Qdrant does what qdrant-client's own in-memory Qdrant does, and what only a
server does: keys, strict mode, status codes, failures, and being killed."""

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from tests.standins import RESET, eventually, json_reply
from tests.standins.faults import Rule
from tests.standins.qdrant import QdrantStandIn
from tests.standins.qdrant_process import QdrantProcess

NAME = "passages"
POINTS_OF = f"/collections/{NAME}/points"
SIZE = 8
SPACE = UUID("6f1c7a52-5f0f-4b8e-9d6b-0d9d4fb0a001")
ids = [str(uuid5(SPACE, str(n))) for n in range(40)]

pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")


def connect(server: QdrantStandIn | QdrantProcess, **options: Any) -> QdrantClient:
    return QdrantClient(
        url=server.url, check_compatibility=False, trust_env=False,
        verify=False,  # without it a client takes 50 ms to read certificates
        **{"api_key": server.api_key, "timeout": 10, **options},
    )  # fmt: skip


def create(client: QdrantClient, name: str = NAME, **options: Any) -> None:
    client.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=SIZE, distance=models.Distance.COSINE)},
        sparse_vectors_config={"bm25": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        **options,
    )


def a_point(n: int, **payload: Any) -> models.PointStruct:
    chance = random.Random(n)
    terms = sorted(chance.sample(range(30), 5))
    return models.PointStruct(
        id=ids[n % len(ids)],
        vector={
            "dense": [chance.uniform(-1, 1) for _ in range(SIZE)],
            "bm25": models.SparseVector(indices=terms, values=[chance.random() for _ in terms]),
        },
        payload={"corpus": str(n % 3), "live": n % 4 > 0, "change": n, "tags": [f"t{n % 5}"]}
        | payload,
    )


POINTS = [a_point(n) for n in range(40)]
LIT = {"live": True}
SEED = int(os.environ.get("KILL_SEED", "20261122"))
KILLS = int(os.environ.get("KILLS", "2"))  # more of them by hand


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[QdrantStandIn, QdrantClient]]:
    """One of each for all tests: a client costs more time than most tests of it."""
    with QdrantStandIn() as server:
        yield server, connect(server)


@pytest.fixture
def qdrant_standin(running: tuple[QdrantStandIn, QdrantClient]) -> Iterator[QdrantStandIn]:
    server, _client = running
    yield server
    server.forget()


@pytest.fixture
def client(
    qdrant_standin: QdrantStandIn, running: tuple[QdrantStandIn, QdrantClient]
) -> QdrantClient:
    return running[1]


@pytest.fixture
def wire(qdrant_standin: QdrantStandIn) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=qdrant_standin.url, headers={"api-key": qdrant_standin.api_key},
        trust_env=False, verify=False,
    ) as client:  # fmt: skip
        yield client


@pytest.fixture
def filled(client: QdrantClient) -> QdrantClient:
    create(client)
    client.upsert(NAME, POINTS)
    return client


# --- The same as in memory ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[QdrantClient, QdrantClient]]:
    """For questions only: the stand-in and the in-memory client, with the same points."""
    with QdrantStandIn() as server:
        clients = connect(server), QdrantClient(":memory:")
        for client in clients:
            create(client)
            client.upsert(NAME, POINTS)
        yield clients


def field(key: str, **condition: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key, **condition)


LIVE = field("live", match=models.MatchValue(value=True))
ZERO = field("corpus", match=models.MatchValue(value="0"))
NEWER = field("change", range=models.Range(gt=20))
FILTERS = {
    "none": None,
    "a boolean": models.Filter(must=[LIVE]),
    "its opposite": models.Filter(must=[field("live", match=models.MatchValue(value=False))]),
    "an integer": models.Filter(must=[field("change", match=models.MatchValue(value=7))]),
    "any of": models.Filter(must=[field("corpus", match=models.MatchAny(any=["1", "2"]))]),
    "any of none": models.Filter(must=[field("corpus", match=models.MatchAny(any=[]))]),
    "none of": models.Filter(must=[field("corpus", match=models.MatchExcept(**{"except": ["1"]}))]),
    "in a list": models.Filter(must=[field("tags", match=models.MatchValue(value="t3"))]),
    "a range": models.Filter(must=[field("change", range=models.Range(gte=5, lt=9))]),
    "not newer": models.Filter(must_not=[NEWER]),
    "these and not newer": models.Filter(
        must=[models.HasIdCondition(has_id=ids[10:30])], must_not=[NEWER]
    ),
    "either": models.Filter(should=[ZERO, NEWER]),
    "nested": models.Filter(must=[LIVE, models.Filter(should=[ZERO, models.Filter(must=[NEWER])])]),
    "two of three": models.Filter(
        min_should=models.MinShould(conditions=[LIVE, ZERO, NEWER], min_count=2)
    ),
    "without a list": models.Filter(must=LIVE),
    "empty": models.Filter(must=[models.IsEmptyCondition(is_empty={"key": "change"})]),
    "a field nobody has": models.Filter(must_not=[field("x", match=models.MatchValue(value="1"))]),
    "lacks a vector": models.Filter(must_not=[models.HasVectorCondition(has_vector="bm25")]),
}


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS.keys())
def test_a_filter_selects_the_same_points(both, chosen):
    counts, pages, found = [], [], []
    for client in both:
        counts.append(client.count(NAME, chosen, exact=True).count)
        pages.append([r.id for r in client.scroll(NAME, chosen, limit=100)[0]])
        query = client.query_points(
            NAME, POINTS[3].vector["dense"], using="dense", query_filter=chosen, limit=100
        )
        found.append([point.id for point in query.points])
    assert counts[0] == counts[1] == len(pages[0])
    assert pages[0] == sorted(pages[1], key=UUID)
    assert found[0] == found[1]


@pytest.mark.parametrize("using", ["dense", "bm25"])
@pytest.mark.parametrize("options", [{}, {"offset": 3}, {"score_threshold": 0.2}])
def test_a_vector_ranks_the_same(both, using, options):
    for asked in POINTS[:5]:
        answers = [
            client.query_points(NAME, asked.vector[using], using=using, limit=7, **options).points
            for client in both
        ]
        assert [p.id for p in answers[0]] == [p.id for p in answers[1]]
        assert [p.score for p in answers[0]] == pytest.approx([p.score for p in answers[1]], 1e-4)


FUSIONS = {
    "dbsf": models.FusionQuery(fusion=models.Fusion.DBSF),
    "rrf": models.FusionQuery(fusion=models.Fusion.RRF),
    "rrf of 60": models.RrfQuery(rrf=models.Rrf(k=60)),
    "weighted": models.RrfQuery(rrf=models.Rrf(k=60, weights=[3.0, 1.0])),
}


@pytest.mark.parametrize("fusion", FUSIONS.values(), ids=FUSIONS.keys())
@pytest.mark.parametrize("name", ["none", "a boolean", "nested"])
def test_fusion_gives_the_same_scores(both, fusion, name):
    """The filter is the outer query's: it goes down into both prefetches."""
    answers = []
    for client in both:
        parts = [
            models.Prefetch(query=POINTS[3].vector[using], using=using, limit=9)
            for using in ("dense", "bm25")
        ]
        found = client.query_points(
            NAME, prefetch=parts, query=fusion, query_filter=FILTERS[name], limit=50
        )
        answers.append({point.id: point.score for point in found.points})
    assert answers[0]
    assert answers[0] == pytest.approx(answers[1], rel=1e-4)


def test_idf_is_counted_in_the_given_corpus(both):
    corpus = models.SearchParams(idf=models.IdfCorpusParams(corpus=FILTERS["a range"]))
    for params in (None, corpus):
        first, second = (
            client.query_points(
                NAME, POINTS[3].vector["bm25"], using="bm25", search_params=params, limit=5
            ).points
            for client in both
        )
        assert [p.score for p in first] == pytest.approx([p.score for p in second], rel=1e-4)


def test_a_batch_of_queries_answers_each(both):
    asked = [
        models.QueryRequest(query=POINTS[n].vector["dense"], using="dense", limit=n + 1)
        for n in range(3)
    ]
    first, second = (client.query_batch_points(NAME, asked) for client in both)
    assert [[p.id for p in a.points] for a in first] == [[p.id for p in a.points] for a in second]
    assert [len(answer.points) for answer in first] == [1, 2, 3]


@pytest.mark.parametrize("payload", [True, False, ["corpus"]])
@pytest.mark.parametrize("vectors", [False, ["bm25"], True])
def test_points_are_given_back_as_they_are_asked_for(both, payload, vectors):
    wanted = [ids[5], "00000000-0000-0000-0000-000000000000", ids[2]]
    first, second = (
        client.retrieve(NAME, wanted, with_payload=payload, with_vectors=vectors) for client in both
    )
    for ours, theirs in zip(sorted(first, key=repr), sorted(second, key=repr), strict=True):
        assert (ours.id, ours.payload or {}) == (theirs.id, theirs.payload or {})
        assert set(ours.vector or {}) == set(theirs.vector or {})
        for name, vector in (ours.vector or {}).items():
            if name == "dense":
                assert vector == pytest.approx(theirs.vector[name], abs=1e-6)
            else:
                assert vector.indices == theirs.vector[name].indices
                assert vector.values == pytest.approx(theirs.vector[name].values)


def test_scrolling_passes_every_point_once_in_the_order_of_ids(filled):
    filled.upsert(NAME, [models.PointStruct(id=n, vector={}) for n in (7, 2**64 - 1)])
    seen, offset = [], None
    while True:
        page, offset = filled.scroll(NAME, limit=9, offset=offset, with_payload=False)
        seen += [record.id for record in page]
        if offset is None:
            break
    assert seen == [7, 2**64 - 1, *sorted(ids, key=UUID)]


def not_newer(change: int, *among: str) -> models.Filter:
    newer = field("change", range=models.Range(gt=change))
    return models.Filter(must=[models.HasIdCondition(has_id=list(among))], must_not=[newer])


CHANGES: dict[str, Callable[[QdrantClient], object]] = {
    "upsert again": lambda client: client.upsert(NAME, [a_point(3, change=99)]),
    "upsert what is older": lambda client: client.upsert(
        NAME, [a_point(n, corpus="9") for n in range(40)], update_filter=FILTERS["not newer"]
    ),
    "delete ids": lambda client: client.delete(NAME, [ids[1], ids[2]]),
    "delete by filter": lambda client: client.delete(
        NAME, models.FilterSelector(filter=FILTERS["nested"])
    ),
    "delete unless newer": lambda client: client.delete(
        NAME, models.FilterSelector(filter=not_newer(20, *ids[15:25]))
    ),
    "set payload": lambda client: client.set_payload(NAME, {"corpus": "7", "x": 1}, [ids[4]]),
    "set by filter": lambda client: client.set_payload(NAME, {"corpus": "7"}, FILTERS["not newer"]),
    "overwrite": lambda client: client.overwrite_payload(NAME, {"live": True}, [ids[4]]),
    "overwrite by filter": lambda client: client.overwrite_payload(
        NAME, {"live": True, "change": 20}, not_newer(20, *ids[15:25])
    ),
    "delete keys": lambda client: client.delete_payload(NAME, ["tags"], [ids[4]]),
    "a batch": lambda client: client.batch_update_points(
        NAME,
        [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(payload={"a": n}, filter=not_newer(n, ids[n]))
            )
            for n in range(5)
        ]
        + [models.DeleteOperation(delete=models.PointIdsList(points=[ids[0]]))],
    ),
    "only new points": lambda client: client.upsert(
        NAME, [a_point(1, corpus="9")], update_mode=models.UpdateMode.INSERT_ONLY
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_leaves_the_same_points(filled, change):
    memory = QdrantClient(":memory:")
    create(memory)
    memory.upsert(NAME, POINTS)
    states = []
    for client in (filled, memory):
        change(client)
        records = client.scroll(NAME, limit=100)[0]
        states.append({record.id: record.payload for record in records})
    assert states[0] == states[1]
    assert (
        states[0] != {point.id: point.payload for point in POINTS}
        or change is CHANGES["only new points"]
    )


# --- Collections and aliases ---------------------------------------------------------------------


def test_a_collection_tells_how_it_was_made(client):
    int8 = models.ScalarQuantizationConfig(type="int8", quantile=0.99, always_ram=True)
    client.create_collection(
        NAME,
        vectors_config={
            "dense": models.VectorParams(
                size=4, distance="Cosine", on_disk=True,
                quantization_config=models.ScalarQuantization(scalar=int8),
            )
        },
        sparse_vectors_config={"bm25": models.SparseVectorParams(modifier="idf")},
        strict_mode_config=models.StrictModeConfig(enabled=True),
        metadata={"space": "a"}, on_disk_payload=True,
    )  # fmt: skip
    keyword = models.KeywordIndexParams(type="keyword", is_tenant=True)
    integer = models.IntegerIndexParams(type="integer", lookup=False, range=True)
    for name, schema in (("corpus", keyword), ("change", integer), ("live", "bool")):
        assert client.create_payload_index(NAME, name, schema).status == "completed"
    client.update_collection(NAME, metadata={"previous": "b"})
    info = client.get_collection(NAME)
    assert info.config.params.vectors["dense"].quantization_config.scalar == int8
    assert info.config.params.sparse_vectors["bm25"].modifier == "idf"
    assert info.config.strict_mode_config.enabled
    assert info.config.metadata == {"space": "a", "previous": "b"}
    assert {name: found.params for name, found in info.payload_schema.items()} == {
        "corpus": keyword, "change": integer, "live": None,
    }  # fmt: skip
    client.delete_payload_index(NAME, "live")
    assert set(client.get_collection(NAME).payload_schema) == {"corpus", "change"}


def test_collections_come_and_go(client):
    assert client.get_collections().collections == []
    create(client)
    client.create_collection("empty", vectors_config={})
    assert [item.name for item in client.get_collections().collections] == ["empty", NAME]
    assert client.collection_exists(NAME)
    assert client.delete_collection(NAME)
    assert not client.delete_collection(NAME)
    assert not client.collection_exists(NAME)


def alias(name: str, collection: str) -> models.CreateAliasOperation:
    made = models.CreateAlias(collection_name=collection, alias_name=name)
    return models.CreateAliasOperation(create_alias=made)


def without(name: str) -> models.DeleteAliasOperation:
    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name))


def aliases(client: QdrantClient) -> dict[str, str]:
    return {a.alias_name: a.collection_name for a in client.get_aliases().aliases}


def test_an_alias_stands_for_its_collection(client):
    create(client, "one")
    create(client, "two")
    client.update_collection_aliases([alias("now", "one"), alias("also", "two")])
    client.upsert("now", POINTS[:5])
    assert client.count("one").count == client.count("now").count == 5
    client.update_collection_aliases([without("now"), alias("now", "two")])
    assert client.count("now").count == 0
    assert [a.alias_name for a in client.get_collection_aliases("two").aliases] == ["also", "now"]
    client.delete_collection("two")
    assert aliases(client) == {}


def test_a_refused_switch_changes_nothing(client):
    create(client, "one")
    client.update_collection_aliases([alias("now", "one")])
    for impossible, status in ((alias("now", "nowhere"), 404), (alias("one", "one"), 409)):
        with pytest.raises(UnexpectedResponse) as refused:
            client.update_collection_aliases([without("now"), impossible])
        assert refused.value.status_code == status
        assert aliases(client) == {"now": "one"}


def test_a_switch_is_never_seen_half_done(qdrant_standin, client):
    create(client, "one")
    create(client, "two")
    client.upsert("one", POINTS[:1])
    client.upsert("two", POINTS[:2])
    client.update_collection_aliases([alias("now", "one")])
    seen, done = [], threading.Event()

    def look() -> None:
        looker = connect(qdrant_standin)
        while not done.is_set():
            seen.append(looker.count("now").count)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for turn in range(20):
        client.update_collection_aliases([without("now"), alias("now", ("two", "one")[turn % 2])])
    done.set()
    for looker in lookers:
        looker.join()
    assert set(seen) <= {1, 2}


# --- What it refuses -----------------------------------------------------------------------------


def test_probes_need_no_key(qdrant_standin):
    for path, said in (
        ("/", "1.20.0"), ("/healthz", "passed"), ("/livez", "passed"), ("/readyz", "ready"),
    ):  # fmt: skip
        answer = httpx.get(qdrant_standin.url + path, trust_env=False, verify=False)
        assert (answer.status_code, said in answer.text) == (200, True)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Must provide an API key or an Authorization bearer token"),
        ({"api-key": "wrong"}, "Invalid API key or JWT"),
        ({"authorization": "Bearer wrong"}, "Invalid API key or JWT"),
    ],
)
def test_the_key_is_asked_for_in_plain_text(qdrant_standin, headers, message):
    for path in ("/collections", "/telemetry", "/nowhere"):
        answer = httpx.get(
            qdrant_standin.url + path, headers=headers, trust_env=False, verify=False
        )
        assert (answer.status_code, answer.text) == (401, message)
        assert answer.headers["content-type"].startswith("text/plain")


def test_the_key_may_be_a_bearer_token(qdrant_standin):
    bearer = {"authorization": f"Bearer {qdrant_standin.api_key}"}
    url = qdrant_standin.url + "/collections"
    assert httpx.get(url, headers=bearer, trust_env=False, verify=False).json()["status"] == "ok"


def test_a_key_for_reading_does_not_write():
    with QdrantStandIn(read_only_api_key="reader") as server:
        create(connect(server))
        reader = connect(server, api_key="reader")
        assert reader.count(NAME).count == 0
        with pytest.raises(UnexpectedResponse, match="Forbidden: Global manage access") as refused:
            reader.upsert(NAME, POINTS[:1])
    assert refused.value.status_code == 403


BAD_POINTS = {
    "wrong size": ({"vector": {"dense": [0.5] * 3}}, 400,
                   f"Wrong input: Vector dimension error: expected dim: {SIZE}, got 3"),
    "unknown vector": ({"vector": {"other": [0.5]}}, 400,
                       "Wrong input: Not existing vector name error: other"),
    "negative id": ({"id": -1}, 400, "value -1 is not a valid point ID, valid values are either an "
                                     "unsigned integer or a UUID"),
    "id too large": ({"id": 2**64}, 400, "is not a valid point ID"),
    "no UUID": ({"id": "chunk-1"}, 400, "value chunk-1 is not a valid point ID"),
    "true": ({"id": True}, 400, "is not a valid point ID"),
    "a list for terms": ({"vector": {"bm25": [0.5]}}, 400,
                         "Wrong input: Conversion between sparse and regular vectors failed"),
    "no vector": ({"vector": None}, 400, "Format error in JSON body"),
    "words": ({"vector": {"dense": ["a"] * SIZE}}, 400, "Format error in JSON body"),
    "payload": ({"payload": [1]}, 400, "Format error in JSON body"),
    "one value too few": ({"vector": {"bm25": {"indices": [1, 2], "values": [0.5]}}}, 422,
                          "must be the same length as indices"),
    "one index twice": ({"vector": {"bm25": {"indices": [1, 1], "values": [0.5, 0.5]}}}, 422,
                        "must be unique"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status", "message"), BAD_POINTS.values(), ids=BAD_POINTS.keys()
)
def test_a_bad_point_is_refused_and_the_next_request_is_not(client, wire, change, status, message):
    create(client)
    good = {"id": 1, "vector": {"dense": [0.5] * SIZE}}
    answer = wire.put(f"{POINTS_OF}?wait=true", json={"points": [good, good | change]})
    assert (answer.status_code, set(answer.json())) == (status, {"status", "time"})
    assert message in answer.json()["status"]["error"]
    assert client.count(NAME).count == 0, "nor is the good one beside it stored"
    client.upsert(NAME, POINTS)
    assert client.count(NAME).count == len(POINTS)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/collections/x", None, 404, "Not found: Collection `x` doesn't exist!"),
        ("POST", "/collections/x/points/scroll", {}, 404, "Collection `x` doesn't exist!"),
        ("PUT", f"/collections/{NAME}", {"vectors": {}}, 409, f"Collection `{NAME}` already"),
        ("PUT", "/collections/new", {"vectrs": {}}, 400, "Format error in JSON body"),
        ("POST", f"{POINTS_OF}/scroll", b"{", 400, "Format error in JSON body"),
        ("POST", f"{POINTS_OF}/scroll", b'{"limit": NaN}', 400, "Format error"),
        ("POST", f"{POINTS_OF}/scroll", {"limit": 0}, 422, "must be 1 or larger"),
        ("POST", f"{POINTS_OF}/count", {"filter": {"most": []}}, 400, "Format error"),
        ("POST", f"{POINTS_OF}/payload", {"payload": {"a": 1}}, 422, "points"),
        ("POST", f"{POINTS_OF}/payload", {"payload": {"a": 1}, "points": [9]}, 404,
         "Not found: No point with id 9 found"),
        ("POST", f"{POINTS_OF}/query", {"query": {"fusion": "rrf"}}, 400, "Fusion"),
        ("POST", f"{POINTS_OF}/query", {"query": [0.5], "using": "dense"}, 400,
         "Wrong input: Vector dimension error"),
        ("POST", f"{POINTS_OF}/query", {"query": {"sample": "random"}}, 501, "sample"),
        ("PUT", POINTS_OF, b" " * (32 * 2**20 + 1), 400, "larger than allowed"),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused(client, wire, method, path, body, status, message):
    create(client)
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = wire.request(method, f"{path}?wait=true", **content)
    assert (answer.status_code, set(answer.json())) == (status, {"status", "time"})
    assert message in answer.json()["status"]["error"]


def test_a_success_has_its_envelope(filled, wire):
    answer = wire.post(f"{POINTS_OF}/count", json={"exact": True}).json()
    assert (answer["result"], answer["status"]) == ({"count": 40}, "ok")
    assert answer["time"] >= 0


def test_whoever_does_not_wait_is_told_so(filled):
    assert filled.upsert(NAME, POINTS[:1], wait=False).status == "acknowledged"
    bad = models.PointStruct(id=1, vector={"dense": [0.5]})
    assert filled.upsert(NAME, [bad], wait=False).status == "acknowledged"
    assert filled.upsert(NAME, POINTS[:1], wait=True).status == "completed"


# --- Strict mode ---------------------------------------------------------------------------------

STRICT = models.StrictModeConfig(
    enabled=True, unindexed_filtering_retrieve=False, unindexed_filtering_update=False,
    max_query_limit=50, upsert_max_batchsize=60, search_max_batchsize=2,
)  # fmt: skip
MISSING = r"Index required but not found for \"{}\" of one of the following types: [{}]. Help: Create an index for this key or use a different filter."  # noqa: E501


@pytest.fixture
def strict(client: QdrantClient) -> QdrantClient:
    create(client, strict_mode_config=STRICT)
    client.upsert(NAME, POINTS)
    return client


REFUSED_FILTERS = {
    "keyword": (ZERO, "corpus", "keyword"),
    "looks like a UUID": (
        field("id", match=models.MatchValue(value=ids[0])),
        "id",
        "keyword, uuid",
    ),
    "boolean": (LIVE, "live", "bool"),
    "integer": (field("n", match=models.MatchValue(value=1)), "n", "integer"),
    "range": (NEWER, "change", "float, integer"),
}


@pytest.mark.parametrize(
    ("condition", "name", "kinds"), REFUSED_FILTERS.values(), ids=REFUSED_FILTERS.keys()
)
def test_a_filter_without_an_index_is_refused_everywhere(strict, condition, name, kinds):
    deep = models.Filter(should=[models.Filter(must_not=[condition])])
    dense = {"query": POINTS[0].vector["dense"], "using": "dense"}
    idf = models.SearchParams(idf=models.IdfCorpusParams(corpus=deep))
    overwrite = models.SetPayload(payload={}, filter=deep)
    for refused in (
        lambda: strict.count(NAME, deep),
        lambda: strict.scroll(NAME, deep),
        lambda: strict.query_points(NAME, **dense, query_filter=deep),
        lambda: strict.query_points(NAME, **dense, search_params=idf),
        lambda: strict.query_points(
            NAME, prefetch=models.Prefetch(**dense, filter=deep), query=FUSIONS["rrf"]
        ),
        lambda: strict.query_batch_points(NAME, [models.QueryRequest(**dense, filter=deep)]),
        lambda: strict.delete(NAME, models.FilterSelector(filter=deep)),
        lambda: strict.set_payload(NAME, {"a": 1}, deep),
        lambda: strict.batch_update_points(
            NAME,
            [
                models.DeleteOperation(delete=models.PointIdsList(points=[ids[0]])),
                models.OverwritePayloadOperation(overwrite_payload=overwrite),
            ],
        ),
    ):
        with pytest.raises(UnexpectedResponse) as caught:
            refused()
        assert caught.value.status_code == 400
        assert MISSING.format(name, kinds).replace(r"\"", '\\"') in caught.value.content.decode()
    assert strict.count(NAME).count == len(POINTS), "nothing of a refused batch is done"


def test_an_index_of_the_right_kind_is_enough(strict):
    strict.create_payload_index(NAME, "corpus", models.PayloadSchemaType.KEYWORD)
    strict.create_payload_index(NAME, "live", models.PayloadSchemaType.BOOL)
    only_range = models.IntegerIndexParams(type="integer", lookup=False, range=True)
    strict.create_payload_index(NAME, "change", only_range)
    assert strict.count(NAME, FILTERS["nested"]).count == 20
    with pytest.raises(UnexpectedResponse, match="integer"):
        strict.count(NAME, FILTERS["an integer"])


def test_what_needs_no_index(strict):
    """Ids are no payload, and the condition of an upsert is looked up in a given few points."""
    these = models.Filter(must=[models.HasIdCondition(has_id=ids[:3])])
    assert strict.count(NAME, these).count == 3
    strict.upsert(NAME, POINTS[:3], update_filter=FILTERS["not newer"])


def test_limits_of_strict_mode(strict):
    dense = {"query": POINTS[0].vector["dense"], "using": "dense"}
    for refused in (
        lambda: strict.query_points(NAME, **dense, limit=51),
        lambda: strict.scroll(NAME, limit=51),
        lambda: strict.upsert(NAME, POINTS * 2),
        lambda: strict.query_batch_points(NAME, [models.QueryRequest(**dense)] * 3),
    ):
        with pytest.raises(UnexpectedResponse, match="Limit exceeded"):
            refused()


def test_on_the_cloud_new_collections_are_strict():
    with QdrantStandIn(cloud=True) as server:
        client = connect(server)
        create(client)
        with pytest.raises(UnexpectedResponse, match="Index required"):
            client.count(NAME, FILTERS["a boolean"])


# --- Its failures --------------------------------------------------------------------------------

FAULTS: dict[str, tuple[dict[str, Any], type[Exception], int]] = {
    # What the client makes of it, and how many points are there afterwards.
    "status": ({"status": 503}, UnexpectedResponse, 0),
    "html": ({"status": 502}, UnexpectedResponse, 0),
    "reset": ({}, ResponseHandlingException, 0),
    "close": ({}, ResponseHandlingException, 0),
    "stall": ({}, ResponseHandlingException, 0),
    "lose": ({}, ResponseHandlingException, 1),
    "hang": ({}, ResponseHandlingException, 1),
    "truncate": ({}, ResponseHandlingException, 1),
    "late": ({"seconds": 3}, ResponseHandlingException, 1),
    "empty": ({}, ValueError, 1),
    "null": ({}, AssertionError, 1),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items(), ids=FAULTS.keys())
def test_a_request_fails_as_asked(qdrant_standin, client, fault, expected):
    details, outcome, points = expected
    create(client)
    qdrant_standin.faults.add(fault, "upsert", times=1, **details)
    with pytest.raises(outcome):
        connect(qdrant_standin, timeout=1).upsert(NAME, POINTS[:1])
    assert client.count(NAME).count == points
    client.upsert(NAME, POINTS[:2])
    assert client.count(NAME).count == 2, "repeating it is harmless"


async def test_a_delayed_write_arrives_after_the_client_has_left(qdrant_standin, client):
    create(client)
    qdrant_standin.faults.add("delay", "upsert", times=1, seconds=1.5)
    with pytest.raises(ResponseHandlingException):
        connect(qdrant_standin, timeout=1).upsert(NAME, [a_point(0, by="the first")])
    client.upsert(NAME, [a_point(0, by="the second")])

    def written_by() -> Any:
        return client.retrieve(NAME, [ids[0]])[0].payload["by"]

    assert written_by() == "the second"
    await eventually(lambda: written_by() == "the first")


def test_rate_limits_say_how_long_to_wait(qdrant_standin, client):
    qdrant_standin.faults.add("status", "list_collections", status=429, retry_after="7", times=1)
    with pytest.raises(ResourceExhaustedResponse) as refused:
        client.get_collections()
    assert refused.value.retry_after_s == 7
    assert client.get_collections().collections == []


def test_every_third_answer_is_lost_after_the_first_four(qdrant_standin, client):
    create(client)
    qdrant_standin.faults.add("lose", "upsert", every=3, after=4, times=2)
    failed = []
    for n in range(14):
        try:
            client.upsert(NAME, [POINTS[n]])
        except ResponseHandlingException:
            failed.append(n + 1)
    assert failed == [7, 10]
    assert client.count(NAME).count == 14
    assert qdrant_standin.faults.report()["operations"]["upsert"] == 14


def test_single_requests_can_be_scripted(qdrant_standin, client):
    create(client)
    path = POINTS_OF
    qdrant_standin.script(path, qdrant_standin.carried_out(RESET), json_reply({}, 500))
    for failure in (ResponseHandlingException, UnexpectedResponse):
        with pytest.raises(failure):
            client.upsert(NAME, POINTS[:1])
    assert client.count(NAME).count == 1
    assert [request.json["points"][0]["id"] for request in qdrant_standin.requests_to(path)] == [
        ids[0], ids[0],
    ]  # fmt: skip


def test_rules_can_be_changed_from_outside(wire):
    assert wire.put("/_faults", json=[{"fault": "html", "on": "list*"}]).is_success
    assert wire.get("/collections").status_code == 503
    assert wire.post("/_faults", json={"fault": "null", "every": 2}).is_success
    assert [rule["failed"] for rule in wire.get("/_faults").json()["rules"]] == [1, 0]
    for bad in ({"fault": "boredom"}, {"on": "upsert"}, {"fault": "html", "evry": 2}, {"every": 0}):
        assert wire.post("/_faults", json=bad).status_code == 400
    assert wire.delete("/_faults").json()["rules"] == []
    assert wire.get("/collections").status_code == 200


def test_a_rule_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="none of the faults"):
        Rule("boredom")


# --- Many at once, and from the beginning --------------------------------------------------------


async def test_twenty_clients_side_by_side(qdrant_standin, client):
    create(client)

    async def work(worker: int) -> int:
        mine = AsyncQdrantClient(
            url=qdrant_standin.url, api_key=qdrant_standin.api_key, check_compatibility=False,
            trust_env=False, timeout=10, verify=False,
        )  # fmt: skip
        numbers = range(worker * 20, worker * 20 + 20)
        points = [models.PointStruct(id=n, vector=POINTS[0].vector) for n in numbers]
        await mine.upsert(NAME, points)
        found = await mine.query_points(NAME, POINTS[0].vector["dense"], using="dense", limit=5)
        await mine.close()
        return len(found.points)

    assert await asyncio.gather(*(work(n) for n in range(20))) == [5] * 20
    assert client.count(NAME).count == 400


def test_state_outlives_a_stand_in(tmp_path):
    with QdrantStandIn(directory=tmp_path) as server:
        client = connect(server)
        create(client, metadata={"space": "a"})
        client.create_payload_index(NAME, "live", models.PayloadSchemaType.BOOL)
        client.update_collection_aliases([alias("now", NAME)])
        client.upsert(NAME, POINTS)
    (tmp_path / "of-a-creation-cut-short").mkdir()
    with QdrantStandIn(directory=tmp_path) as server:
        client = connect(server)
        assert client.count("now", FILTERS["a boolean"]).count == 30
        info = client.get_collection(NAME)
        assert (info.config.metadata, set(info.payload_schema)) == ({"space": "a"}, {"live"})
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"state.json"}
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path):
    chance, written, deleted = random.Random(SEED), set(), set()
    with QdrantProcess(tmp_path) as server:
        client = connect(server)
        create(client)
        client.create_payload_index(NAME, "live", models.PayloadSchemaType.BOOL)
        for _kill in range(KILLS):
            write_until_killed(server, client, chance, written, deleted)
            server.start()
            records = client.scroll(NAME, limit=10**6, with_vectors=["dense"])[0]
            found = {record.id for record in records}
            assert written <= found
            assert not deleted & found
            assert all(len(r.vector["dense"]) == SIZE and r.payload["live"] for r in records)
            assert client.count(NAME, FILTERS["a boolean"]).count == len(records)
    assert len(written) > 50 * KILLS


def write_until_killed(
    server: QdrantProcess,
    client: QdrantClient,
    chance: random.Random,
    written: set[int],
    deleted: set[int],
) -> None:
    """Into the sets goes what was acknowledged."""
    killing = threading.Timer(chance.uniform(0.2, 0.6), server.kill)
    killing.start()
    try:
        while True:
            numbers = [chance.randrange(2**63) for _ in range(10)]
            some = [models.PointStruct(id=n, vector=POINTS[0].vector, payload=LIT) for n in numbers]
            client.upsert(NAME, some)
            written.update(numbers[2:])
            client.delete(NAME, numbers[:2])  # killed meanwhile: they may be there or not
            deleted.update(numbers[:2])
    except ResponseHandlingException:
        killing.join()


def test_a_paused_server_answers_when_it_goes_on(tmp_path):
    with QdrantProcess(tmp_path) as server:
        server.pause()
        with pytest.raises(ResponseHandlingException):
            connect(server, timeout=1).get_collections()
        server.resume()
        assert connect(server).get_collections().collections == []


def test_rules_outlive_a_restart(tmp_path):
    with QdrantProcess(tmp_path) as server:
        server.fail({"fault": "html", "on": "list_collections"})
        server.restart()
        with pytest.raises(UnexpectedResponse):
            connect(server).get_collections()
        assert server.report()["operations"] == {"list_collections": 1}


def test_the_command_lists_the_faults():
    shown = subprocess.run(
        [sys.executable, "-m", "tests.standins", "qdrant", "--help"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "lose" in shown.stdout
