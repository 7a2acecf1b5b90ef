"""Which embedder and index the settings select."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from documents import providers
from documents.embedding.base import NO_DENSE_VECTORS
from documents.embedding.cached import CachedEmbedder
from documents.index.embedded import EmbeddedIndex
from documents.index.qdrant import QdrantIndex


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    providers.reset()
    yield
    providers.reset()


@pytest.mark.parametrize(
    ("embedder", "key", "provider"),
    [
        ("auto", "", "bundled"),
        ("auto", "key", "cohere"),
        ("bundled", "key", "bundled"),
        ("cohere", "key", "cohere"),
        ("multilingual", "", "bundled"),
    ],
)
def test_the_embedder(embedder: str, key: str, provider: str, settings: Settings) -> None:
    settings.EMBEDDER, settings.COHERE_API_KEY = embedder, key
    made = providers.get_embedder()
    assert isinstance(made, CachedEmbedder)
    assert made.space.provider == provider
    assert made is providers.get_embedder()
    assert providers.get_index().space == made.space


def test_the_multilingual_embedder_leaves_sentences_to_the_fast_one(settings: Settings) -> None:
    settings.EMBEDDER = "multilingual"
    made = providers.get_embedder()
    assert made is not None
    assert (made.space.model, made.languages) == ("multilingual-e5-small-int8", None)
    local = providers.get_local_embedder()
    assert local is not None
    assert local.space.model == "all-MiniLM-L6-v2-int8"


def test_words_alone_without_an_embedder(settings: Settings) -> None:
    settings.EMBEDDER = "none"
    assert providers.get_embedder() is None
    assert providers.get_local_embedder() is None
    assert providers.get_index().space == NO_DENSE_VECTORS


def test_words_alone_without_the_models_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda name: None)
    assert providers.get_embedder() is None


def test_the_local_embedder_is_the_one_that_embeds(settings: Settings) -> None:
    embedder = providers.get_embedder()
    assert isinstance(embedder, CachedEmbedder)
    assert embedder.embedder is providers.get_local_embedder()
    settings.COHERE_API_KEY = "key"
    providers.reset()
    local = providers.get_local_embedder()
    assert local is not None
    assert local.languages == {"en"}


def test_the_index(settings: Settings) -> None:
    settings.QDRANT_URL = ""
    providers.reset()
    assert isinstance(providers.get_index(), EmbeddedIndex)
    settings.QDRANT_URL = "http://127.0.0.1:1"
    providers.reset()
    assert isinstance(providers.get_index(), QdrantIndex)
    settings.QDRANT_URL = ":memory:"
    providers.reset()
    providers.get_index().prepare()
