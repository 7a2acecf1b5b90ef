"""CohereReranker: what it sends, what it believes, and when it gives up."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import cohere
import pytest

from chat.reranking.base import RerankError
from chat.reranking.cohere import CohereReranker
from documents.upstream.breaker import Breaker
from tests.chat.samples import new_client, passage
from tests.clocks import SleepingClock
from tests.standins import (
    EMPTY_200,
    NEVER,
    NO_REPLY,
    RESET,
    CohereStandIn,
    eventually,
    html_reply,
)
from tests.standins.cohere import (
    RERANK,
    error,
    invalid_token,
    payment_required,
    rerank_reply,
    too_many_requests,
)
from tests.standins.corrupt import CORRUPT_RERANKS, corrupt, shuffled_results

CANDIDATES = [
    passage("Bread is baked in ovens."),
    passage("Perovskites degrade in moist air."),
    passage("Moist air makes perovskites and other cells degrade."),
]
QUERY = "why do perovskites degrade in moist air"


@pytest.fixture
async def reranker(cohere_standin: CohereStandIn) -> AsyncIterator[CohereReranker]:
    async with new_client() as client:
        yield reranker_of(cohere_standin, client)


def reranker_of(standin: CohereStandIn, client, *, deadline: float = 10.0, key: str = ""):
    sdk = cohere.AsyncClientV2(
        key or standin.api_key, base_url=standin.url, httpx_client=client, max_retries=0
    )
    return CohereReranker(sdk, "rerank-v3.5", deadline=deadline)


async def test_the_best_come_first_with_their_scores(reranker):
    best = await reranker.rerank(QUERY, CANDIDATES, top_k=2)
    assert [p.text for p in best] == [CANDIDATES[1].text, CANDIDATES[2].text]
    assert 1 >= best[0].score >= best[1].score > 0


async def test_the_request_is_what_cohere_documents(cohere_standin, reranker):
    await reranker.rerank(QUERY, CANDIDATES, top_k=2)
    (request,) = cohere_standin.requests_to(RERANK)
    assert request.json == {
        "model": "rerank-v3.5",
        "query": QUERY,
        "documents": [f"Guide\n{candidate.text}" for candidate in CANDIDATES],
        "top_n": 2,
        "max_tokens_per_doc": 500,
    }


async def test_long_passages_are_cut_and_no_more_than_a_hundred_are_sent(cohere_standin, reranker):
    latin = [passage(f"{n} " + "word " * 2000) for n in range(149)]
    japanese = passage("語" * 5000, title="本")
    best = await reranker.rerank("word", [japanese, *latin], top_k=200)
    documents = cohere_standin.requests_to(RERANK)[0].json["documents"]
    assert len(documents) == len(best) == 100
    assert max(map(len, documents)) == 2000
    assert len(documents[0]) <= 501


async def test_no_candidates_no_call(cohere_standin, reranker):
    assert await reranker.rerank(QUERY, [], top_k=5) == []
    assert cohere_standin.requests == []


async def test_the_order_is_made_by_score_not_believed(cohere_standin, reranker):
    cohere_standin.script(RERANK, corrupt(shuffled_results))
    best = await reranker.rerank(QUERY, CANDIDATES, top_k=3)
    assert [p.score for p in best] == sorted((p.score for p in best), reverse=True)


@pytest.mark.parametrize("change", CORRUPT_RERANKS.values(), ids=CORRUPT_RERANKS.keys())
async def test_nonsense_is_not_believed(cohere_standin, reranker, change):
    cohere_standin.script(RERANK, corrupt(change))
    with pytest.raises(RerankError):
        await reranker.rerank(QUERY, CANDIDATES, top_k=3)


FAILURES = {
    "bad request": error(400, "invalid request"),
    "wrong key": error(401, "invalid api token"),
    "billing": payment_required(),
    "no such model": error(404, "model not found"),
    "minute limit": too_many_requests(retry_after="60"),
    "month limit": too_many_requests(monthly=True),
    "blocked token": invalid_token(),
    "server": error(500, "internal server error"),
    "edge page": html_reply(503),
    "gateway timeout": html_reply(504),
    "HTML success": html_reply(200),
    "empty success": EMPTY_200,
    "cut success": rerank_reply(
        {"model": "rerank-v3.5", "query": "a", "documents": ["a"]}
    ).cut_after(20),
    "closed": NO_REPLY,
    "reset": RESET,
}


@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES.keys())
async def test_every_failure_is_a_rerank_error_after_one_call(cohere_standin, reranker, reply):
    cohere_standin.script(RERANK, reply)
    with pytest.raises(RerankError) as caught:
        await reranker.rerank(QUERY, CANDIDATES, top_k=3)
    assert len(cohere_standin.requests) == 1
    assert cohere_standin.api_key not in str(caught.value)


async def test_the_deadline_is_kept_and_the_call_is_given_up(cohere_standin):
    cohere_standin.script(RERANK, NEVER)
    async with new_client() as client:
        reranker = reranker_of(cohere_standin, client, deadline=0.2)
        begun = time.monotonic()
        with pytest.raises(RerankError, match=r"within 0\.2 s"):
            await reranker.rerank(QUERY, CANDIDATES, top_k=3)
        assert time.monotonic() - begun < 2
    await eventually(lambda: cohere_standin.requests[0].disconnected_at)


@pytest.mark.parametrize(
    ("reply", "calls"),
    [
        (too_many_requests(monthly=True), 1),
        (too_many_requests(), 1),
        (payment_required(), 1),
        (invalid_token(), 1),
        (error(500, "once"), 2),
        (error(400, "this query only"), 2),
    ],
)
async def test_it_is_left_alone_when_the_next_call_would_fail_alike(
    cohere_standin, reranker, reply, calls
):
    cohere_standin.script(RERANK, reply, reply)
    for _ in range(2):
        with pytest.raises(RerankError):
            await reranker.rerank(QUERY, CANDIDATES, top_k=3)
    assert len(cohere_standin.requests) == calls


@pytest.mark.parametrize(
    ("reply", "seconds", "calls"),
    [
        (too_many_requests(), 61, 2),
        (too_many_requests(monthly=True), 61, 1),
        (too_many_requests(monthly=True), 3601, 2),
    ],
)
async def test_it_comes_back_after_its_rest(cohere_standin, reranker, reply, seconds, calls):
    clock = SleepingClock()
    reranker.breaker = Breaker.alone("cohere/rerank", now=clock.now)
    cohere_standin.script(RERANK, reply)
    with pytest.raises(RerankError):
        await reranker.rerank(QUERY, CANDIDATES, top_k=3)
    clock.sleep(seconds)
    with suppress(RerankError):
        await reranker.rerank(QUERY, CANDIDATES, top_k=3)
    assert len(cohere_standin.requests) == calls


async def test_cancelling_is_not_an_error_of_the_reranker(cohere_standin, reranker):
    cohere_standin.script(RERANK, NEVER)
    task = asyncio.create_task(reranker.rerank(QUERY, CANDIDATES, top_k=3))
    await eventually(lambda: cohere_standin.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
