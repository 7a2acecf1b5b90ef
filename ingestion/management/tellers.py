"""How a command tells what happens: tables for people, one JSON object a line for machines."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from documents.models import Source
from ingestion.pipeline import Result
from ingestion.planning import Limit, Plan
from ingestion.runs import Progress, Report

COUNTED = ("new", "changed", "unchanged", "removed", "skipped", "failed", "chunks", "embedded")
SHOWN = 20  # of a kind; all of them are on record


class Teller(Protocol):
    def watching(self, source: Source) -> Any:
        """A context manager around a run; gives the callback for its progress."""
        ...

    def waiting(self, seconds: float, reason: str) -> None: ...

    def summary(self, source: Source, report: Report, seconds: float, *, dry: bool) -> None: ...

    def plan(self, source: Source, plan: Plan, limits: Sequence[Limit]) -> None: ...


class JsonLines:
    def __init__(self, out: TextIO) -> None:
        self.out = out

    @contextmanager
    def watching(self, source: Source) -> Iterator[Progress]:
        def show(result: Result, done: int, total: int) -> None:
            if result.outcome != "unchanged":
                self._item(source, result)

        yield show

    def waiting(self, seconds: float, reason: str) -> None:
        self._line(event="waiting", seconds=round(seconds, 1), reason=reason)

    def summary(self, source: Source, report: Report, seconds: float, *, dry: bool) -> None:
        if dry:
            for result in report.results:
                self._item(source, result)
        self._line(
            event="summary", source=source.slug, dry_run=dry, **counts_of(report),
            seconds=round(seconds, 2), pages_per_second=rate_of(report, seconds),
        )  # fmt: skip

    def plan(self, source: Source, plan: Plan, limits: Sequence[Limit]) -> None:
        self._line(
            event="plan", source=source.slug, texts=plan.texts, tokens=plan.tokens,
            calls=plan.calls, chunks_after=plan.chunks_after, index_memory=plan.index_memory,
            index_disk=plan.index_disk, database_growth=plan.database_growth,
            database_size=plan.database_size, refusal=plan.refusal,
            limits=[
                {"name": limit.name, "needed": limit.needed, "allowed": limit.allowed,
                 "used": limit.used, "remaining": limit.remaining, "fits": limit.fits}
                for limit in limits
            ],
        )  # fmt: skip

    def _item(self, source: Source, result: Result) -> None:
        self._line(
            event="item", source=source.slug, key=result.key, outcome=result.outcome,
            reason=result.reason, warnings=list(result.warnings), chunks=result.chunks,
            embedded=result.embedded,
        )  # fmt: skip

    def _line(self, **value: Any) -> None:
        self.out.write(json.dumps(value, ensure_ascii=False) + "\n")


class Tables:
    """The bar is drawn on a terminal only; everywhere else the table at the end is enough."""

    def __init__(self, out: TextIO, errors: TextIO) -> None:
        self.out, self.errors = out, errors
        self.console = Console(file=out, width=110)

    @contextmanager
    def watching(self, source: Source) -> Iterator[Progress]:
        console = Console(file=sys.stderr)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task(str(source), total=None)

            def show(result: Result, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, description=result.key[-40:])

            yield show

    def waiting(self, seconds: float, reason: str) -> None:
        self.errors.write(f"  waiting {seconds:.0f} s: {reason}\n")

    def summary(self, source: Source, report: Report, seconds: float, *, dry: bool) -> None:
        title = f"{source} in corpus {source.corpus}{' (dry run, nothing written)' if dry else ''}"
        table = Table(title=title, title_justify="left")
        for name in (*COUNTED, "seconds", "pages/s"):
            table.add_column(name, justify="right")
        numbers = map(str, counts_of(report).values())
        table.add_row(*numbers, f"{seconds:.1f}", str(rate_of(report, seconds)))
        self.console.print(table)
        for result in report.results:
            if dry and result.outcome in ("new", "changed", "removed"):
                why = f" ({result.reason})" if result.reason else ""
                self.out.write(f"  {result.outcome}: {result.key}{why}\n")
        warnings = [(r.key, warning) for r in report.results for warning in r.warnings]
        self._some([f"  warning: {key}: {warning}" for key, warning in warnings], self.out)
        failures = [result for result in report.results if result.outcome == "failed"]
        self._some([f"  failed: {r.key}: {r.reason}" for r in failures], self.errors)

    def plan(self, source: Source, plan: Plan, limits: Sequence[Limit]) -> None:
        table = Table(title=f"What it will take to ingest {source}", title_justify="left")
        for name in ("what", "needed", "used", "allowed", ""):
            table.add_column(name, justify="left" if name in ("what", "") else "right")
        table.add_row("texts to embed", f"{plan.texts:,}", "", "", "")
        table.add_row("tokens to embed (estimate)", f"{plan.tokens:,}", "", "", "")
        for limit in limits:
            allowed = "no limit" if limit.allowed is None else quantity(limit.allowed, limit.unit)
            used = quantity(limit.used, limit.unit) if limit.used else ""
            verdict = "fits" if limit.fits else "TOO MUCH"
            table.add_row(limit.name, quantity(limit.needed, limit.unit), used, allowed, verdict)
        table.add_row(
            "database growth (estimate)", quantity(plan.database_growth, "bytes"), "", "", ""
        )
        self.console.print(table)
        for limit in limits:
            if limit.remaining is not None and limit.resets_at is not None:
                self.out.write(
                    f"  {limit.remaining:,} of {limit.allowed:,} {limit.unit} remain; "
                    f"the count begins anew on {limit.resets_at:%Y-%m-%d} (UTC).\n"
                )
        if not plan.calls:
            self.out.write("  Embedding costs nothing: no provider is called.\n")
        if plan.refusal:
            self.errors.write(f"  This run would stop: {plan.refusal}\n")

    def _some(self, lines: Sequence[str], out: TextIO) -> None:
        for line in lines[:SHOWN]:
            out.write(f"{line}\n")
        if len(lines) > SHOWN:
            out.write(f"  … and {len(lines) - SHOWN} more; see the run's items\n")


def counts_of(report: Report) -> dict[str, int]:
    return {name: report.counts[name] for name in COUNTED}


def rate_of(report: Report, seconds: float) -> float:
    pages = sum(report.counts[name] for name in ("new", "changed", "unchanged", "failed"))
    return round(pages / max(seconds, 1e-9), 1)


def quantity(number: int, unit: str) -> str:
    return f"{number / 1e6:,.1f} MB" if unit == "bytes" else f"{number:,}"
