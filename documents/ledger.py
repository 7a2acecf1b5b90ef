"""Counts what calls to providers use: in memory, and a second later in the database.

Nobody waits for that: a thread of its own writes, which lives only while there is something to
write. While nothing is called there is no timer, no query and no connection.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connections, transaction
from django.db.models import F

from documents import budgets
from documents.upstream.metering import Spent
from documents.usage import CACHE, FOUND, FREE, NOT_FOUND, Allowance, ProviderUsage

logger = logging.getLogger(__name__)

PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds; the longer while the database is away
THREAD = "ledger"
EXIT_PATIENCE = 10.0  # seconds that the end of a process waits for a thread that is writing


class Row(NamedTuple):
    provider: str
    key: str
    operation: str
    model: str
    day: date


class Share(NamedTuple):
    """Of a budget in one period."""

    provider: str
    key: str
    budget: str
    began: date


@dataclass
class Counts:
    calls: int = 0
    failed: int = 0
    inputs: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)

    @classmethod
    def of(cls, spent: Spent) -> "Counts":
        return cls(
            calls=1,
            failed=int(spent.failed),
            inputs=max(0, spent.inputs),
            tokens_in=max(0, spent.tokens_in),
            tokens_out=max(0, spent.tokens_out),
            cost=spent.dollars,
        )

    def add(self, other: "Counts") -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class _Pages:
    """What is not written yet."""

    def __init__(self) -> None:
        self.counts: dict[Row, Counts] = {}
        self.settled: dict[Share, int] = {}  # more or less than was reserved
        self.stopped: dict[Share, datetime | None] = {}

    def __bool__(self) -> bool:
        return bool(self.counts or self.settled or self.stopped)

    def put_back(self, earlier: "_Pages") -> None:
        for row, counts in earlier.counts.items():
            self.counts.setdefault(row, Counts()).add(counts)
        for share, amount in earlier.settled.items():
            self.settled[share] = self.settled.get(share, 0) + amount
        self.stopped = earlier.stopped | self.stopped


class Ledger:
    """Of this process. `pause` None: nothing is written but by `flush`."""

    def __init__(
        self, *, pause: float | None = PAUSE, now: Callable[[], datetime] | None = None
    ) -> None:
        self.pause, self.now = pause, now or (lambda: datetime.now(UTC))
        self._wait = pause
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._pages = _Pages()
        self._thread: threading.Timer | None = None
        self._warned: dict[tuple[str, str, str], date] = {}

    def count(self, provider: str, key: str, operation: str, model: str, spent: Spent) -> None:
        row = Row(provider, key, operation, model[:200], self.now().astimezone(UTC).date())
        with self._lock:
            self._pages.counts.setdefault(row, Counts()).add(Counts.of(spent))
            self._write_later()

    def count_lookup(self, of: str, *, found: bool) -> None:
        """Of "answers" or "vectors" in the cache: what was found there needed no call."""
        self.count(CACHE, "", of, FOUND if found else NOT_FOUND, Spent())

    def settle(self, share: Share, amount: int) -> None:
        """A call took so much more (or less) than was reserved for it."""
        with self._lock:
            settled = self._pages.settled
            settled[share] = settled.get(share, 0) + amount
            self._write_later()

    def stop(self, share: Share, at: datetime | None) -> None:
        """The provider said at that moment that all is used up; None: it does not say so now."""
        with self._lock:
            self._pages.stopped[share] = at
            self._write_later()

    def flush(self) -> bool:
        """Write what is not written yet; False if the database could not take it. Never raises."""
        with self._writing:
            with self._lock:
                pages, self._pages = self._pages, _Pages()
            if not pages:
                return True
            try:
                _write(pages)
            except Exception as error:  # whatever a database that is away makes of it
                with self._lock:
                    self._pages.put_back(pages)
                logger.warning("Provider usage is not written yet: %s", type(error).__name__)
                return False
        self._warn_of_soft_budgets({(row.provider, row.key) for row in pages.counts})
        return True

    @property
    def unwritten(self) -> bool:
        return bool(self._pages)

    def forget(self) -> None:
        """Start anew: for tests, and for a process that was forked off."""
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._pages, self._thread, self._wait = _Pages(), None, self.pause

    def close(self) -> None:
        """At the end of the process."""
        if not self._pages and not self._writing.locked():
            return
        self.pause = None
        if self._writing.acquire(timeout=EXIT_PATIENCE):
            self._writing.release()
            if not self.flush():
                logger.error("What calls to providers used last could not be written")

    def _write_later(self) -> None:
        """With the lock held. One thread at a time: what is counted meanwhile goes with it."""
        if self._thread is not None or self._wait is None:
            return
        self._thread = threading.Timer(self._wait, self._write)
        self._thread.daemon, self._thread.name = True, THREAD
        try:
            self._thread.start()
        except RuntimeError:  # the process is about to end, and writes then
            self._thread = None

    def _write(self) -> None:
        with self._lock:
            self._thread = None
        try:
            written = self.flush()
        finally:
            connections.close_all()
        with self._lock:
            if self.pause is None:
                return
            self._wait = self.pause if written else min(2 * (self._wait or PAUSE), LONGEST_PAUSE)
            if self._pages:
                self._write_later()

    def _warn_of_soft_budgets(self, keys: set[tuple[str, str]]) -> None:
        if budgets.are_hard():
            return
        now = self.now()
        for provider, key in keys:
            for budget in budgets.budgets_of(provider):
                known = (provider, key, budget.variable)
                if not budget.limit or self._warned.get(known) == now.date():
                    continue
                try:
                    over = used(provider, key, budget, now) >= budget.limit
                except Exception:  # told the next time
                    return
                if over:
                    self._warned[known] = now.date()
                    logger.warning("%s: %s are used up (%s)", provider, budget, budget.variable)


def _write(pages: _Pages) -> None:
    """All or nothing. Always in the same order, so that no two processes wait for each other."""
    with transaction.atomic():
        for row in sorted(pages.counts):
            ProviderUsage.objects.add_to(row._asdict(), vars(pages.counts[row]))
        for share in sorted({*pages.settled, *pages.stopped}):
            rows = Allowance.objects.filter(**share._asdict())
            if amount := pages.settled.get(share):
                rows.update(taken=F("taken") + amount)
            if share in pages.stopped:
                at = pages.stopped[share]
                if not rows.update(stopped_at=at) and at is not None:
                    Allowance.objects.bulk_create(
                        [Allowance(**share._asdict(), stopped_at=at)], ignore_conflicts=True
                    )


def used(provider: str, key: str, budget: budgets.Budget, now: datetime) -> Decimal:
    """Of a budget in its present period, as the database knows it."""
    rows = ProviderUsage.objects.since(provider, key, budget.began(now))
    if budget.free_only:
        rows = rows.filter(FREE)
    return rows.total("cost" if budget.unit == "dollars" else "calls")


this_process = Ledger()
atexit.register(this_process.close)
os.register_at_fork(after_in_child=this_process.forget)
