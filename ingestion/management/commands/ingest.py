"""`manage.py ingest`: bring sources up to date."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from documents.models import Source, TrustTier
from documents.stopping import stopping
from ingestion.leases import LeaseLost, SourceBusy
from ingestion.loaders.base import LoadError
from ingestion.management.tellers import JsonLines, Tables, Teller
from ingestion.models import IngestionRun
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.planning import limits, plan_run
from ingestion.runs import Cancelled, Report, ingest_source
from ingestion.sources import SourceOptions, named_source, source_for

DEFAULT_CORPUS = "default"
TROUBLE = (LoadError, Aborted, Cancelled, SourceBusy, LeaseLost)


class Command(BaseCommand):
    help = "Bring sources up to date: load, chunk, embed, store, index."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "sources",
            nargs="*",
            help="folders, addresses of web sites (https://…) or of git repositories "
            "(https://….git), or slugs of sources; all sources when omitted",
        )
        about = parser.add_argument_group("for a folder or an address")
        about.add_argument("--corpus", help=f"{DEFAULT_CORPUS} when omitted")
        about.add_argument("--base-url", help="where the pages of a folder are published")
        about.add_argument("--trust-tier", choices=TrustTier.values)
        about.add_argument("--include", action="append", metavar="GLOB", help="only these pages")
        about.add_argument("--exclude", action="append", metavar="GLOB", help="none of these")
        about.add_argument("--git", action="store_true", default=None, help="it is a repository")
        about.add_argument("--ref", help="branch or tag of a repository")
        about.add_argument("--folder", help="part of a repository")
        about.add_argument("--max-pages", type=int, help="of a web site")
        parser.add_argument("--public", action="store_true", help="anybody may ask this corpus")
        parser.add_argument("--dry-run", action="store_true", help="say what would change")
        parser.add_argument(
            "--plan", action="store_true", help="say what would change and what it would cost"
        )
        parser.add_argument("--allow-mass-delete", action="store_true")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *, sources: list[str], **options: Any) -> None:
        out, errors = self.stdout, self.stderr
        self.teller: Teller = (
            JsonLines(out) if options["json"] else Tables(out, errors)  # type: ignore[arg-type]
        )
        self.dry: bool = options["dry_run"] or options["plan"]
        try:
            failed = self._ingest_all(self._sources(sources, options), options)
        except OperationalError as error:
            raise CommandError(explained(error)) from error
        if failed:
            sys.exit(1)

    def _ingest_all(self, sources: list[Source], options: dict[str, Any]) -> bool:
        """Whether any document failed. A source that cannot be read does not keep the others."""
        pipeline = IngestionPipeline.from_settings()
        failed = False
        troubles: list[str] = []
        for source in sources:
            try:
                if self.dry:
                    failed |= self._plan(source, pipeline, costs=options["plan"])
                else:
                    failed |= self._ingest(source, pipeline, options["allow_mass_delete"]).failed
            except TROUBLE as error:
                troubles.append(f"{source}: {error}")
        if troubles:
            raise CommandError("\n".join(troubles))
        return failed

    def _ingest(self, source: Source, pipeline: IngestionPipeline, allowed: bool) -> Report:
        started = perf_counter()
        run = IngestionRun.objects.create(source=source, allow_mass_delete=allowed)
        with self.teller.watching(source) as show:
            try:
                report = ingest_source(run, pipeline, progress=show)
            except SourceBusy:
                run.delete()  # nobody should do later what is refused now
                raise
            while run.status == IngestionRun.Status.WAITING and not stopping.is_set():
                self._wait(run)
                ingest_source(run, pipeline, report=report, progress=show)
        self.teller.summary(source, report, perf_counter() - started, dry=False)
        return report

    def _wait(self, run: IngestionRun) -> None:
        """There may be no worker: the command itself is patient."""
        left = (run.next_attempt_at or timezone.now()) - timezone.now()
        seconds = max(left.total_seconds(), 0.0)
        self.teller.waiting(seconds, run.error)
        sleep(seconds)

    def _plan(self, source: Source, pipeline: IngestionPipeline, *, costs: bool) -> bool:
        started = perf_counter()
        plan = plan_run(source, pipeline)
        self.teller.summary(source, plan.report, perf_counter() - started, dry=True)
        if costs:
            self.teller.plan(source, plan, limits(plan))
        elif plan.refusal:
            self.stderr.write(f"  This run would stop: {plan.refusal}")
        return plan.report.failed

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
        about = SourceOptions(**{field: options[field] for field in SourceOptions.names()})
        source = named_source(name)
        if source is not None and about.given and source.location == str(Path(name).resolve()):
            source = None  # the folder is meant, which happens to be called like its source
        if source is not None and about.given:
            raise LoadError(
                f'"{name}" is a source already. Change its {", ".join(about.given)} in the admin, '
                "or give its folder or address instead of its name."
            )
        source = source or source_for(name, about, DEFAULT_CORPUS, save=not self.dry)
        if options["public"] and not self.dry:
            source.corpus.is_public = True
            source.corpus.save(update_fields=["is_public"])
        return source


def explained(error: OperationalError) -> str:
    """What an operator can do about a database that does not do its part."""
    if "locked" in str(error):
        remedy = "Another process is writing to it. Wait until it is done, or raise SQLITE_TIMEOUT."
    else:
        remedy = "Check DATABASE_URL, and run `manage.py migrate` if that was never done."
    return f"The database does not answer: {error}. {remedy} Then run the same command again."
