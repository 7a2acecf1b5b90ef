"""The reranker and the chat model that the settings ask for, one of each per event loop.

Clients keep connections, and those live and die with an event loop. A server has one; a command
or a test may see several.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from chat.llm.base import ChatModel
from chat.reranking.base import Reranker

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
APPLICATION = "ragsite"  # how we name ourselves to providers
SOCKETS = 1000  # every reader who waits for an answer holds one

_built: dict[asyncio.AbstractEventLoop | None, dict[str, Any]] = {}


def get_reranker() -> Reranker:
    """Cohere's with a key, else the fused order."""
    reranker: Reranker = _once("reranker", _build_reranker)
    return reranker


def get_chat_model() -> ChatModel:
    """The configured models in a chain, OpenRouter's first; without any, quotations."""
    model: ChatModel = _once("chat model", _build_chat_model)
    return model


def get_quotes() -> ChatModel | None:
    """Who quotes when no model can write; None where there is no model, or nobody should."""
    if not (settings.EXTRACTIVE_FALLBACK and get_chat_model().writes_prose):
        return None
    quotes: ChatModel = _once("quotes", _build_quotes)
    return quotes


def reset() -> None:
    """Forget what was built: settings have changed."""
    _built.clear()


def _once(what: str, build: Callable[[], Any]) -> Any:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if what not in _built.get(loop, ()):
        for closed in [known for known in _built if known and known.is_closed()]:
            del _built[closed]
        _built.setdefault(loop, {})[what] = build()
    return _built[loop][what]


def _client() -> "httpx.AsyncClient":
    import httpx

    # trust_env off: neither a proxy of the environment nor a .netrc may redirect or sign requests.
    limits = httpx.Limits(max_connections=SOCKETS, max_keepalive_connections=50)
    return httpx.AsyncClient(trust_env=False, limits=limits)


def _build_reranker() -> Reranker:
    from chat.reranking.passthrough import KeepOrder

    choice = settings.RERANKER
    if choice not in ("auto", "cohere", "none"):
        raise ImproperlyConfigured(f"RERANKER is {choice!r}; it may be auto, cohere or none.")
    if choice == "none" or (choice == "auto" and not settings.COHERE_API_KEY):
        return KeepOrder()
    if not settings.COHERE_API_KEY:
        raise ImproperlyConfigured("RERANKER=cohere needs COHERE_API_KEY.")

    import cohere

    from chat.reranking.cohere import CohereReranker

    client = cohere.AsyncClientV2(
        settings.COHERE_API_KEY,
        base_url=settings.COHERE_BASE_URL,
        client_name=APPLICATION,
        max_retries=0,
        httpx_client=_client(),
    )
    deadline = settings.RERANK_DEADLINE_MS / 1000
    return CohereReranker(client, settings.COHERE_RERANK_MODEL, deadline=deadline)


def _build_chat_model() -> ChatModel:
    models = [*_openrouter_models(), *_openai_models()]
    if not models:
        return _build_quotes()
    from chat.llm.fallback import FallbackModel

    return FallbackModel(models)


def _build_quotes() -> ChatModel:
    from chat.llm.extractive import ExtractiveModel
    from documents.providers import get_local_embedder

    return ExtractiveModel(get_local_embedder())


def _openrouter_models() -> Iterator[ChatModel]:
    """Groups of three, one call each; as many groups as a turn may make calls."""
    if not settings.OPENROUTER_API_KEY:
        return
    from chat.llm.fallback import MAX_CALLS
    from chat.llm.openai_compatible import MAX_MODELS, OpenAICompatibleModel

    slugs = [slug.strip() for slug in settings.OPENROUTER_MODELS if slug.strip()]
    if not slugs:
        raise ImproperlyConfigured("OPENROUTER_API_KEY is set, but OPENROUTER_MODELS is empty.")
    calls = MAX_CALLS - bool(_openai_url())  # one is kept for the other provider
    if len(slugs) > calls * MAX_MODELS:
        logger.warning("Only the first %d of OPENROUTER_MODELS are used", calls * MAX_MODELS)
    client = _client()
    for first in range(0, min(len(slugs), calls * MAX_MODELS), MAX_MODELS):
        group = slugs[first : first + MAX_MODELS]
        yield OpenAICompatibleModel(
            client,
            settings.OPENROUTER_BASE_URL,
            models=group,
            name=group[0],
            api_key=settings.OPENROUTER_API_KEY,
            max_tokens=settings.ANSWER_MAX_TOKENS,
            max_tokens_field="max_completion_tokens",
            headers={"X-OpenRouter-Title": APPLICATION},
            body={"provider": {"data_collection": _data_collection()}},
            timeouts=_timeouts(),
        )


def _openai_models() -> Iterator[ChatModel]:
    url = _openai_url()
    if not url:
        return
    if not settings.OPENAI_MODEL:
        raise ImproperlyConfigured("OPENAI_BASE_URL or OPENAI_API_KEY needs OPENAI_MODEL.")
    from chat.llm.openai_compatible import OpenAICompatibleModel

    # OpenAI's newer models refuse max_tokens; most other servers know nothing else.
    field = "max_completion_tokens" if url.startswith(OPENAI_URL) else "max_tokens"
    yield OpenAICompatibleModel(
        _client(),
        url,
        model=settings.OPENAI_MODEL,
        api_key=settings.OPENAI_API_KEY,
        max_tokens=settings.ANSWER_MAX_TOKENS,
        max_tokens_field=field,
        body={"stream_options": {"include_usage": True}},
        timeouts=_timeouts(),
    )


def _openai_url() -> str:
    url: str = settings.OPENAI_BASE_URL or (OPENAI_URL if settings.OPENAI_API_KEY else "")
    return url


def _data_collection() -> str:
    """`deny` keeps prompts from providers that train on them; most `:free` models need `allow`."""
    return str(settings.OPENROUTER_DATA_COLLECTION)


def _timeouts() -> Any:
    from chat.llm.openai_compatible import Timeouts

    return Timeouts(
        connect=settings.MODEL_CONNECT_TIMEOUT,
        first_token=settings.MODEL_FIRST_TOKEN_TIMEOUT,
        stall=settings.MODEL_STALL_TIMEOUT,
        total=settings.MODEL_TOTAL_TIMEOUT,
    )
