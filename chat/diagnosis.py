"""The servers of chat models, asked by `manage.py doctor`: key, credit, and whether models exist.

Neither of these requests counts against an allowance or costs anything.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from chat.models import AnswerModel
from chat.providers import OPENAI, OPENAI_URL, OPENROUTER, models_asked
from documents.budgets import is_free
from documents.diagnosis.base import Finding, Visits, payload_of, refusal, shown

# Endings of a slug that choose how it is routed; the model is the one without it.
ROUTED = (":nitro", ":floor", ":online", ":exacto")


def openrouter(visits: Visits) -> Iterator[Finding]:
    if not settings.OPENROUTER_API_KEY:
        yield Finding("ok", "not configured")
        return
    base, models = settings.OPENROUTER_BASE_URL.rstrip("/"), _asked(OPENROUTER)
    headers = {"Authorization": f"Bearer {settings.OPENROUTER_API_KEY}"}
    response = visits.get(f"{base}/key", headers)
    if problem := refusal(response, "OPENROUTER_API_KEY"):
        yield problem
    else:
        yield from _key(_dict(payload_of(response).get("data")), models)
    listed = visits.get(f"{base}/models")
    if problem := refusal(listed, "OPENROUTER_BASE_URL"):
        yield problem
    else:
        yield from _slugs(models, _ids(payload_of(listed)))


def _asked(provider: str) -> list[str]:
    """The models that a curator chose, or else the settings'."""
    try:
        chosen = AnswerModel.objects.chosen()
    except DatabaseError:  # another part tells of it
        chosen = {}
    return dict(models_asked(chosen)).get(provider, [])


def _key(card: dict[str, Any], models: Sequence[str]) -> Iterator[Finding]:
    """Not its label: that shows both ends of the key."""
    left = card.get("limit_remaining")
    spent = f"${_number(card.get('usage_monthly')):.4f} this month"
    tier = "free tier" if card.get("is_free_tier") else "credits were bought"
    if left is not None and _number(left) <= 0:
        yield Finding("failed", f"key ***, {tier}, {spent}, its limit is reached", "Raise it.")
    else:
        most = "" if left is None else f", ${_number(left):.4f} left"
        yield Finding("ok", f"key ***, {tier}, {spent}{most}")
    free = _dict(card.get("free_model_daily_requests"))
    if not free:
        return
    count = f"{free.get('remaining')} of {free.get('limit')} requests to free models left today"
    if free.get("remaining") == 0 and any(map(is_free, models)):
        only = all(map(is_free, models))
        yield Finding("failed" if only else "warning", count, "It begins anew at 00:00 UTC.")
    else:
        yield Finding("ok", count)
    allowed = settings.OPENROUTER_FREE_CALLS_A_DAY
    if allowed and isinstance(free.get("limit"), int) and allowed != free["limit"]:
        says = f"the budget is {allowed:,} a day, the account's {free['limit']:,}"
        yield Finding("warning", says, f"Set OPENROUTER_FREE_CALLS_A_DAY={free['limit']}.")


def _slugs(wanted: Sequence[str], known: set[str]) -> Iterator[Finding]:
    missing = [slug for slug in wanted if slug not in known and _plain(slug) not in known]
    if missing:
        # A slug that does not exist fails the call before any other model is tried.
        hint = "Remove or replace it in OPENROUTER_MODELS, or among the admin's answer models."
        yield Finding("failed", f"there is no {', '.join(missing)}", hint)
    else:
        yield Finding("ok", f"models {', '.join(wanted)}")
    if settings.OPENROUTER_DATA_COLLECTION == "deny" and any(map(is_free, wanted)):
        hint = "OPENROUTER_DATA_COLLECTION=allow, if prompts may be kept and learned from."
        yield Finding("warning", "most free models refuse data collection=deny", hint)


def openai(visits: Visits) -> Iterator[Finding]:
    if not (settings.OPENAI_BASE_URL or settings.OPENAI_API_KEY):
        yield Finding("ok", "not configured")
        return
    base = (settings.OPENAI_BASE_URL or OPENAI_URL).rstrip("/")
    key = settings.OPENAI_API_KEY
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    response = visits.get(f"{base}/models", headers)
    if response.status_code in (404, 405, 501):
        yield Finding("warning", f"{shown(base)} does not list its models")
        return
    if problem := refusal(response, "OPENAI_API_KEY"):
        yield problem
        return
    known = _ids(payload_of(response))
    for model in _asked(OPENAI):
        if model in known or f"{model}:latest" in known:
            yield Finding("ok", f"{shown(base)}, {'key ***, ' if key else ''}model {model}")
        else:
            hint = "Check OPENAI_MODEL, or the admin's answer models."
            yield Finding("warning", f"{shown(base)} does not list {model}", hint)


def _ids(body: dict[str, Any]) -> set[str]:
    rows = body.get("data")
    return {str(row.get("id")) for row in rows if isinstance(row, dict)} if rows else set()


def _plain(slug: str) -> str:
    return next((slug.removesuffix(end) for end in ROUTED if slug.endswith(end)), slug)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
