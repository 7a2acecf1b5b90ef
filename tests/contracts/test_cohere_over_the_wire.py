"""Our Cohere adapters and the real SDK, over real sockets, against the stand-in."""

from collections.abc import AsyncIterator

import cohere
import numpy as np
import pytest

from chat.reranking.base import RerankError
from chat.reranking.cohere import CohereReranker
from documents.embedding.base import EmbeddingError
from documents.embedding.cohere import CohereEmbedder
from documents.embedding.pacing import Pace
from documents.upstream.http import sync_client
from tests.chat.samples import new_client, passage
from tests.clocks import SleepingClock
from tests.standins import EMPTY_200, NO_REPLY, RESET, html_reply
from tests.standins.cohere import EMBED, RERANK, error, too_many_requests
from tests.standins.corrupt import CORRUPT_EMBEDDINGS, corrupt


@pytest.fixture
async def embedder(cohere_standin) -> AsyncIterator[CohereEmbedder]:
    clock = SleepingClock()
    options = {"api_key": cohere_standin.api_key, "base_url": cohere_standin.url, "max_retries": 0}
    async with new_client() as client:
        with sync_client(read=10, total=20) as patient:
            asynchronous = cohere.AsyncClientV2(**options, httpx_client=client)
            yield CohereEmbedder(
                cohere.ClientV2(**options, httpx_client=patient),
                lambda: asynchronous,
                "embed-v4.0",
                256,
                Pace("cohere", sleep=clock.sleep, now=clock.now),
            )


async def test_documents_and_queries_share_a_space(embedder):
    texts = ["Perovskites degrade in moist air.", "Bread is baked in ovens."]
    vectors = embedder.embed_documents(texts)
    asked = await embedder.embed_query("Why do perovskites degrade?")
    assert vectors.shape == (2, 256)
    assert vectors.dtype == asked.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ asked > vectors[1] @ asked + 0.2


async def test_the_requests_are_what_cohere_documents(cohere_standin, embedder):
    embedder.embed_documents(["one"])
    await embedder.embed_query("two")
    bodies = [request.json for request in cohere_standin.requests_to(EMBED)]
    assert [body["input_type"] for body in bodies] == ["search_document", "search_query"]
    assert all(body["output_dimension"] == 256 for body in bodies)
    assert all(body["embedding_types"] == ["float"] for body in bodies)


async def test_batches_hold_at_most_ninety_six_texts_in_their_order(cohere_standin, embedder):
    texts = [f"text number {n}" for n in range(200)]
    vectors = embedder.embed_documents(texts)
    sent = [request.json["texts"] for request in cohere_standin.requests_to(EMBED)]
    assert [len(batch) for batch in sent] == [96, 96, 8]
    assert [text for batch in sent for text in batch] == texts
    assert vectors.shape == (200, 256)


@pytest.mark.parametrize("change", CORRUPT_EMBEDDINGS.values(), ids=CORRUPT_EMBEDDINGS.keys())
async def test_corrupt_embeddings_are_not_believed(cohere_standin, embedder, change):
    cohere_standin.script(EMBED, *[corrupt(change)] * 4)
    with pytest.raises(EmbeddingError):
        embedder.embed_documents(["one", "two"])


@pytest.mark.parametrize("change", CORRUPT_EMBEDDINGS.values(), ids=CORRUPT_EMBEDDINGS.keys())
async def test_a_corrupt_query_vector_is_not_believed(cohere_standin, embedder, change):
    cohere_standin.script(EMBED, corrupt(change))
    with pytest.raises(EmbeddingError):
        await embedder.embed_query("one")


@pytest.mark.parametrize(
    "reply",
    [error(401, "invalid api token"), html_reply(503), html_reply(200), EMPTY_200, NO_REPLY, RESET],
    ids=["401", "503 page", "200 page", "empty", "closed", "reset"],
)
async def test_failures_of_a_query_are_embedding_errors(cohere_standin, embedder, reply):
    cohere_standin.script(EMBED, *[reply] * 4)
    with pytest.raises(EmbeddingError) as caught:
        await embedder.embed_query("one")
    assert cohere_standin.api_key not in str(caught.value)


async def test_the_monthly_stop_is_not_retried(cohere_standin, embedder):
    cohere_standin.script(EMBED, *[too_many_requests(monthly=True)] * 4)
    with pytest.raises(EmbeddingError):
        embedder.embed_documents(["one"])
    assert len(cohere_standin.requests) == 1


async def test_a_trial_key_that_is_used_up_leaves_the_fused_order(cohere_trial_standin):
    standin = cohere_trial_standin
    candidates = [passage("one"), passage("two")]
    async with new_client() as client:
        sdk = cohere.AsyncClientV2(standin.api_key, base_url=standin.url, httpx_client=client)
        reranker = CohereReranker(sdk, "rerank-v3.5", deadline=10)
        for _ in range(10):
            assert len(await reranker.rerank("one", candidates, top_k=2)) == 2
        with pytest.raises(RerankError):
            await reranker.rerank("one", candidates, top_k=2)
    assert len(standin.requests_to(RERANK)) == 11
