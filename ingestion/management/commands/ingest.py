"""`manage.py ingest`: bring sources up to date."""

import json
import sys
from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from documents.models import Source, TrustTier
from ingestion.loaders.base import LoadError
from ingestion.models import IngestionRun
from ingestion.pipeline import Aborted, IngestionPipeline, Result
from ingestion.runs import Report, ingest_source, preview_source
from ingestion.sources import folder_source, named_source

COUNTED = ("new", "changed", "unchanged", "removed", "skipped", "failed", "chunks", "embedded")
SHOWN_FAILURES = 20
DEFAULT_CORPUS = "default"
FOLDER_OPTIONS = ("corpus", "base_url", "trust_tier")


class Command(BaseCommand):
    help = "Bring sources up to date: load, chunk, embed, store, index."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "sources", nargs="*", help="folders, or slugs of sources; all sources when omitted"
        )
        parser.add_argument("--corpus", help=f"of the folder; {DEFAULT_CORPUS} when omitted")
        parser.add_argument("--base-url", help="where the pages of the folder are published")
        parser.add_argument("--public", action="store_true", help="anybody may ask this corpus")
        parser.add_argument("--trust-tier", choices=TrustTier.values, help="of the folder")
        parser.add_argument("--dry-run", action="store_true", help="say what would change")
        parser.add_argument("--allow-mass-delete", action="store_true")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *, sources: list[str], **options: Any) -> None:
        self.as_json: bool = options["json"]
        try:
            failed = self._ingest_all(sources, options)
        except OperationalError as error:
            raise CommandError(explained(error)) from error
        if failed:
            sys.exit(1)

    def _ingest_all(self, names: list[str], options: dict[str, Any]) -> bool:
        """Whether any document failed."""
        pipeline = IngestionPipeline.from_settings()
        failed = False
        for source in self._sources(names, options):
            started = perf_counter()
            try:
                report = self._ingest(source, pipeline, options)
            except (LoadError, Aborted) as error:
                raise CommandError(f"{source}: {error}") from error
            failed |= report.failed
            self._summary(source, report, perf_counter() - started, dry=options["dry_run"])
        return failed

    def _sources(self, names: list[str], options: dict[str, Any]) -> list[Source]:
        if not names:
            found = list(Source.objects.select_related("corpus"))
            if not found:
                raise CommandError("There is no source yet. Give a folder: manage.py ingest docs/")
            return found
        try:
            return [self._source(name, options) for name in names]
        except LoadError as error:
            raise CommandError(str(error)) from error

    def _source(self, name: str, options: dict[str, Any]) -> Source:
        source = named_source(name)
        given = [option for option in FOLDER_OPTIONS if options[option] is not None]
        if source is not None and given:
            raise LoadError(
                f'"{name}" is a source already. Change its {", ".join(given)} in the admin, or '
                "give its folder instead of its name."
            )
        source = source or folder_source(
            name,
            corpus=options["corpus"] or DEFAULT_CORPUS,
            base_url=options["base_url"],
            trust_tier=options["trust_tier"],
            save=not options["dry_run"],
        )
        if options["public"] and not options["dry_run"]:
            source.corpus.is_public = True
            source.corpus.save(update_fields=["is_public"])
        return source

    def _ingest(
        self, source: Source, pipeline: IngestionPipeline, options: dict[str, Any]
    ) -> Report:
        if options["dry_run"]:
            return preview_source(source, pipeline)
        run = IngestionRun.objects.create(source=source)
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=console, disable=self._plain(console)) as bar:
            task = bar.add_task(str(source), total=None)

            def show(result: Result, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, description=result.key[-40:])
                if self.as_json and result.outcome != "unchanged":
                    self._line({"event": "item", "source": source.slug, **as_dict(result)})

            return ingest_source(
                run, pipeline, allow_mass_delete=options["allow_mass_delete"], progress=show
            )

    def _plain(self, console: Console) -> bool:
        return self.as_json or not console.is_terminal

    def _summary(self, source: Source, report: Report, seconds: float, *, dry: bool) -> None:
        counts = {name: report.counts[name] for name in COUNTED}
        pages = sum(counts[name] for name in ("new", "changed", "unchanged", "failed"))
        rate = round(pages / max(seconds, 1e-9), 1)
        if self.as_json:
            if dry:
                for result in report.results:
                    self._line({"event": "item", "source": source.slug, **as_dict(result)})
            self._line(
                {
                    "event": "summary", "source": source.slug, "dry_run": dry, **counts,
                    "seconds": round(seconds, 2), "pages_per_second": rate,
                }
            )  # fmt: skip
            return
        title = f"{source} in corpus {source.corpus}{' (dry run, nothing written)' if dry else ''}"
        table = Table(title=title, title_justify="left")
        for name in (*COUNTED, "seconds", "pages/s"):
            table.add_column(name, justify="right")
        table.add_row(*(str(n) for n in counts.values()), f"{seconds:.1f}", str(rate))
        console = Console(file=self.stdout, width=110)  # type: ignore[arg-type]
        console.print(table)
        for result in report.results:
            if dry and result.outcome in ("new", "changed", "removed"):
                self.stdout.write(f"  {result.outcome}: {result.key}")
            for warning in result.warnings:
                self.stdout.write(f"  warning: {result.key}: {warning}")
        failures = [result for result in report.results if result.outcome == "failed"]
        for result in failures[:SHOWN_FAILURES]:
            self.stderr.write(f"  failed: {result.key}: {result.reason}")
        if len(failures) > SHOWN_FAILURES:
            self.stderr.write(f"  … and {len(failures) - SHOWN_FAILURES} more; see the run's items")

    def _line(self, value: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False))


def explained(error: OperationalError) -> str:
    """What an operator can do about a database that does not do its part."""
    if "locked" in str(error):
        remedy = "Another process is writing to it. Wait until it is done, or raise SQLITE_TIMEOUT."
    else:
        remedy = "Check DATABASE_URL, and run `manage.py migrate` if that was never done."
    return f"The database does not answer: {error}. {remedy} Then run the same command again."


def as_dict(result: Result) -> dict[str, Any]:
    return {
        "key": result.key,
        "outcome": result.outcome,
        "reason": result.reason,
        "warnings": list(result.warnings),
        "chunks": result.chunks,
        "embedded": result.embedded,
    }
