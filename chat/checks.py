"""`manage.py check` on reranking and chat models: what is missing, or set but unused."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from chat.llm.fallback import MAX_CALLS
from chat.llm.guard import MAX_MODELS
from documents.budgets import is_free
from documents.checks import OURS

RERANKERS = ("auto", "cohere", "none")


@register(OURS)
def models_are_configured(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.RERANKER not in RERANKERS:
        found.append(
            Error(
                f'RERANKER is "{settings.RERANKER}".',
                hint=f"Set it to one of {', '.join(RERANKERS)}.",
                id="chat.E001",
            )
        )
    if not 0 <= settings.EVIDENCE_THRESHOLD <= 1:
        found.append(
            Error(
                f"EVIDENCE_THRESHOLD is {settings.EVIDENCE_THRESHOLD}.",
                hint="Set it to a chance between 0 and 1, or to 0 for what was calibrated.",
                id="chat.E006",
            )
        )
    if settings.RERANKER == "cohere" and not settings.COHERE_API_KEY:
        found.append(
            Error(
                "RERANKER is cohere, but COHERE_API_KEY is empty.",
                hint="Set COHERE_API_KEY, or RERANKER=auto to go without.",
                id="chat.E002",
            )
        )
    if (settings.OPENAI_BASE_URL or settings.OPENAI_API_KEY) and not settings.OPENAI_MODEL:
        found.append(
            Error(
                "OPENAI_BASE_URL or OPENAI_API_KEY is set, but OPENAI_MODEL is empty.",
                hint="Name the model that server should answer with.",
                id="chat.E003",
            )
        )
    models = [slug for slug in settings.OPENROUTER_MODELS if slug.strip()]
    if settings.OPENROUTER_API_KEY and not models:
        found.append(
            Error(
                "OPENROUTER_API_KEY is set, but OPENROUTER_MODELS is empty.",
                hint="Name at least one model, for example OPENROUTER_MODELS=openrouter/auto.",
                id="chat.E004",
            )
        )
    most = MAX_CALLS * MAX_MODELS
    if len(models) > most:
        found.append(
            Warning(
                f"OPENROUTER_MODELS names {len(models)} models; no more than {most} are asked.",
                hint=f"A question makes {MAX_CALLS} calls at most, with {MAX_MODELS} models each.",
                id="chat.W002",
            )
        )
    dear = [slug for slug in models if not is_free(slug)]
    limits = settings.OPENROUTER_DOLLARS_A_DAY or settings.OPENROUTER_DOLLARS_A_MONTH
    if settings.FREE_TIER and settings.OPENROUTER_API_KEY and dear and not limits:
        found.append(
            Warning(
                f"FREE_TIER is set, but OPENROUTER_MODELS names what costs money: {dear[0]}.",
                hint="Name models that end in :free, or set OPENROUTER_DOLLARS_A_DAY.",
                id="chat.W003",
            )
        )
    if settings.OPENAI_MODEL and not (settings.OPENAI_BASE_URL or settings.OPENAI_API_KEY):
        found.append(
            Warning(
                "OPENAI_MODEL is set, but no OPENAI_BASE_URL and no OPENAI_API_KEY: unused.",
                hint="Set OPENAI_BASE_URL to the server's address, or OPENAI_API_KEY for OpenAI.",
                id="chat.W001",
            )
        )
    return found
