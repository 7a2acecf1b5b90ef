"""What is installed, what the settings say, and what is left of the budgets."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from django.core.checks import ERROR, run_checks

from documents import budgets
from documents.checks import OURS
from documents.diagnosis.base import Finding, Visits
from documents.quotas import Quota, standings

PACKAGES = (
    "Django", "channels", "uvicorn", "httpx", "cohere", "qdrant-client", "psycopg", "redis",
    "huey", "limits",
)  # fmt: skip


def versions(visits: Visits) -> Iterator[Finding]:
    yield Finding("ok", f"Python {platform.python_version()}, {platform.system()}")
    yield Finding("ok", ", ".join(f"{name} {_version(name)}" for name in PACKAGES))


def checks(visits: Visits) -> Iterator[Finding]:
    """As `manage.py check --tag ragsite`."""
    found = run_checks(tags=[OURS])
    for message in found:
        status = "failed" if message.level >= ERROR else "warning"
        yield Finding(status, f"{message.id}: {message.msg}", message.hint or "")  # type: ignore[arg-type]
    if not found:
        yield Finding("ok", "nothing is missing, unused or contradictory")


def ledger(visits: Visits) -> Iterator[Finding]:
    kind = "hard" if budgets.are_hard() else "soft"
    counted = standings()
    if not counted:
        yield Finding("ok", "no provider is configured: nothing to count")
    for standing in counted:
        month = standing.month
        yield Finding(
            "ok",
            f"{standing.provider}: {month['calls']:,} calls this month, {month['failed']:,} of "
            f"them failed, {month['tokens_in'] + month['tokens_out']:,} tokens, "
            f"${month['cost']:,.4f}",
        )
        for quota in standing.quotas:
            if quota.budget.limit or quota.stopped_at:
                yield _quota(standing.provider, quota, kind)


def _quota(provider: str, quota: Quota, kind: str) -> Finding:
    says = (
        f"{provider}: {quota.used:,f} of {quota.budget} used ({kind}), "
        f"anew on {quota.resets_at:%Y-%m-%d %H:%M} UTC"
    )
    if quota.stopped_at is not None:
        says += f"; {provider} said on {quota.stopped_at:%Y-%m-%d %H:%M} UTC that all is used"
    if quota.is_used_up:
        hint = f"Wait, or raise {quota.budget.variable}."
        return Finding("failed" if kind == "hard" else "warning", says, hint)
    return Finding("ok", says)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
