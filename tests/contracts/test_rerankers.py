"""What every reranker keeps to."""

from collections.abc import AsyncIterator

import cohere
import pytest

from chat.reranking.base import Reranker
from chat.reranking.cohere import CohereReranker
from chat.reranking.passthrough import KeepOrder
from tests.chat.samples import new_client, passage

CANDIDATES = [passage(f"Passage {n} about {topic}.") for n, topic in enumerate(["tea", "air", ""])]


@pytest.fixture(params=["keep order", "cohere"])
async def reranker(request, cohere_standin) -> AsyncIterator[Reranker]:
    async with new_client() as client:
        sdk = cohere.AsyncClientV2(
            cohere_standin.api_key, base_url=cohere_standin.url, httpx_client=client
        )
        yield (
            KeepOrder()
            if request.param == "keep order"
            else CohereReranker(sdk, "rerank-v3.5", deadline=10)
        )


@pytest.mark.parametrize("top_k", [1, 2, 3, 50])
async def test_at_most_top_k_of_the_candidates_and_none_twice(reranker, top_k):
    best = await reranker.rerank("air", CANDIDATES, top_k=top_k)
    ids = [p.chunk_id for p in best]
    assert len(ids) == len(set(ids)) == min(top_k, 3)
    assert set(ids) <= {candidate.chunk_id for candidate in CANDIDATES}


async def test_no_candidates_no_passages(reranker):
    assert await reranker.rerank("air", [], top_k=3) == []


async def test_the_candidates_are_left_as_they_were(reranker):
    before = list(CANDIDATES)
    await reranker.rerank("air", CANDIDATES, top_k=3)
    assert before == CANDIDATES


async def test_it_has_a_name(reranker):
    assert reranker.name


async def test_keeping_the_order_keeps_it():
    assert await KeepOrder().rerank("air", CANDIDATES, top_k=2) == CANDIDATES[:2]
