"""What is left of each budget, as the ledger knows it: for the admin, the plan and the doctor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import Q, Sum

from documents import budgets
from documents.budgets import Budget
from documents.ledger import used
from documents.usage import CACHE, FOUND, Allowance, ProviderUsage

COUNTED = ("calls", "failed", "inputs", "tokens_in", "tokens_out", "cost")


@dataclass(frozen=True)
class Quota:
    """`used` in calls or dollars; other processes may have a second's more that is not written."""

    budget: Budget
    used: Decimal
    resets_at: datetime
    stopped_at: datetime | None  # when the provider itself said that all was used

    @property
    def remaining(self) -> Decimal | None:
        """None: nothing is limited."""
        if self.stopped_at is not None:
            return Decimal(0)
        return max(Decimal(0), self.budget.limit - self.used) if self.budget.limit else None

    @property
    def is_used_up(self) -> bool:
        return self.remaining == 0


def quotas_of(provider: str, now: datetime | None = None) -> Sequence[Quota]:
    """Of the configured key."""
    now, key = now or datetime.now(UTC), budgets.key_hash(provider)
    return [_quota(provider, key, budget, now) for budget in budgets.budgets_of(provider)]


def _quota(provider: str, key: str, budget: Budget, now: datetime) -> Quota:
    row = Allowance.objects.filter(
        provider=provider, key=key, budget=budget.variable, began=budget.began(now)
    ).first()
    reserved = budget.amount(row.taken) if row is not None and budgets.are_hard() else Decimal(0)
    return Quota(
        budget,
        max(reserved, used(provider, key, budget, now)),
        budget.resets(now),
        row.stopped_at if row is not None else None,
    )


@dataclass(frozen=True)
class Standing:
    """Of the configured key of one provider. `today` and `month` by what is counted."""

    provider: str
    key: str
    today: dict[str, Decimal]
    month: dict[str, Decimal]
    quotas: Sequence[Quota]
    rates: Sequence[budgets.Rate]


def standings(now: datetime | None = None) -> list[Standing]:
    """Of the providers that are configured."""
    now = now or datetime.now(UTC)
    return [_standing(name, now) for name in budgets.PROVIDERS if _is_configured(name)]


@dataclass(frozen=True)
class Lookups:
    """In the cache, this month: of "answers", or of "vectors" of questions."""

    of: str
    asked: int
    found: int

    @property
    def percent(self) -> int:
        return round(100 * self.found / self.asked)


def lookups(now: datetime | None = None) -> list[Lookups]:
    month = (now or datetime.now(UTC)).astimezone(UTC).date().replace(day=1)
    rows = ProviderUsage.objects.since(CACHE, "", month).values("operation").order_by("operation")
    counted = rows.annotate(asked=Sum("calls"), found=Sum("calls", filter=Q(model=FOUND)))
    return [Lookups(row["operation"], row["asked"], row["found"] or 0) for row in counted]


def _standing(provider: str, now: datetime) -> Standing:
    key, today = budgets.key_hash(provider), now.astimezone(UTC).date()
    return Standing(
        provider,
        key,
        _totals(provider, key, today),
        _totals(provider, key, today.replace(day=1)),
        quotas_of(provider, now),
        [rate for rate in budgets.rates_of(provider) if rate.limit],
    )


def _totals(provider: str, key: str, since: date) -> dict[str, Decimal]:
    rows = ProviderUsage.objects.since(provider, key, since)
    totals = rows.aggregate(**{f"sum_{name}": Sum(name) for name in COUNTED})
    return {name: totals[f"sum_{name}"] or Decimal(0) for name in COUNTED}


def _is_configured(provider: str) -> bool:
    if provider == "openai":
        return bool(settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL)
    return bool(getattr(settings, f"{provider.upper()}_API_KEY"))


def database_size() -> int:
    """Bytes, as the provider counts them."""
    query = (
        "SELECT pg_database_size(current_database())"
        if connection.vendor == "postgresql"
        else "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])
