"""What the evidence gate sees, and what its thresholds do: answered, and abstained from, by set.

    python benchmarks/abstention.py                     # all sets, with the thresholds in use
    python benchmarks/abstention.py --sweep             # every pair of thresholds, balanced

Needs the corpora of the sets in the database: see `--help` for their names.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SETS = {  # corpus slug: questions
    "docusaurus": "{eval}/questions/docusaurus-docs.jsonl",
    "fastapi": "{eval}/questions/fastapi-docs.jsonl",
    "handbook": str(ROOT / "benchmarks" / "handbook_questions.jsonl"),
}


async def features(corpus, questions: list[dict], *, dense: bool) -> list[tuple]:
    from chat import evidence
    from chat.retrieval import Retriever
    from documents.scope import Scope

    retriever = Retriever.from_settings()
    if not dense:
        from dataclasses import replace

        retriever = replace(retriever, embedder=None)
    rows = []
    for question in questions:
        if question.get("history"):
            continue
        if question.get("lang", "en") != "en":
            continue
        found = await retriever.search(
            question["question"], Scope(frozenset([corpus.pk])), language=corpus.language
        )
        judged = evidence.weigh(
            question["question"], found.passages, found.candidates, corpus.language
        )
        rows.append((question["type"] != "unanswerable", judged, question))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eval-dir", default=str(ROOT.parent / "shared" / "eval"))
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--words-only", action="store_true", help="without vectors")
    parser.add_argument("--show", action="store_true", help="every wrong decision")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    import django

    django.setup()
    from documents.models import Corpus

    every = []
    for slug, pattern in SETS.items():
        path = Path(pattern.format(eval=options.eval_dir))
        corpus = Corpus.objects.filter(slug=slug).first()
        if corpus is None or not path.exists():
            print(f"{slug}: skipped, no corpus of this name, or no {path.name}")
            continue
        questions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        rows = asyncio.run(features(corpus, questions, dense=not options.words_only))
        every += rows
        report(slug, [(answerable, judged.enough) for answerable, judged, _ in rows])
        if options.show:
            for answerable, judged, question in rows:
                if answerable != judged.enough:
                    print(
                        f"   {question['type']:14} {judged.similarity or 0:.2f} "
                        f"{judged.word_share:.2f} {judged.absent_share:.2f} {question['question']}"
                    )
    if every:
        report("all", [(answerable, judged.enough) for answerable, judged, _ in every])
    if options.sweep:
        sweep(every)


def report(name: str, decisions: list[tuple[bool, bool]]) -> None:
    answerable = [enough for wanted, enough in decisions if wanted]
    others = [enough for wanted, enough in decisions if not wanted]
    kept = sum(answerable) / max(1, len(answerable))
    refused = 1 - sum(others) / max(1, len(others))
    print(
        f"{name:12} answered {kept:.2f} of {len(answerable):3} answerable, abstained from "
        f"{refused:.2f} of {len(others):3} others, balanced {(kept + refused) / 2:.3f}"
    )


def sweep(rows: list[tuple]) -> None:
    """Every weighting on a grid, with every threshold that makes a difference."""
    words_only = all(judged.similarity is None for _, judged, _ in rows)
    results = []
    for weight in [1.0] if words_only else [0, 0.25, 0.5, 1, 2, 3]:
        for penalty in [0, 0.5, 1, 1.5, 2, 3]:
            scores = [
                (wanted, (j.similarity or 0) + weight * j.word_share - penalty * j.absent_share)
                for wanted, j, _ in rows
            ]
            yes = [score for wanted, score in scores if wanted]
            no = [score for wanted, score in scores if not wanted]
            for enough in sorted({round(score, 2) for _, score in scores}):
                kept = sum(score >= enough for score in yes) / len(yes)
                refused = sum(score < enough for score in no) / len(no)
                balanced = round((kept + refused) / 2, 3)
                rates = (round(kept, 2), round(refused, 2))
                results.append((balanced, *rates, weight, penalty, enough))
    results.sort(reverse=True)
    print("balanced, answered, abstained; SHARE, ABSENT, ENOUGH")
    for row in results[:5] + [row for row in results if row[1] >= 0.9][:5]:
        print(*row)


if __name__ == "__main__":
    main()
