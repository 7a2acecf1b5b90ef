"""Cohere: whether it takes the key and knows the models. Each of these calls is counted."""

from collections.abc import Iterator
from urllib.parse import quote

from django.conf import settings

from documents.diagnosis.base import Finding, Response, Visits, payload_of, refusal
from documents.providers import breaker, meter
from documents.upstream.metering import BudgetExhausted, Spent

MODELS = "/v1/models/"


def probe(visits: Visits) -> Iterator[Finding]:
    if not settings.COHERE_API_KEY:
        yield Finding("ok", "not configured")
        return
    for name in ("cohere/embed", "cohere/rerank"):  # first: Cohere may not answer
        circuit = breaker(name)
        circuit.look()
        if circuit.state == "open":
            says = f"{name} keeps failing and is left alone for {circuit.retry_after:.0f} s"
            yield Finding("warning", says)
    for operation, model in _wanted().items():
        yield from _model(visits, operation, model)


def _wanted() -> dict[str, str]:
    wanted = {}
    if settings.EMBEDDER in ("auto", "cohere"):
        wanted["embed"] = settings.COHERE_EMBED_MODEL
    if settings.RERANKER in ("auto", "cohere"):
        wanted["rerank"] = settings.COHERE_RERANK_MODEL
    return wanted


def _model(visits: Visits, operation: str, model: str) -> Iterator[Finding]:
    """Whether Cohere counts this call among the thousand of a trial key is not documented, so we
    do."""
    counting = meter("cohere")
    try:
        counting.admit("check", model=model)
    except BudgetExhausted as refused:
        yield Finding("failed", f"not asked: {refused}", "Wait, or raise COHERE_CALLS_A_MONTH.")
        return
    failed = True
    try:
        response = visits.get(
            settings.COHERE_BASE_URL.rstrip("/") + MODELS + quote(model, safe=""),
            {"Authorization": f"Bearer {settings.COHERE_API_KEY}"},
        )
        failed = response.status_code != 200
    finally:
        counting.record("check", model, Spent(failed=failed))
    yield _verdict(response, operation, model)
    if not settings.COHERE_CALLS_A_MONTH and (
        allowed := response.headers.get("x-endpoint-monthly-call-limit")
    ):
        yield Finding(
            "warning",
            f"this is a trial key: {allowed} calls a month, and no budget is set",
            "Set FREE_TIER=1, so that calls are counted against it.",
        )


def _verdict(response: Response, operation: str, model: str) -> Finding:
    variable = f"COHERE_{operation.upper()}_MODEL"
    if response.status_code == 404:
        return Finding("failed", f"does not know the model {model}", f"Check {variable}.")
    if problem := refusal(response, "COHERE_API_KEY"):
        return problem
    card = payload_of(response)
    endpoints = card.get("endpoints")
    if isinstance(endpoints, list) and operation not in endpoints:
        return Finding("failed", f"{model} is not for {operation}", f"Check {variable}.")
    if card.get("is_deprecated"):
        return Finding("warning", f"{model} is deprecated", f"Choose another {variable}.")
    return Finding("ok", f"key ***, {operation} with {model}")
