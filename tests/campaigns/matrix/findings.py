"""What was found, and how often what was tried."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.campaigns.matrix.attempts import Attempt
from tests.campaigns.matrix.calls import Reply

MOST = 12  # findings of one kind that are kept


@dataclass(frozen=True)
class Finding:
    kind: str  # leak, told apart, written, server error, traceback, unseen, wide search
    who: str
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.who}: {self.what}: {self.detail}"


@dataclass
class Findings:
    found: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, who: str, what: str, detail: str) -> None:
        self.kinds[kind] += 1
        if self.kinds[kind] <= MOST:
            self.found.append(Finding(kind, who, what, detail[:600]))


@dataclass
class Counts:
    """Requests with an id that is not theirs, others, and those about nothing to compare with."""

    foreign: int = 0
    plain: int = 0
    own: int = 0
    twins: int = 0
    people: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    pairs: set[tuple[str, str]] = field(default_factory=set)  # of route and method
    times: dict[str, tuple[list[float], list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: ([], []))
    )

    def count(self, attempt: Attempt, reply: Reply) -> None:
        route = attempt.cell.route
        if attempt.thing is None or not attempt.thing.is_foreign_to(attempt.person.grants):
            self.plain += 1
        else:
            self.foreign += 1
            self.people[attempt.person.name] += 1
            self.families[route.family] += 1
            self.methods[attempt.cell.method] += 1
            self.times[route.family][0].append(reply.seconds)
        self.statuses[reply.status] += 1
        self.pairs.add((route.pattern, attempt.cell.method))

    @property
    def ratios(self) -> dict[str, float]:
        """How much longer something foreign took than nothing at all, by family: medians."""
        return {
            family: round(median(foreign) / median(missing), 2)
            for family, (foreign, missing) in sorted(self.times.items())
            if len(foreign) >= 20 and len(missing) >= 20
        }


class Errors(logging.Handler):
    """Errors and tracebacks that were logged meanwhile."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def taken(self) -> list[str]:
        told = [f"{one.name}: {one.getMessage()} {_cause(one)}" for one in self.records]
        self.records.clear()
        return told


def _cause(record: logging.LogRecord) -> str:
    error: Any = record.exc_info[1] if record.exc_info else None
    return f"({type(error).__name__}: {error})" if error else ""


@contextmanager
def listening() -> Iterator[Errors]:
    """To the log, in place of whoever writes it to a terminal."""
    from ragsite import asgi  # noqa: F401 - which sets the log up anew

    root, errors = logging.getLogger(), Errors()
    before, root.handlers = root.handlers, [errors]
    try:
        yield errors
    finally:
        root.handlers = before
