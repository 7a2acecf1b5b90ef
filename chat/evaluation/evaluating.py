"""One set from the first question to its result."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from chat.evaluation import beir
from chat.evaluation.ablation import without
from chat.evaluation.anchors import anchors_of
from chat.evaluation.cases import BadCases
from chat.evaluation.measures import Asked
from chat.evaluation.results import SetResult, rows_of_queries, rows_of_questions
from chat.evaluation.running import ask_all
from chat.evaluation.subjects import Subject, check_pages, ingested, unknown_headings
from chat.pipeline import AnswerPipeline
from documents.models import Corpus


@dataclass(frozen=True)
class Evaluation:
    """One or more sets in one installation: what is left out, and who hears how it goes.

    `runner` holds the event loop, with which clients of providers live and die. Its threads keep
    their connections to the database, so that each installation needs one of its own.
    """

    leave_out: list[str]
    seed: int
    tell: Callable[[str], None]
    runner: asyncio.Runner

    def run(self, subject: Subject) -> SetResult:
        """In the database that is connected now; raises BadCases."""
        corpus = subject.corpus or self._ingest(subject)
        if subject.cases:
            check_pages(subject, corpus)
            for warning in unknown_headings(subject, corpus):
                self.tell(warning)
        began = perf_counter()
        # Built outside of the event loop: loading a model takes a moment.
        pipeline = AnswerPipeline.from_settings()
        pipeline.retriever.index.open()
        with without(pipeline, self.leave_out) as chosen:
            if subject.queries:
                searched = beir.search_all(chosen.retriever, corpus, subject.queries)
                rows = rows_of_queries(self.runner.run(searched))
            else:
                rows = rows_of_questions(self.runner.run(self._ask(chosen, corpus, subject)))
        result = SetResult(
            subject.name, subject.kind, corpus.slug, round(perf_counter() - began, 1), rows,
            self.seed,
        )  # fmt: skip
        errors = {row.error for row in rows if row.error}
        if len([row for row in rows if row.error]) == len(rows):
            raise BadCases(f"{subject.name}: every question failed ({', '.join(sorted(errors))}).")
        self.tell(f"{subject.name}: {len(rows)} questions in {result.seconds:.0f} s")
        return result

    def _ingest(self, subject: Subject) -> Corpus:
        began = perf_counter()
        corpus, failed = ingested(subject)
        self.tell(f"{subject.folder}: ingested in {perf_counter() - began:.0f} s")
        if failed:
            self.tell(f"{subject.folder}: {failed} pages could not be read; see manage.py ingest")
        return corpus

    async def _ask(self, pipeline: AnswerPipeline, corpus: Corpus, subject: Subject) -> list[Asked]:
        anchors = await asyncio.to_thread(anchors_of, subject.cases, corpus)
        return [asked async for asked in ask_all(pipeline, corpus, subject.cases, anchors)]
