"""`manage.py reconcile`: do PostgreSQL, the index and the files agree; and make them agree."""

import json
import sys
from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from documents.embedding.base import EmbeddingError
from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.models import Source
from documents.providers import get_embedder, get_index
from ingestion.differences import BY_HAND, Kind, Report
from ingestion.models import IngestionRun
from ingestion.reconcile import Reconciler
from ingestion.runs import ATTEMPTS
from ingestion.worker import queue_run, tell_workers


class Command(BaseCommand):
    help = "Compare the rows with the index, the runs and the files; exit code 1 if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        mode = parser.add_mutually_exclusive_group(required=True)
        mode.add_argument("--check", action="store_true", help="change nothing")
        mode.add_argument("--repair", action="store_true", help="repair, then check again")
        parser.add_argument(
            "--source", action="append", default=[], help="slug; may be repeated; all when omitted"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *, source: list[str], repair: bool, **options: Any) -> None:
        self.as_json: bool = options["json"]
        known = set(Source.objects.values_list("slug", flat=True))
        if unknown := sorted(set(source) - known):
            raise CommandError(f"There is no source {', '.join(unknown)}.")
        reconciler = Reconciler(
            get_index(), get_embedder(), queued, ATTEMPTS, sources=frozenset(source)
        )
        try:
            if repair:
                repaired, seconds = timed(reconciler.repair)
                self._tell("repair", repaired, seconds)
                if repaired.differences[Kind.DEAD_RUN]:
                    tell_workers()  # there is something to take up
            report, seconds = timed(reconciler.check)
        except (IndexUnavailable, SpaceMismatch, EmbeddingError) as error:
            raise CommandError(f"{error} Whatever was repaired until then stays.") from error
        self._tell("check", report, seconds)
        if not report.clean:
            sys.exit(1)

    def _tell(self, event: str, report: Report, seconds: float) -> None:
        if self.as_json:
            self._json(event, report, seconds)
            return
        rate = round(report.points / max(seconds, 1e-9))
        self.stdout.write(
            f"{event}: {report.chunks} chunks, {report.points} points and {report.documents} "
            f"documents in {seconds:.1f} s ({rate} points/s)"
        )
        for kind, number in report.differences.items():
            self.stdout.write(f"  {number} × {kind.value}")
        for one in report.shown:
            detail = f": {one.detail}" if one.detail else ""
            self.stdout.write(f"    {one.kind.name}  {one.source} {one.about}{detail}")
        for kind, number in report.in_flight.items():
            self.stdout.write(f"  in flight, somebody is at work on it: {number} × {kind.value}")
        for slug, keys in report.read_again.items():
            self.stdout.write(f"  {slug}: {len(keys)} documents to be read again by the worker")
        for name, number in report.kept.items():
            self.stdout.write(f"  kept for going back: {name}, {number} points")
        if event == "check":
            self.stdout.write("They differ." if not report.clean else "They agree.")
            if BY_HAND & report.differences.keys():
                self.stdout.write("Some of it only you can mend; see above.")

    def _json(self, event: str, report: Report, seconds: float) -> None:
        for one in report.shown:
            line = {"event": "difference", "during": event, "kind": one.kind.name.lower()}
            line |= {"source": one.source, "about": one.about, "detail": one.detail}
            self.stdout.write(json.dumps(line, ensure_ascii=False))
        summary = {
            "event": event,
            "differences": {kind.name.lower(): n for kind, n in report.differences.items()},
            "in_flight": {kind.name.lower(): n for kind, n in report.in_flight.items()},
            "read_again": {slug: sorted(keys) for slug, keys in report.read_again.items()},
            "kept": report.kept, "chunks": report.chunks, "points": report.points,
            "documents": report.documents, "seconds": round(seconds, 2),
        }  # fmt: skip
        self.stdout.write(json.dumps(summary, ensure_ascii=False))


def queued(source: Source, keys: list[str]) -> None:
    queue_run(source, trigger=IngestionRun.Trigger.COMMAND, only=keys)


def timed(work: Any) -> tuple[Report, float]:
    started = perf_counter()
    report = work()
    return report, perf_counter() - started
