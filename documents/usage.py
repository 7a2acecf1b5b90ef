"""The rows of the ledger: what calls to providers used, and what they may still take."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q, Sum
from django.utils.translation import gettext_lazy as _

# The provider said that all is used up: one call tries again after so long. A little less than
# the circuit stays open, so that the call that it lets through is let through here too.
PROBE_AFTER = timedelta(minutes=59)
# OpenRouter's free models (documents/budgets.py).
FREE = Q(model__endswith=":free") | Q(model="openrouter/free")

# What was looked up in the cache stands in the ledger like calls to a provider.
CACHE, FOUND, NOT_FOUND = "cache", "found", "not found"


class ProviderUsageQuerySet(models.QuerySet["ProviderUsage"]):
    def add_to(self, row: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
        """Add to one row, which is made if need be. Others may be adding to it too."""
        found = self.filter(**row)
        more = {name: F(name) + value for name, value in counts.items() if value}
        if not found.update(**more):
            self.bulk_create([ProviderUsage(**row)], ignore_conflicts=True)
            found.update(**more)

    def since(self, provider: str, key: str, day: date) -> "ProviderUsageQuerySet":
        return self.filter(provider=provider, key=key, day__gte=day)

    def total(self, name: str) -> Decimal:
        return Decimal(self.aggregate(total=Sum(name))["total"] or 0)


class ProviderUsage(models.Model):
    """What one key's calls of one kind to one model used on one day (UTC)."""

    provider = models.CharField(max_length=50)
    key = models.CharField(max_length=12, help_text=_("A hash of the key; no part of it."))
    operation = models.CharField(max_length=20)
    model = models.CharField(max_length=200)
    day = models.DateField(help_text=_("UTC."))
    calls = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(
        default=0, help_text=_("Among the calls: providers count them too.")
    )
    inputs = models.PositiveBigIntegerField(
        default=0, help_text=_("Texts embedded, searches reranked.")
    )
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(
        max_digits=16, decimal_places=8, default=0, help_text=_("US dollars, where replies say it.")
    )

    objects = ProviderUsageQuerySet.as_manager()

    class Meta:
        ordering = ["-day", "provider", "operation", "model"]
        verbose_name_plural = _("provider usage")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "key", "day", "operation", "model"], name="usage_once_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.operation} {self.model}, {self.day}"


class AllowanceQuerySet(models.QuerySet["Allowance"]):
    def ensure(self, row: Mapping[str, Any], used: int) -> None:
        """There is such a row, and it knows of what was used before anybody reserved."""
        self.bulk_create([Allowance(**row)], ignore_conflicts=True)
        self.filter(**row, taken__lt=used).update(taken=used)

    def take(self, row: Mapping[str, Any], amount: int, limit: int) -> bool:
        """One statement, so that however many ask at once, no more is taken than there is."""
        free = self.filter(**row, taken__lte=limit - amount, stopped_at=None)
        return bool(free.update(taken=F("taken") + amount))

    def probe(self, row: Mapping[str, Any], amount: int, limit: int, now: datetime) -> bool:
        """The same where the provider said that all is used: one call tries again now and then."""
        rows = self.filter(**row, taken__lte=limit - amount, stopped_at__lte=now - PROBE_AFTER)
        return bool(rows.update(taken=F("taken") + amount, stopped_at=now))


class Allowance(models.Model):
    """What was taken of a budget in one period: reserved before each call if the budget is hard."""

    provider = models.CharField(max_length=50)
    key = models.CharField(max_length=12)
    budget = models.CharField(max_length=50, help_text=_("The variable that sets it."))
    began = models.DateField(help_text=_("First day of the period, UTC."))
    taken = models.BigIntegerField(
        default=0, help_text=_("Calls, or billionths of a dollar: whole numbers, to be exact.")
    )
    stopped_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the provider itself last said that all is used.")
    )

    objects = AllowanceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "key", "budget", "began"], name="allowance_once_a_period"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.budget}, {self.began}"
