"""Retrieval quality on public test sets and on real documentation, beside the floors.

    .venv/bin/python benchmarks/retrieval.py
    .venv/bin/python benchmarks/retrieval.py --sets cranfield,xquad-en --fusion both

BEIR sets go straight into the index: nDCG@10, recall@10, recall@50 by words alone, by vectors
alone, and by both, fused. Documentation goes through `manage.py ingest` and is asked through the
retriever that serves chat: is the page that answers first, or among the first five passages, and
the section among the first five. A floor is what plain BM25 reaches on the same questions.
"""

import argparse
import asyncio
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from environment import EVAL_DIR, set_up

FETCHED = 50
BEIR_SETS = {  # name: folder, language, floor of nDCG@10
    "cranfield": ("ir/cranfield", "en", 0.357),
    "xquad-en": ("ir/xquad/en", "en", 0.966),
    "xquad-es": ("ir/xquad/es", "es", 0.948),
    "xquad-de": ("ir/xquad/de", "de", 0.916),
    "xquad-zh": ("ir/xquad/zh", "zh", 0.967),
    "xquad-hi": ("ir/xquad/hi", "hi", 0.771),
    "xquad-ar": ("ir/xquad/ar", "ar", 0.888),
}
QUESTION_SETS = {  # name: folder, floors of page@1, page@5, section@5
    "docusaurus-docs": ("corpora/docusaurus-docs", (0.63, 0.89, 0.78)),
    "fastapi-docs": ("corpora/fastapi-docs/en", (0.58, 0.81, 0.63)),
}
DEFAULT_SETS = "cranfield,xquad-en,docusaurus-docs,fastapi-docs"


def measure_beir(name: str, options: argparse.Namespace) -> None:
    import beir
    import ir_measures
    from ir_measures import R, nDCG

    from documents.index.embedded import EmbeddedIndex
    from documents.providers import get_embedder, get_index

    path, language, floor = BEIR_SETS[name]
    folder = options.eval_dir / path
    embedder, started = get_embedder(), time.perf_counter()
    corpus, keys = beir.store(folder, name, language, embedder, get_index())
    stored = time.perf_counter() - started
    print(f"\n{name}: {len(keys)} texts stored in {stored:.1f} s; floor of nDCG@10 {floor:.3f}")
    queries, judged = beir.queries(folder), beir.judgements(folder)
    prepared = asyncio.run(encoded(queries, language, corpus))
    print(f"  {'':12} nDCG@10    R@10    R@50   ms/query")
    ways = {"words": get_index(), "vectors": get_index()}
    ways |= {fusion: EmbeddedIndex(get_index().space, fusion) for fusion in options.fusion}
    for way, index in ways.items():
        if embedder is None and way != "words":
            continue
        asyncio.run(searched(index, way, dict(list(prepared.items())[:1])))  # fills the replica
        started = time.perf_counter()
        run = asyncio.run(searched(index, way, prepared))
        spent = (time.perf_counter() - started) / len(queries) * 1000
        scored = [
            ir_measures.ScoredDoc(query, keys[hit.chunk_id], -rank)
            for query, hits in run.items()
            for rank, hit in enumerate(hits)
        ]
        figures = ir_measures.calc_aggregate([nDCG @ 10, R @ 10, R @ 50], judged, scored)
        row = "  ".join(f"{figures[measure]:.4f}" for measure in (nDCG @ 10, R @ 10, R @ 50))
        print(f"  {way:12} {row}   {spent:.2f}")


async def encoded(queries: dict[str, str], language: str, corpus: int) -> dict[str, Any]:
    from documents.index.base import IndexQuery
    from documents.index.sparse import encode_query
    from documents.providers import get_embedder
    from documents.scope import Scope

    scope, embedder = Scope(frozenset({corpus})), get_embedder()
    return {
        key: IndexQuery(
            None if embedder is None else await embedder.embed_query(text),
            encode_query(text, language),
            scope,
        )
        for key, text in queries.items()
    }


async def searched(index: Any, way: str, queries: dict[str, Any]) -> dict[str, list[Any]]:
    from documents.index.sparse import SparseVector

    left_out: dict[str, Any] = {
        "words": {"dense": None}, "vectors": {"sparse": SparseVector((), ())},
    }.get(way, {})  # fmt: skip
    return {
        key: await index.search(replace(query, **left_out), limit=FETCHED)
        for key, query in queries.items()
    }


def measure_questions(name: str, options: argparse.Namespace) -> None:
    import beir
    from django.conf import settings
    from django.core.management import call_command

    from documents.models import Corpus
    from documents.providers import get_index

    path, floors = QUESTION_SETS[name]
    started = time.perf_counter()
    # A page that cannot be read fails the command, not the benchmark: the figures will show it.
    try:
        call_command("ingest", str(options.eval_dir / path), corpus=name)
    except SystemExit:
        print(f"{name}: not every page could be ingested")
    print(f"\n{name}: ingested in {time.perf_counter() - started:.1f} s")
    questions = [
        question
        for question in beir.lines(options.eval_dir / "questions" / f"{name}.jsonl")
        if question["type"] != "unanswerable"
    ]
    corpus = Corpus.objects.get(slug=name).pk
    print(f"  {'':12} page@1   page@5   section@5")
    print(f"  {'floor':12} " + "     ".join(f"{floor:.2f}" for floor in floors))
    for fusion in options.fusion:
        settings.FUSION = fusion
        get_index.cache_clear()
        missed: list[str] = []
        figures = asyncio.run(asked(questions, corpus, missed))
        print(f"  {fusion:12} " + "     ".join(f"{figure:.2f}" for figure in figures))
        if options.misses:
            print("\n".join(f"    {line}" for line in missed))


async def asked(questions: list[dict[str, Any]], corpus: int, missed: list[str]) -> list[float]:
    from chat.retrieval import Retriever
    from documents.scope import Scope

    retriever, counts = Retriever.from_settings(), [0, 0, 0]
    for question in questions:
        found = await retriever.search(question["question"], Scope(frozenset({corpus})), top_k=5)
        keys = await pages(found.passages)
        page, heading = without_language(question["answer_page"]), plain(question["answer_heading"])
        right = [key == page for key in keys]
        sections = [
            hit and heading in map(plain, (passage.title, *passage.heading_path))
            for hit, passage in zip(right, found.passages, strict=True)
        ]
        for position, success in enumerate((right[:1] == [True], any(right), any(sections))):
            counts[position] += success
        if not any(sections):
            missed.append(f"{question['id']} {question['question']} -> {page} # {heading}: {keys}")
    return [count / len(questions) for count in counts]


async def pages(passages: list[Any]) -> list[str]:
    from documents.models import Document

    ids = [passage.document_id for passage in passages]
    keys = {row.pk: row.key async for row in Document.objects.filter(pk__in=ids).only("key")}
    return [without_language(keys[pk]) for pk in ids]


def without_language(page: str) -> str:
    return re.sub(r"^(en|es|hi|ja|zh)/", "", page)


def plain(heading: str) -> str:
    return re.sub(r"[`*\\]|\s*\{#.*?\}", "", heading).strip().lower()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--eval-dir", type=Path, default=EVAL_DIR)
    parser.add_argument("--fusion", choices=["rrf", "dbsf", "both"], default="both")
    names = ", ".join([*BEIR_SETS, *QUESTION_SETS])
    parser.add_argument("--sets", default=DEFAULT_SETS, help=f"comma-separated, of: {names}")
    parser.add_argument(
        "--misses", action="store_true", help="list questions without their section"
    )
    options = parser.parse_args()
    options.fusion = ["rrf", "dbsf"] if options.fusion == "both" else [options.fusion]
    wanted = options.sets.split(",")
    if unknown := set(wanted) - BEIR_SETS.keys() - QUESTION_SETS.keys():
        parser.error(f"unknown sets: {', '.join(sorted(unknown))}")
    with set_up():
        for name in wanted:
            (measure_beir if name in BEIR_SETS else measure_questions)(name, options)


if __name__ == "__main__":
    main()
