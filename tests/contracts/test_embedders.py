"""What every embedder does, run against every implementation."""

import asyncio
import json
from importlib.util import find_spec

import cohere
import httpx
import numpy as np
import pytest
from django.conf import settings

from documents.embedding.base import Embedder
from documents.embedding.bundled import BundledEmbedder
from documents.embedding.cached import CachedEmbedder
from documents.embedding.cohere import CohereEmbedder
from documents.embedding.hashing import HashingEmbedder
from documents.embedding.multilingual import PACKAGE, MultilingualEmbedder

TEXTS = [
    "Install the package with npm.",
    "A sidebar lists the pages of a section.",
    "",
    "The sidebar lists pages of one section. " * 200,
]


def cohere_embedder() -> CohereEmbedder:
    hashing = HashingEmbedder(256)

    def respond(request: httpx.Request) -> httpx.Response:
        vectors = hashing.embed_documents(json.loads(request.content)["texts"]).tolist()
        return httpx.Response(200, json={"id": "1", "embeddings": {"float": vectors}})

    transport = httpx.MockTransport(respond)
    client = cohere.ClientV2("key", httpx_client=httpx.Client(transport=transport))
    return CohereEmbedder(
        client,
        lambda: cohere.AsyncClientV2("key", httpx_client=httpx.AsyncClient(transport=transport)),
        "embed-v4.0",
        256,
    )


MULTILINGUAL = MultilingualEmbedder(settings.MODEL_DIR)  # one for all: it takes seconds to load
NOT_INSTALLED = pytest.mark.skipif(
    find_spec(PACKAGE) is None, reason="requirements-multilingual.txt is not installed"
)


@pytest.fixture(
    params=[
        "hashing",
        "bundled",
        "bundled, two threads",
        pytest.param("multilingual", marks=NOT_INSTALLED),
        "cohere",
        "cached",
    ]
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: dict[str, Embedder] = {
        "hashing": HashingEmbedder(),
        "bundled": BundledEmbedder(settings.MODEL_DIR),
        "bundled, two threads": BundledEmbedder(settings.MODEL_DIR, threads=2),
        "multilingual": MULTILINGUAL,
        "cohere": cohere_embedder(),
        "cached": CachedEmbedder(HashingEmbedder()),
    }
    return made[request.param]


def test_one_unit_vector_for_each_text_in_its_order(embedder: Embedder) -> None:
    texts = TEXTS * 5
    vectors = embedder.embed_documents(texts)
    assert vectors.shape == (len(texts), embedder.space.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)
    for row, text in enumerate(texts[:4]):
        # Not quite 1: an int8 graph takes its scale from the whole batch.
        assert vectors[row] @ embedder.embed_documents([text])[0] > 0.95


def test_no_texts_make_an_empty_matrix(embedder: Embedder) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.space.dimension)


async def test_a_query_lies_nearest_to_the_text_about_it(embedder: Embedder) -> None:
    vector = await embedder.embed_query("which pages does the sidebar list")
    assert vector.shape == (embedder.space.dimension,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
    assert int(np.argmax(embedder.embed_documents(TEXTS[:2]) @ vector)) == 1


def test_queries_may_come_from_one_event_loop_after_another(embedder: Embedder) -> None:
    first = asyncio.run(embedder.embed_query("install"))
    assert asyncio.run(embedder.embed_query("install")) == pytest.approx(first, abs=1e-6)


def test_it_says_what_space_it_is_and_whether_it_is_local(embedder: Embedder) -> None:
    assert str(embedder.space).count("/") == 3
    assert embedder.languages is None or "en" in embedder.languages
