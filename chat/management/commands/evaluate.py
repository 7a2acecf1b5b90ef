"""`manage.py evaluate`: how good are retrieval, answers and abstentions, and are they still?"""

import asyncio
import json
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from chat.evaluation import environment, page, report
from chat.evaluation.ablation import PARTS
from chat.evaluation.cases import BadCases
from chat.evaluation.comparison import SEED
from chat.evaluation.evaluating import Evaluation
from chat.evaluation.installation import throw_away_installation
from chat.evaluation.question_sets import set_named, store
from chat.evaluation.ranking import MeasuresMissing, measures_library
from chat.evaluation.results import Report, read_report
from chat.evaluation.subjects import Subject, check_pages, subject
from chat.evaluation.thresholds import failures, threshold
from chat.pipeline import AnswerPipeline
from documents.embedding.base import EmbeddingError
from documents.index.base import IndexUnavailable, SpaceMismatch


class Command(BaseCommand):
    help = (
        "Ask sets of questions on the production path and measure the answers. A set is a file of "
        "JSON lines, a BEIR folder (corpus.jsonl, queries.jsonl, qrels.tsv), or the slug of a "
        "question set from the admin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sets", nargs="+", metavar="SET")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--corpus", help="ask this corpus, as it is")
        where.add_argument(
            "--folder", type=Path, help="ingest these pages into a throw-away database and ask them"
        )
        parser.add_argument(
            "--keep", type=Path, metavar="FOLDER", help="keep that database's vectors for next time"
        )
        parser.add_argument("--language", help="of the corpus that is made; en when omitted")
        parser.add_argument("--queries", type=Path, help="instead of a BEIR folder's queries.jsonl")
        parser.add_argument("--name", help="of the set in reports; its file's when omitted")
        parser.add_argument(
            "--without", action="append", default=[], choices=PARTS, help="leave a part out"
        )
        parser.add_argument("--limit", type=int, help="ask the first so many questions only")
        kept = parser.add_argument_group("question sets of the admin; nothing is asked with these")
        kept.add_argument(
            "--store", metavar="SLUG", help="keep the questions as this set of the --corpus"
        )
        kept.add_argument(
            "--export", type=Path, metavar="FILE", help="write the questions as JSON lines"
        )
        result = parser.add_argument_group("result")
        result.add_argument("--json", action="store_true", help="print the result as JSON")
        result.add_argument("--save", type=Path, metavar="FILE", help="JSON, later a --baseline")
        result.add_argument(
            "--report", type=Path, action="append", default=[], metavar="FILE", help=".md or .html"
        )
        result.add_argument("--baseline", type=Path, metavar="FILE", help="compare with a --save")
        result.add_argument("--seed", type=int, default=SEED, help="of the bootstrap")
        for side, better in (("under", "higher"), ("over", "lower")):
            result.add_argument(
                f"--fail-{side}", action="append", default=[], metavar="[SET:]MEASURE=VALUE",
                help=f"exit with 1 if a measure, of which {better} is better, is {side} this",
            )  # fmt: skip

    def handle(self, *, sets: list[str], **options: Any) -> None:
        try:
            self._handle(sets, options)
        except (BadCases, MeasuresMissing, EmbeddingError, IndexUnavailable) as error:
            raise CommandError(str(error)) from error
        except SpaceMismatch as error:
            raise CommandError(f"{error} Run: manage.py check") from error
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(
                f"The database does not answer: {str(error).strip()}. Check DATABASE_URL, and run "
                "`manage.py migrate` if that was never done."
            ) from error

    def _handle(self, sets: list[str], options: dict[str, Any]) -> None:
        limits = [threshold(text, upwards=False) for text in options["fail_under"]]
        limits += [threshold(text, upwards=True) for text in options["fail_over"]]
        baseline = read_report(options["baseline"]) if options["baseline"] else None
        if options["limit"] is not None and options["limit"] < 1:
            raise BadCases("--limit must be 1 or more.")
        check_targets(options)
        subjects = self._subjects(sets, options)
        if options["store"] or options["export"]:
            self._keep(subjects, options)
            return
        measures_library()
        found = self._evaluate(subjects, options)
        self._tell_result(found, baseline, options)
        if broken := failures(limits, found.sets):
            raise CommandError("\n".join(broken))

    def _subjects(self, sets: list[str], options: dict[str, Any]) -> list[Subject]:
        where = {name: options[name] for name in ("corpus", "folder", "queries", "language")}
        found = [subject(text, **where).first(options["limit"]) for text in sets]
        if options["name"]:
            if len(found) > 1:
                raise BadCases("--name is for one set. Evaluate several without it.")
            found = [replace(found[0], name=options["name"])]
        names = [one.name for one in found]
        if twice := {name for name in names if names.count(name) > 1}:
            raise BadCases(f"Two sets are called {twice.pop()}. Evaluate them one by one.")
        return found

    def _keep(self, subjects: list[Subject], options: dict[str, Any]) -> None:
        one = subjects[0]
        if len(subjects) > 1 or not one.cases:
            raise BadCases("--store and --export take one set of questions.")
        if options["store"]:
            if one.corpus is None:
                raise BadCases("--store needs --corpus: a question set belongs to one.")
            check_pages(one, one.corpus)
            new, changed = store(set_named(options["store"], one.corpus), one.cases)
            self.stdout.write(f"{options['store']}: {new} new, {changed} replaced")
        if options["export"]:
            lines = [json.dumps(case.as_json(), ensure_ascii=False) for case in one.cases]
            options["export"].write_text("\n".join([*lines, ""]), encoding="utf-8")
            self.stdout.write(f"{options['export']}: {len(lines)} questions")

    def _evaluate(self, subjects: list[Subject], options: dict[str, Any]) -> Report:
        here = [one for one in subjects if one.corpus is not None]
        elsewhere = [one for one in subjects if one.corpus is None]
        found = self._run(here, options) if here else None
        if elsewhere:
            with throw_away_installation(options["keep"]):
                made = self._run(elsewhere, options)
            found = replace(made, sets=[*found.sets, *made.sets]) if found else made
        assert found is not None  # noqa: S101 - there is a set at least
        return found

    def _run(self, subjects: list[Subject], options: dict[str, Any]) -> Report:
        with asyncio.Runner() as runner:
            seed, leave_out = options["seed"], options["without"]
            evaluation = Evaluation(leave_out, seed, self._tell, runner)
            results = [evaluation.run(one) for one in subjects]
            pipeline = AnswerPipeline.from_settings()
            return Report(environment.about(pipeline, leave_out, seed), results)

    def _tell_result(self, found: Report, baseline: Report | None, options: dict[str, Any]) -> None:
        if options["save"]:
            found.save(options["save"])
        for path in options["report"]:
            write = page.page if path.suffix == ".html" else report.markdown
            path.write_text(write(found, baseline), encoding="utf-8")
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json(), ensure_ascii=False))
        else:
            self.stdout.write(report.markdown(found, baseline))

    def _tell(self, line: str) -> None:
        self.stderr.write(line, self.style.NOTICE)


def check_targets(options: dict[str, Any]) -> None:
    """What is to be written can be, before hours are spent on it."""
    for path in options["report"]:
        if path.suffix not in (".md", ".html"):
            raise BadCases(f"--report {path}: its name must end in .md or .html; --save is JSON.")
    for path in filter(None, [options["save"], options["export"], *options["report"]]):
        if path.is_dir() or not path.resolve().parent.is_dir():
            raise BadCases(f"{path} cannot be written. Give a file in a folder that is there.")
