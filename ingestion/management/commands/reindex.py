"""`manage.py reindex`: build the index for the configured space beside the one in use; switch."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from documents.embedding.base import EmbeddingError
from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.providers import get_embedder, get_index
from ingestion.leases import LeaseLost, SourceBusy
from ingestion.reindex import PATIENCE, Incomplete, NothingBefore, Reindexer

PROBLEMS = (
    IndexUnavailable, SpaceMismatch, EmbeddingError, Incomplete, NothingBefore, SourceBusy,
    LeaseLost,
)  # fmt: skip


class Command(BaseCommand):
    help = (
        "Build the index for the configured embedding space beside the one in use, verify it, and "
        "switch over. Search goes on. Restart the servers with the new settings afterwards."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--dry-run", action="store_true", help="say what would be done")
        mode.add_argument(
            "--rollback", action="store_true", help="back to the space that was in use before"
        )
        mode.add_argument(
            "--drop-old",
            action="store_true",
            help="delete what is kept of other spaces; only once no server uses them any more",
        )
        parser.add_argument(
            "--patience", type=float, default=PATIENCE, metavar="SECONDS",
            help="how long to wait for runs at work before switching (%(default).0f)",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, **options: Any) -> None:
        self.as_json: bool = options["json"]
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        try:
            with Progress(
                *columns, console=console, disable=self.as_json or not console.is_terminal
            ) as bar:
                task = bar.add_task("chunks", total=None)

                def tell(what: str, done: int, total: int) -> None:
                    bar.update(task, description=what, completed=done, total=total)

                index = get_index()
                self._do(Reindexer(index, get_embedder(), tell, options["patience"]), options)
        except PROBLEMS as error:
            raise CommandError(str(error)) from error

    def _do(self, reindexer: Reindexer, options: dict[str, Any]) -> None:
        space = str(reindexer.index.space)
        if options["drop_old"]:
            for name, points in reindexer.index.spare().items():
                reindexer.index.drop(name)
                self._say("dropped", f"Dropped {name}.", name=name, points=points)
        elif options["rollback"]:
            space = reindexer.roll_back()
            self._say("rolled back", f"The space {space} is in use again.", space=space)
        else:
            plan = reindexer.plan()
            self._say(
                "plan",
                f"{plan.chunks} chunks, {plan.to_embed} of them to be embedded for {plan.space}.",
                space=plan.space, chunks=plan.chunks, to_embed=plan.to_embed,
            )  # fmt: skip
            if options["dry_run"]:
                return
            embedded = reindexer.run()
            self._say(
                "switched",
                f"The space {space} is complete and in use; {embedded} chunks were embedded.",
                space=space, embedded=embedded,
            )  # fmt: skip
            for name, points in reindexer.index.spare().items():
                told = f"Kept for going back: {name}, {points} points (--drop-old deletes it)."
                self._say("kept", told, name=name, points=points)

    def _say(self, event: str, text: str, **facts: Any) -> None:
        line = json.dumps({"event": event, **facts}, ensure_ascii=False)
        self.stdout.write(line if self.as_json else text)
