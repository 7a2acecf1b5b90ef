"""The reranker and the chat model that the settings ask for, one of each per event loop.

Clients keep connections, and those live and die with an event loop. A server has one; a command
or a test may see several.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from chat.llm.base import ChatModel
from chat.llm.fallback import MAX_CALLS
from chat.llm.guard import MAX_MODELS, Guard
from chat.models import AnswerModel
from chat.reranking.base import Reranker
from documents.budgets import is_free
from documents.providers import breaker, meter
from documents.threads import in_database_thread

if TYPE_CHECKING:
    import httpx

OPENAI_URL = "https://api.openai.com/v1"
APPLICATION = "ragsite"  # how we name ourselves to providers
# Seconds beyond the model's own deadline, which tells more of what it was that took too long.
GRACE = 5.0

OPENROUTER, OPENAI = "openrouter", "openai"
LOOK_AGAIN = 15.0  # seconds in which a curator's choice of models reaches all processes

_chosen: dict[str, list[str]] = {}
_looked_at = -LOOK_AGAIN
_built: dict[asyncio.AbstractEventLoop | None, dict[str, Any]] = {}


def get_reranker() -> Reranker:
    """Cohere's with a key, else the fused order."""
    reranker: Reranker = _once("reranker", _build_reranker)
    return reranker


def get_chat_model() -> ChatModel:
    """The configured models in a chain, OpenRouter's first; without any, quotations."""
    model: ChatModel = _once("chat model", _build_chat_model)
    return model


async def follow_the_curator() -> None:
    """Look, now and then and only while questions come, whether other models were chosen."""
    global _chosen, _looked_at
    if not (settings.OPENROUTER_API_KEY or _openai_url()) or monotonic() < _looked_at + LOOK_AGAIN:
        return
    _looked_at = monotonic()
    try:
        chosen = await in_database_thread(AnswerModel.objects.chosen)()
    except DatabaseError:
        return  # the turn will find out itself
    if chosen != _chosen:
        _chosen = chosen
        for built in _built.values():
            built.pop("chat model", None)


def get_quotes() -> ChatModel | None:
    """Who quotes when no model can write; None where there is no model, or nobody should."""
    if not (settings.EXTRACTIVE_FALLBACK and get_chat_model().writes_prose):
        return None
    quotes: ChatModel = _once("quotes", _build_quotes)
    return quotes


def reset() -> None:
    """Forget what was built: settings have changed."""
    global _chosen, _looked_at
    _built.clear()
    _chosen, _looked_at = {}, -LOOK_AGAIN


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


def _model_client() -> "httpx.AsyncClient":
    from documents.upstream.http import async_client

    return async_client(
        connect=settings.MODEL_CONNECT_TIMEOUT,
        read=settings.MODEL_STALL_TIMEOUT,
        total=settings.MODEL_TOTAL_TIMEOUT + GRACE,
    )


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
    from documents.upstream.http import async_client

    deadline = settings.RERANK_DEADLINE_MS / 1000
    client = cohere.AsyncClientV2(
        settings.COHERE_API_KEY,
        base_url=settings.COHERE_BASE_URL,
        client_name=APPLICATION,
        max_retries=0,
        httpx_client=async_client(read=deadline, total=deadline),
    )
    return CohereReranker(
        client,
        settings.COHERE_RERANK_MODEL,
        deadline=deadline,
        breaker=breaker("cohere/rerank"),
        meter=meter("cohere"),
    )


def _build_chat_model() -> ChatModel:
    asked = dict(models_asked(_chosen))
    if not asked:
        return _build_quotes()
    from chat.llm.fallback import FallbackModel

    return FallbackModel(
        [*_openrouter_models(asked.get(OPENROUTER)), *_openai_models(asked.get(OPENAI))]
    )


def _build_quotes() -> ChatModel:
    from chat.llm.extractive import ExtractiveModel
    from documents.providers import get_local_embedder

    return ExtractiveModel(get_local_embedder())


def models_asked(chosen: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """The models of each configured provider, in the order in which they are asked: those that a
    curator chose, or else the settings'."""
    openrouter = chosen.get(OPENROUTER) or settings.OPENROUTER_MODELS
    openai = chosen.get(OPENAI) or [settings.OPENAI_MODEL]
    calls = MAX_CALLS - bool(_openai_url())  # one is kept for the other provider
    asked = []
    if settings.OPENROUTER_API_KEY:
        names = [name for call in _by_call(_names(openrouter))[:calls] for name in call]
        asked.append((OPENROUTER, names))
    if _openai_url():
        asked.append((OPENAI, _names(openai)[:MAX_CALLS]))
    return asked


def _names(listed: Sequence[str]) -> list[str]:
    return [name.strip() for name in listed if name.strip()]


def _by_call(slugs: Sequence[str]) -> list[list[str]]:
    """Groups of three. None holds free models and others: a call is admitted by one budget, and
    whichever of its models OpenRouter takes must not use up another."""
    alike = [list(run) for _free, run in groupby(slugs, is_free)]
    return [
        run[first : first + MAX_MODELS] for run in alike for first in range(0, len(run), MAX_MODELS)
    ]


def _openrouter_models(slugs: Sequence[str] | None) -> Iterator[ChatModel]:
    """One for each call."""
    if slugs is None:
        return
    if not slugs:
        raise ImproperlyConfigured("OPENROUTER_API_KEY is set, but OPENROUTER_MODELS is empty.")
    from chat.llm.openai_compatible import OpenAICompatibleModel

    client = _once("client", _model_client)
    for group in _by_call(slugs):
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
            guard=Guard(OPENROUTER, group, breaker, meter(OPENROUTER)),
        )


def _openai_models(names: Sequence[str] | None) -> Iterator[ChatModel]:
    if names is None:
        return
    if not names:
        raise ImproperlyConfigured("OPENAI_BASE_URL or OPENAI_API_KEY needs OPENAI_MODEL.")
    from chat.llm.openai_compatible import OpenAICompatibleModel

    url = _openai_url()
    # OpenAI's newer models refuse max_tokens; most other servers know nothing else.
    field = "max_completion_tokens" if url.startswith(OPENAI_URL) else "max_tokens"
    for name in names:
        yield OpenAICompatibleModel(
            _once("client", _model_client),
            url,
            model=name,
            api_key=settings.OPENAI_API_KEY,
            max_tokens=settings.ANSWER_MAX_TOKENS,
            max_tokens_field=field,
            body={"stream_options": {"include_usage": True}},
            timeouts=_timeouts(),
            guard=Guard(OPENAI, [name], breaker, meter(OPENAI)),
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
