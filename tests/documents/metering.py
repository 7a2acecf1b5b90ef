"""A clock of whole datetimes, and meters for tests."""

from datetime import UTC, datetime, timedelta

from documents.admission import LedgerMeter
from documents.ledger import Ledger
from documents.upstream.rates import Rates


class Calendar:
    """Stands still until it is told otherwise."""

    def __init__(self, *date: int):
        self.moment = datetime(*(date or (2026, 11, 30, 12)), tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, **time: float) -> None:
        self.moment += timedelta(**time)


def meter_of(provider: str, calendar: Calendar | None = None, **options) -> LedgerMeter:
    """One more process's: what it counts is written when its ledger is flushed."""
    now = calendar or Calendar()
    return LedgerMeter(provider, ledger=Ledger(pause=None, now=now), rates=Rates(), now=now)
