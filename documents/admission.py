"""Lets a call to a provider pass or refuses it, and has what it used written into the ledger."""

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil

from django.db import DatabaseError, transaction

from documents import budgets
from documents.budgets import Budget
from documents.ledger import Ledger, Share, used
from documents.threads import in_database_thread
from documents.upstream.metering import BudgetExhausted, Operation, Spent
from documents.upstream.rates import Rates
from documents.usage import Allowance, ProviderUsage

logger = logging.getLogger(__name__)

# What a call is taken to cost as long as no call of its model was seen: US dollars. Reserved before
# the call, and put right afterwards.
FIRST_GUESS = Decimal("0.01")
FOR_READERS = 10  # percent of a minute that ingestion leaves alone
ASK_AGAIN = 10.0  # seconds, when the database cannot be asked


class LedgerMeter:
    """A `Meter`. Only hard budgets cost a query, one for each call."""

    def __init__(
        self,
        provider: str,
        *,
        ledger: Ledger,
        rates: Rates,
        now: Callable[[], datetime] | None = None,
    ):
        self.provider, self.key = provider, budgets.key_hash(provider)
        self.ledger, self.now = ledger, now or (lambda: datetime.now(UTC))
        self.budgets, self.rates = budgets.budgets_of(provider), budgets.rates_of(provider)
        self._minutes = rates
        self._lock = threading.Lock()
        self._ensured: set[Share] = set()
        self._dearest: dict[tuple[Operation, str], Decimal] = {}
        # What calls under way have reserved, in dollars. They are as good as each other, as their
        # sum is what has to be right: another model than the one asked for may have answered.
        self._held: dict[Operation, deque[dict[Share, int]]] = defaultdict(deque)
        self._answering: set[Share] = set()  # as this process has seen, and told the ledger

    def admit(self, operation: Operation, *, model: str = "", inputs: int = 0) -> None:
        for name, amount, limit in self._rated(operation, model, inputs):
            leave = limit * FOR_READERS // 100
            self._refuse(name, limit, self._minutes.take(name, amount, limit, leave=leave))
        if self._hard(model):
            self._reserve(operation, model)

    async def admit_soon(self, operation: Operation, *, model: str = "", inputs: int = 0) -> None:
        for name, amount, limit in self._rated(operation, model, inputs):
            self._refuse(name, limit, await self._minutes.take_soon(name, amount, limit))
        if self._hard(model):
            await in_database_thread(self._reserve)(operation, model)

    def record(self, operation: Operation, model: str, spent: Spent) -> None:
        try:
            self.ledger.count(self.provider, self.key, operation, model, spent)
            self._settle(operation, model, spent)
            if not spent.failed and operation != "check":  # of a model's card, perhaps not counted
                self._answers_again(model)
        except Exception:  # an answer must not fail because it could not be counted
            logger.exception("A call to %s could not be counted", self.provider)

    def used_up(self, operation: Operation, *, model: str = "") -> None:
        try:
            now = self.now()
            for budget in self.budgets:
                if budget.unit == "calls" and budget.covers(model):
                    share = self._share(budget, now)
                    self._answering.discard(share)
                    self.ledger.stop(share, now)
        except Exception:  # as above
            logger.exception("That %s has no calls left could not be noted", self.provider)

    # --- Limits a minute --------------------------------------------------------------------------

    def _rated(self, operation: Operation, model: str, inputs: int) -> list[tuple[str, int, int]]:
        return [
            (f"{self.provider}/{self.key}/{rate.operation}", amount, rate.limit)
            for rate in self.rates
            if rate.limit and rate.covers(operation, model)
            if (amount := inputs if rate.unit == "inputs" else 1)
        ]

    def _refuse(self, name: str, limit: int, wait: float) -> None:
        if wait:
            what = f"{self.provider}'s {limit:,} a minute ({name.rpartition('/')[2]})"
            message = f"The limit of {what} is reached; there is room in {ceil(wait)} s."
            raise BudgetExhausted(message, retry_after=wait)

    # --- Budgets of a month or a day --------------------------------------------------------------

    def _hard(self, model: str) -> list[Budget]:
        if not budgets.are_hard():
            return []
        return [budget for budget in self.budgets if budget.limit and budget.covers(model)]

    def _reserve(self, operation: Operation, model: str) -> None:
        """All budgets or none, in one short transaction."""
        now, held = self.now(), {}
        try:
            with transaction.atomic():
                for budget in self._hard(model):
                    share = self._share(budget, now)
                    self._ensure(share, budget, now)
                    amount = self._guess(operation, model, budget)
                    if not self._take(share, amount, budget.parts(budget.limit), now):
                        raise self._exhausted(share, budget, now)
                    if budget.unit == "dollars":
                        held[share] = amount
        except DatabaseError as error:
            message = f"{self.provider} is not called: the database that counts is away."
            raise BudgetExhausted(message, retry_after=ASK_AGAIN) from error
        if held:
            with self._lock:
                self._held[operation].append(held)

    def _take(self, share: Share, amount: int, limit: int, now: datetime) -> bool:
        row = share._asdict()
        if Allowance.objects.take(row, amount, limit):
            return True
        if not Allowance.objects.probe(row, amount, limit, now):
            return False
        self._answering.discard(share)  # until that call succeeds
        return True

    def _ensure(self, share: Share, budget: Budget, now: datetime) -> None:
        if share in self._ensured:
            return
        spent = budget.parts(used(self.provider, self.key, budget, now))
        Allowance.objects.ensure(share._asdict(), spent)
        transaction.on_commit(lambda: self._ensured.add(share))

    def _exhausted(self, share: Share, budget: Budget, now: datetime) -> BudgetExhausted:
        resets = budget.resets(now)
        row = Allowance.objects.filter(**share._asdict()).first()
        why = (
            f"{self.provider} says that its calls of this {budget.period} are used up"
            if row is not None and row.stopped_at is not None
            else f"The budget of {budget} for {self.provider} is used up ({budget.variable})"
        )
        when = f"{resets:%Y-%m-%d %H:%M} UTC"
        return BudgetExhausted(
            f"{why}; it begins anew on {when}.", retry_after=(resets - now).total_seconds()
        )

    def _guess(self, operation: Operation, model: str, budget: Budget) -> int:
        """What to reserve: a call, or the dollars that the dearest such call took."""
        if budget.unit == "calls":
            return 1
        known = self._dearest.get((operation, model)) or self._average(operation, model)
        return budget.parts(min(known, budget.limit))

    def _average(self, operation: Operation, model: str) -> Decimal:
        """Of all such calls on record."""
        calls = {"provider": self.provider, "operation": operation, "model": model}
        rows = ProviderUsage.objects.filter(**calls, cost__gt=0)
        return rows.total("cost") / (rows.total("calls") or 1) or FIRST_GUESS

    def _settle(self, operation: Operation, model: str, spent: Spent) -> None:
        cost = spent.dollars
        with self._lock:
            if cost > self._dearest.get((operation, model), 0):
                self._dearest[operation, model] = cost
            waiting = self._held.get(operation)
            held = waiting.popleft() if waiting and (cost or not budgets.is_free(model)) else {}
        if spent.cost is None and not spent.failed:
            return  # a reader who left is billed for what was written: as much as was reserved
        dollars = [budget for budget in self._hard(model) if budget.unit == "dollars"]
        for share in held or [self._share(budget, self.now()) for budget in dollars if cost]:
            self.ledger.settle(share, int(cost * budgets.BILLION) - held.get(share, 0))

    def _answers_again(self, model: str) -> None:
        """Also where a process that is gone, or another one, was told that all is used up."""
        for budget in self.budgets:
            share = self._share(budget, self.now())
            if budget.unit == "calls" and budget.covers(model) and share not in self._answering:
                self._answering.add(share)
                self.ledger.stop(share, None)

    def _share(self, budget: Budget, now: datetime) -> Share:
        return Share(self.provider, self.key, budget.variable, budget.began(now))
