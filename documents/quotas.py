"""What is left of each budget, as the ledger knows it: for the admin, the plan and the doctor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from documents import budgets
from documents.budgets import Budget
from documents.ledger import used
from documents.usage import Allowance


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
