"""What the settings allow calls to each provider: in a month, a day, a minute."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.conf import settings

from documents.upstream.metering import Operation

PROVIDERS = ("cohere", "openrouter", "openai")
MODES = ("hard", "soft")
BILLION = 10**9


def is_free(model: str) -> bool:
    """One of OpenRouter's free models, which share one allowance."""
    return model.endswith(":free") or model == "openrouter/free"


@dataclass(frozen=True)
class Budget:
    """Of one month or day, UTC. `limit` 0: nothing is limited, it is only counted."""

    variable: str  # of the settings
    unit: Literal["calls", "dollars"]
    period: Literal["month", "day"]
    free_only: bool = False

    @property
    def limit(self) -> Decimal:
        return Decimal(str(getattr(settings, self.variable)))

    def parts(self, amount: Decimal) -> int:
        """As reserved: calls, or billionths of a dollar."""
        return int(amount * (BILLION if self.unit == "dollars" else 1))

    def amount(self, parts: int) -> Decimal:
        return Decimal(parts) / (BILLION if self.unit == "dollars" else 1)

    def covers(self, model: str) -> bool:
        if self.free_only:
            return is_free(model)
        return self.unit == "calls" or not is_free(model)

    def began(self, now: datetime) -> date:
        today = now.astimezone(UTC).date()
        return today.replace(day=1) if self.period == "month" else today

    def resets(self, now: datetime) -> datetime:
        """When the next period begins."""
        began = datetime.combine(self.began(now), datetime.min.time(), UTC)
        if self.period == "day":
            return began + timedelta(days=1)
        return (began + timedelta(days=32)).replace(day=1)

    def __str__(self) -> str:
        models = " to free models" if self.free_only else ""
        limit = f"{self.limit.normalize():,f}" if self.limit else "any number of"
        return f"{limit} {self.unit}{models} a {self.period}"


@dataclass(frozen=True)
class Rate:
    """Of one minute. `limit` 0: as many as one likes."""

    variable: str
    operation: Operation
    unit: Literal["calls", "inputs"] = "calls"
    free_only: bool = False

    @property
    def limit(self) -> int:
        return int(getattr(settings, self.variable))

    def covers(self, operation: Operation, model: str) -> bool:
        return operation == self.operation and (is_free(model) or not self.free_only)


# Cohere counts the calls of all endpoints together. Nothing says when its month begins; the
# calendar's is taken for it. OpenRouter's day of free models begins at midnight UTC.
_BUDGETS: dict[str, Sequence[Budget]] = {
    "cohere": [Budget("COHERE_CALLS_A_MONTH", "calls", "month")],
    "openrouter": [
        Budget("OPENROUTER_FREE_CALLS_A_DAY", "calls", "day", free_only=True),
        Budget("OPENROUTER_DOLLARS_A_DAY", "dollars", "day"),
        Budget("OPENROUTER_DOLLARS_A_MONTH", "dollars", "month"),
    ],
}
_RATES: dict[str, Sequence[Rate]] = {
    "cohere": [
        Rate("COHERE_RERANKS_A_MINUTE", "rerank"),
        Rate("COHERE_INPUTS_A_MINUTE", "embed", "inputs"),
    ],
    "openrouter": [Rate("OPENROUTER_CALLS_A_MINUTE", "chat", free_only=True)],
}


def budgets_of(provider: str) -> Sequence[Budget]:
    return _BUDGETS.get(provider, ())


def rates_of(provider: str) -> Sequence[Rate]:
    return _RATES.get(provider, ())


def are_hard() -> bool:
    return bool(settings.BUDGETS != "soft")


def key_hash(provider: str) -> str:
    """Of the configured key: tells keys apart without being a part of one."""
    key = getattr(settings, f"{provider.upper()}_API_KEY")
    return hashlib.sha256(f"provider key {key}".encode()).hexdigest()[:12]
