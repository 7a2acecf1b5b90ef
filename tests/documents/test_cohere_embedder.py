"""Cohere's embedder: what goes over the wire, and what each failure turns into."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import cohere
import httpx
import pytest

from documents.embedding.base import EmbeddingError
from documents.embedding.cohere import CohereEmbedder
from documents.embedding.pacing import Pace
from documents.upstream.metering import Unmetered
from tests.clocks import SleepingClock

Respond = Callable[[httpx.Request], httpx.Response]
KEY = "secret-key"


class Wire:
    """Answers with what `replies` says, the last one for ever; remembers requests and waits."""

    def __init__(self, *replies: httpx.Response | Exception | Respond, model: str = "embed-v4.0"):
        self.replies, self.requests, self.clock = list(replies), [], SleepingClock()
        self.waits = self.clock.waits
        transport = httpx.MockTransport(self.respond)
        self.embedder = CohereEmbedder(
            cohere.ClientV2(KEY, httpx_client=httpx.Client(transport=transport), max_retries=0),
            lambda: cohere.AsyncClientV2(
                KEY, httpx_client=httpx.AsyncClient(transport=transport), max_retries=0
            ),
            model,
            4,
            Pace("cohere", sleep=self.clock.sleep, now=self.clock.now),
        )

    def respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(json.loads(request.content))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply


def good(request: httpx.Request) -> httpx.Response:
    count = len(json.loads(request.content)["texts"])
    return answer([[float(n + 1), 0, 0, 2] for n in range(count)])


def answer(vectors: Any) -> httpx.Response:
    # Python's json writes NaN, as a careless server would.
    content = json.dumps({"id": "1", "embeddings": {"float": vectors}})
    return httpx.Response(200, content=content, headers={"content-type": "application/json"})


def refused(status: int, message: str = "no", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"message": message}, headers=headers)


def test_documents_go_in_batches_of_96_and_come_back_in_order() -> None:
    wire = Wire(good)
    vectors = wire.embedder.embed_documents([f"text {n}" for n in range(200)])
    assert [len(request["texts"]) for request in wire.requests] == [96, 96, 8]
    assert vectors.shape == (200, 4)
    assert vectors[96] == pytest.approx(vectors[0])
    assert wire.requests[0] | {"texts": []} == {
        "model": "embed-v4.0", "texts": [], "input_type": "search_document",
        "embedding_types": ["float"], "output_dimension": 4, "truncate": "END",
    }  # fmt: skip


async def test_a_query_says_that_it_is_one() -> None:
    wire = Wire(good)
    assert (await wire.embedder.embed_query("why")).shape == (4,)
    assert wire.requests[0]["input_type"] == "search_query"


def test_a_model_of_one_size_is_not_asked_for_a_dimension() -> None:
    wire = Wire(good, model="embed-multilingual-v3.0")
    wire.embedder.embed_documents(["text"])
    assert "output_dimension" not in wire.requests[0]


def test_an_empty_text_does_not_spoil_its_batch() -> None:
    wire = Wire(good)
    wire.embedder.embed_documents(["text", "", " \n"])
    assert all(text.strip() for text in wire.requests[0]["texts"])


@pytest.mark.parametrize(
    ("reply", "message", "retryable"),
    [
        (refused(401, "invalid api token"), "COHERE_API_KEY", False),
        (refused(498), "COHERE_API_KEY", False),
        (refused(402), "billing", False),
        (refused(404), "COHERE_EMBED_MODEL", False),
        (refused(400, "too many texts"), "too many texts", False),
        (refused(429, "limited to 1000 API calls / month"), "month", False),
        (refused(429, "limited to 10 API calls / minute"), "rate limit", True),
        (refused(500), "500", True),
        (refused(503), "503", True),
        (httpx.Response(200, html="<h1>Gateway</h1>"), "could not be read", True),
        (httpx.Response(200, content=b'{"embeddings": {"flo'), "could not be read", True),
        (httpx.Response(200, json={}), "no vectors", True),
        (answer(None), "shape", True),
        (answer([[1, 2, 3, 4]] * 2), "shape", True),
        (answer([[1, 2, 3]]), "shape", True),
        (answer([[1, 2, None, 4]]), "not numbers|no vectors", True),
        (answer([[1, 2, float("nan"), 4]]), "not numbers", True),
        (answer([[0, 0, 0, 0]]), "zero", True),
        (httpx.ReadTimeout("slow"), "ReadTimeout", True),
        (httpx.ConnectError("refused"), "ConnectError", True),
        (httpx.RemoteProtocolError("cut"), "RemoteProtocolError", True),
    ],
)
async def test_every_failure_is_an_embedding_error(
    reply: httpx.Response | Exception, message: str, retryable: bool
) -> None:
    wire = Wire(reply)
    with pytest.raises(EmbeddingError, match=message) as raised:
        await wire.embedder.embed_query("why")
    assert raised.value.retryable is retryable
    assert KEY not in str(raised.value)
    assert len(wire.requests) == 1  # a reader is waiting: no second attempt


def test_documents_are_tried_three_times() -> None:
    wire = Wire(refused(503), httpx.ConnectError("refused"), good)
    wire.embedder.embed_documents(["text"])
    assert wire.waits == [1.0, 2.0]
    wire = Wire(refused(503))
    with pytest.raises(EmbeddingError):
        wire.embedder.embed_documents(["text"])
    assert len(wire.requests) == 3


def test_a_limit_by_the_minute_is_waited_for() -> None:
    wire = Wire(refused(429, "/ minute", **{"Retry-After": "7"}), refused(429, "/ minute"), good)
    wire.embedder.embed_documents(["text"])
    assert wire.waits == [7.0, 40.0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_server_asks_for_is_kept_to_the_second(status: int) -> None:
    wire = Wire(refused(status, "/ minute", **{"Retry-After": "55"}), good)
    wire.embedder.embed_documents(["text"])
    assert wire.waits == [55.0]


def test_a_wait_may_be_given_as_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    wire = Wire(refused(429, "/ minute", **{"Retry-After": moment}), good)
    wire.embedder.embed_documents(["text"])
    assert wire.waits == [pytest.approx(40, abs=2)]


def test_a_wait_longer_than_a_call_should_take_is_left_to_the_run() -> None:
    wire = Wire(refused(429, "/ minute", **{"Retry-After": "600"}))
    with pytest.raises(EmbeddingError) as raised:
        wire.embedder.embed_documents(["text"])
    assert (raised.value.retryable, raised.value.retry_after) == (True, 600)
    assert len(wire.requests) == 1


def test_a_limit_by_the_month_is_not() -> None:
    wire = Wire(refused(429, "limited to 1000 API calls / month"))
    with pytest.raises(EmbeddingError):
        wire.embedder.embed_documents(["text"])
    assert len(wire.requests) == 1
    assert wire.waits == []


def test_connect_builds_clients_that_do_not_retry() -> None:
    embedder = CohereEmbedder.connect(
        api_key=KEY, base_url="http://127.0.0.1:9", model="m", dimension=4, query_timeout=1
    )
    assert str(embedder.space) == "cohere/m/4/c1"


async def test_a_question_does_not_wait_for_a_budget_that_nobody_can_look_at():
    class Busy(Unmetered):
        async def admit_soon(self, operation, *, model="", inputs=0):
            await asyncio.sleep(60)

    embedder = CohereEmbedder(None, None, "m", 4, query_timeout=0.05, meter=Busy())  # type: ignore[arg-type]

    with pytest.raises(EmbeddingError, match="not known in time"):
        await embedder.embed_query("lamp")
    assert embedder.breaker.state == "closed"
