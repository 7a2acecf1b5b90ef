"""From a question to its first text, and where the time goes: the whole path, in this process.

    python benchmarks/question_latency.py              # the handbook, in a database of its own
    python benchmarks/question_latency.py --rounds 5

Extractive answers, one question at a time; a first round warms up and does not count.
"""

import argparse
import asyncio
import json
import statistics
from dataclasses import replace
from time import perf_counter

from environment import ROOT, set_up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    folder = set_up()
    from django.conf import settings
    from django.core.management import call_command

    from documents.models import Corpus

    settings.QUESTIONS_PER_MINUTE = 1_000_000
    call_command("ingest", str(ROOT / "docs" / "handbook"), corpus="handbook")
    corpus = Corpus.objects.get(slug="handbook")
    path = ROOT / "benchmarks" / "handbook_questions.jsonl"
    questions = [json.loads(line)["question"] for line in path.read_text().splitlines()]
    rows = asyncio.run(ask_all(corpus, questions, rounds))
    folder.cleanup()
    print(f"\n{len(rows)} questions, milliseconds")
    print(f"{'stage':16} {'p50':>8} {'p95':>8}")
    for stage in ("embed", "search", "rerank", "first_text", "total"):
        values = sorted(row[stage] for row in rows if stage in row)
        p95 = values[min(len(values) - 1, int(len(values) * 0.95))]
        print(f"{stage:16} {statistics.median(values):8.1f} {p95:8.1f}")


async def ask_all(corpus, questions: list[str], rounds: int) -> list[dict[str, float]]:
    from chat.auth.principal import Principal
    from chat.events import Delta
    from chat.models import Conversation
    from chat.pipeline import AnswerPipeline
    from chat.turns import Turn
    from documents.threads import in_database_thread

    principal = Principal("user", "benchmark", frozenset([corpus.pk]))
    pipeline = AnswerPipeline.from_settings()
    # Without the cache of query embeddings: each question counts as a new one.
    uncached = pipeline.retriever.embedder.embedder
    pipeline = replace(pipeline, retriever=replace(pipeline.retriever, embedder=uncached))
    rows = []
    for number in range(rounds + 1):
        for question in questions:
            conversation = await in_database_thread(Conversation.objects.create)(
                corpus=corpus, owner=principal.owner
            )
            turn = Turn(conversation, principal, question, principal.scope, anew=True)
            began, first = perf_counter(), None
            async for event in pipeline.answer(turn):
                if first is None and isinstance(event, Delta):
                    first = (perf_counter() - began) * 1000
            total = (perf_counter() - began) * 1000
            if number:
                rows.append({**turn.timings, "first_text": first or total, "total": total})
    return rows


if __name__ == "__main__":
    main()
