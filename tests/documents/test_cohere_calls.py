"""Cohere's calls: what each tells the ledger and the circuit, and what keeps it from being made."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace

import pytest
from django.conf import settings as configured

from chat.reranking.base import RerankError
from chat.reranking.cohere import CohereReranker
from documents import ledger, providers
from documents.embedding.base import EmbeddingError
from documents.embedding.cached import CachedEmbedder
from documents.models import ProviderUsage
from documents.upstream.breaker import FAILURES
from tests.chat.samples import passage
from tests.standins import NEVER, CohereStandIn, eventually
from tests.standins.cohere import EMBED, RERANK, error, too_many_requests

CANDIDATES = [passage("Bread is baked in ovens."), passage("Air is moist.")]


@pytest.fixture
def cohere(cohere_standin: CohereStandIn, settings) -> Iterator[CohereStandIn]:
    settings.COHERE_API_KEY, settings.COHERE_BASE_URL = cohere_standin.api_key, cohere_standin.url
    settings.RERANK_DEADLINE_MS = 5000
    providers.reset()
    yield cohere_standin
    providers.reset()


@pytest.fixture
def embedder(cohere):
    made = providers.get_embedder()
    assert isinstance(made, CachedEmbedder)
    return made.embedder


@pytest.fixture
async def reranker(cohere) -> AsyncIterator[CohereReranker]:
    from chat import providers as chat_providers

    made = chat_providers.get_reranker()
    assert isinstance(made, CohereReranker)
    yield made


def used(operation: str) -> SimpleNamespace:
    ledger.this_process.flush()
    row = ProviderUsage.objects.filter(operation=operation).values().first()
    return SimpleNamespace(**(row or {"calls": 0}))


@pytest.mark.django_db
def test_embedded_documents_are_counted_as_the_reply_says(embedder):
    texts = [f"Text number {n}." for n in range(100)]
    embedder.embed_documents(texts)
    row = used("embed")
    assert (row.calls, row.failed, row.inputs) == (2, 0, 100)
    assert row.tokens_in == sum(len(text) // 4 + 1 for text in texts)
    assert (row.provider, row.model) == ("cohere", configured.COHERE_EMBED_MODEL)


async def test_a_reranking_is_counted_in_searches(transactional_db, reranker):
    await reranker.rerank("moist air", CANDIDATES, top_k=1)
    row = await asyncio.to_thread(used, "rerank")
    assert (row.calls, row.failed, row.inputs) == (1, 0, 1)


async def test_failed_calls_are_counted_as_such(transactional_db, cohere, embedder):
    cohere.script(EMBED, error(500, "oh"))
    with pytest.raises(EmbeddingError):
        await embedder.embed_query("why")
    row = await asyncio.to_thread(used, "embed")
    assert (row.calls, row.failed) == (1, 1)


async def test_after_several_failures_queries_do_not_wait_for_cohere(cohere, embedder):
    cohere.script(EMBED, *[error(503, "away")] * FAILURES)
    for _ in range(FAILURES + 3):
        with pytest.raises(EmbeddingError):
            await embedder.embed_query("why")
    assert len(cohere.requests) == FAILURES


async def test_a_reader_who_leaves_tells_nothing_about_cohere(transactional_db, cohere, reranker):
    for number in range(FAILURES + 1):
        cohere.script(RERANK, NEVER)
        task = asyncio.create_task(reranker.rerank("air", CANDIDATES, top_k=1))
        await eventually(lambda expected=number + 1: len(cohere.requests) == expected)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert reranker.breaker.state == "closed"
    row = await asyncio.to_thread(used, "rerank")  # Cohere may have billed it
    assert row.calls == row.failed == FAILURES + 1


async def test_replies_that_are_late_again_and_again_are_not_waited_for(cohere, reranker):
    reranker.deadline = 0.05
    cohere.script(RERANK, *[NEVER] * FAILURES)
    for _ in range(FAILURES + 3):
        with pytest.raises(RerankError):
            await reranker.rerank("air", CANDIDATES, top_k=1)
    assert reranker.breaker.state == "open"
    assert len(cohere.requests) <= FAILURES


def test_a_bad_request_does_not_open_the_circuit(cohere, embedder):
    cohere.script(EMBED, *[error(400, "bad")] * FAILURES)
    for _ in range(FAILURES):
        with pytest.raises(EmbeddingError):
            embedder.embed_documents(["text"])
    assert embedder.breaker.state == "closed"


def test_a_limit_of_the_minute_slows_documents_down_and_leaves_queries_alone(cohere, embedder):
    waits: list[float] = []
    embedder.pace.sleep = lambda seconds: (
        waits.append(seconds) or embedder.pace.__dict__.update(_until=0.0)
    )
    embedder.pace.store = None
    cohere.script(EMBED, too_many_requests(retry_after="7"))
    embedder.embed_documents(["text"])
    assert waits == [pytest.approx(7, abs=0.5)]
    assert embedder.breaker.state == "closed"


async def test_without_room_in_the_minute_a_query_is_refused_at_once(cohere, embedder, settings):
    settings.COHERE_INPUTS_A_MINUTE = 1
    await embedder.embed_query("one")
    with pytest.raises(EmbeddingError, match="1 a minute"):
        await embedder.embed_query("two")
    assert len(cohere.requests) == 1


async def test_without_room_in_the_minute_nothing_is_reranked(cohere, reranker, settings):
    settings.COHERE_RERANKS_A_MINUTE = 1
    await reranker.rerank("air", CANDIDATES, top_k=1)
    with pytest.raises(RerankError, match="1 a minute"):
        await reranker.rerank("air", CANDIDATES, top_k=1)
    assert len(cohere.requests) == 1
    assert reranker.breaker.state == "closed"


def test_without_room_in_the_minute_documents_wait(cohere, embedder, settings):
    settings.COHERE_INPUTS_A_MINUTE = 100
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        embedder.pace._until = 0.0
        settings.COHERE_INPUTS_A_MINUTE = 0  # the minute is over

    embedder.pace.sleep, embedder.pace.store = sleep, None
    embedder.embed_documents([f"Text {n}" for n in range(150)])
    assert len(waits) == 1
    assert 50 < waits[0] <= 60
    assert len(cohere.requests) == 2


@pytest.mark.django_db
def test_an_exhausted_month_stops_documents_for_good(cohere, embedder, settings):
    settings.COHERE_CALLS_A_MONTH = 1
    with pytest.raises(EmbeddingError, match="COHERE_CALLS_A_MONTH") as raised:
        embedder.embed_documents([f"Text {n}" for n in range(150)])
    assert not raised.value.retryable
    assert len(cohere.requests) == 1


async def test_an_open_circuit_takes_nothing_of_the_budget(
    transactional_db, cohere, reranker, settings
):
    settings.COHERE_CALLS_A_MONTH = 100
    reranker.breaker.failed(rest=60)
    with pytest.raises(RerankError):
        await reranker.rerank("air", CANDIDATES, top_k=1)
    assert (await asyncio.to_thread(used, "rerank")).calls == 0
    assert not cohere.requests


async def test_the_months_429_stops_the_other_calls_of_the_key_as_well(
    transactional_db, cohere, reranker, embedder, settings
):
    settings.COHERE_CALLS_A_MONTH = 100
    cohere.script(RERANK, too_many_requests(monthly=True))
    with pytest.raises(RerankError):
        await reranker.rerank("air", CANDIDATES, top_k=1)
    await asyncio.to_thread(ledger.this_process.flush)
    with pytest.raises(EmbeddingError, match="cohere says"):
        await embedder.embed_query("why")
    assert len(cohere.requests) == 1
