"""The embedded index: how long a replica takes to fill, and a hybrid search with it.

    .venv/bin/python benchmarks/index_latency.py --chunks 1000,10000 --queries 300

Chunks are runs of 150 words from the corpora in --eval-dir, repeated with other words in between
where they do not suffice; vectors are random but close to each other in clusters, as real ones are.
Half of the searches are narrowed to one of ten corpora. Embedding is not part of it.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from environment import EVAL_DIR, set_up

CORPORA, WORDS = 10, 150
ENGLISH = ("docusaurus-docs", "fastapi-docs/en")


def texts(folder: Path, count: int) -> Iterator[str]:
    words = [
        word
        for part in ENGLISH
        for path in sorted((folder / part).rglob("*.md*"))
        for word in path.read_text(encoding="utf-8", errors="replace").split()
    ]
    chance = random.Random(1)
    for number in range(count):
        start = number * WORDS % (len(words) - WORDS)
        chunk = words[start : start + WORDS]
        if number * WORDS >= len(words):  # second time round
            chunk[::5] = chance.choices(words, k=len(chunk[::5]))
        yield " ".join(chunk)


def fill_database(folder: Path, count: int, space: Any) -> list[Any]:
    from documents.index.embedded import packed
    from documents.models import Chunk, ChunkVector, Corpus, Document, IndexChange, Source

    chance = np.random.default_rng(1)
    clusters = chance.normal(size=(50, space.dimension))
    documents = []
    for number in range(CORPORA):
        corpus = Corpus.objects.create(slug=f"c{number}", name=f"c{number}")
        source = Source.objects.create(corpus=corpus, slug=f"s{number}", location="-")
        documents.append(
            Document.objects.create(
                corpus=corpus, source=source, key="d", title="", language="en", fingerprint="-"
            )
        )
    chunks, vectors = [], []
    for number, text in enumerate(texts(folder, count)):
        vector = clusters[number % 50] + chance.normal(size=space.dimension)
        vector /= np.linalg.norm(vector)
        chunk = Chunk(
            id=UUID(int=chance.integers(1 << 62)), document=documents[number % CORPORA],
            position=number, text=text, line_start=1, line_end=1, char_start=0, char_end=1,
            token_estimate=1, text_hash="",
        )  # fmt: skip
        chunks.append(chunk)
        vectors.append(ChunkVector(chunk=chunk, space=str(space), vector=packed(vector)))
    Chunk.objects.bulk_create(chunks, batch_size=500)
    ChunkVector.objects.bulk_create(vectors, batch_size=500)
    IndexChange.objects.record([chunks[0].pk])
    return chunks


async def timed(index: Any, queries: list[Any]) -> list[float]:
    spent = []
    for query in queries:
        started = time.perf_counter()
        await index.search(query, limit=50)
        spent.append((time.perf_counter() - started) * 1000)
    return spent


def measure(count: int, options: argparse.Namespace) -> None:
    from documents.embedding.base import EmbeddingSpace
    from documents.index.base import IndexQuery
    from documents.index.embedded import EmbeddedIndex
    from documents.index.sparse import encode_query
    from documents.models import Corpus, IndexChange
    from documents.scope import Scope

    space = EmbeddingSpace("benchmark", "random", 384)
    chunks = fill_database(options.eval_dir / "corpora", count, space)
    corpora = list(Corpus.objects.values_list("pk", flat=True))
    chance, random_vectors = random.Random(2), np.random.default_rng(2)
    queries = []
    for number in range(options.queries):
        vector = random_vectors.normal(size=space.dimension).astype(np.float32)
        words = chance.sample(chance.choice(chunks).text.split(), 8)
        scope = Scope(frozenset(corpora if number % 2 else corpora[:1]))
        queries.append(
            IndexQuery(vector / np.linalg.norm(vector), encode_query(" ".join(words), "en"), scope)
        )
    index = EmbeddedIndex(space, options.fusion)
    started = time.perf_counter()
    asyncio.run(timed(index, queries[:1]))
    filled = time.perf_counter() - started
    spent = np.percentile(asyncio.run(timed(index, queries)), [50, 95])
    IndexChange.objects.record([chunk.pk for chunk in chunks[:100]])
    caught_up = asyncio.run(timed(index, queries[:1]))[0]
    print(
        f"{count:7} chunks: filled in {filled:.2f} s, search p50 {spent[0]:.2f} ms, "
        f"p95 {spent[1]:.2f} ms, first search after 100 changes {caught_up:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--eval-dir", type=Path, default=EVAL_DIR)
    parser.add_argument("--chunks", default="1000,10000", help="comma-separated sizes")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--fusion", choices=["rrf", "dbsf"], default="dbsf")
    options = parser.parse_args()
    with set_up():
        from django.core.management import call_command

        for count in options.chunks.split(","):
            measure(int(count), options)
            call_command("flush", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
