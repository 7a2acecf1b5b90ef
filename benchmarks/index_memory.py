"""What a collection takes of memory and disk in Qdrant's own engine, against what we count on.

    .venv/bin/python benchmarks/index_memory.py --chunks 20000 --dimensions 1024,256

A collection is filled as ingestion fills it (150 words a chunk from the corpora in --eval-dir,
vectors near each other in clusters, our payload and its indexes), optimised and closed. A fresh
process opens it and searches it. Counted is what that process cannot give back (RssAnon) and the
size of the files without the write-ahead log; by the difference of two collections, one of them a
quarter of the other, since the engine itself takes something as well.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from environment import EVAL_DIR, set_up
from index_latency import WORDS, texts

BATCH, CLUSTERS = 500, 200
LAYOUTS = {  # where each part lies: cold is on disk alone, pinned in memory as well
    "as we make it": {"hnsw": "Pinned"},
    "graph on disk": {},
    "words in memory": {"hnsw": "Pinned", "sparse": "Pinned"},
}


def settings(dimension: int, layout: dict[str, str]) -> Any:
    import qdrant_edge as edge

    def memory(part: str) -> Any:
        return getattr(edge.Memory, layout.get(part, "Cold"))

    hnsw = edge.HnswIndexConfig(16, 100, 10000, memory=memory("hnsw"))
    int8 = edge.ScalarQuantizationConfig(
        edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned
    )
    dense = edge.EdgeVectorParams(
        size=dimension, distance=edge.Distance.Cosine, memory=edge.Memory.Cold,
        quantization_config=int8, hnsw_config=hnsw,
    )  # fmt: skip
    sparse = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf, memory=memory("sparse"))
    return edge.EdgeConfig(
        vectors={"dense": dense}, sparse_vectors={"bm25": sparse}, hnsw_config=hnsw,
        payload_memory=edge.Memory.Cold,
        optimizers=edge.EdgeOptimizersConfig(
            default_segment_number=2, indexing_threshold=1000, deleted_threshold=0.2,
            vacuum_min_vector_number=1000,
        ),
    )  # fmt: skip


def fill(folder: Path, count: int, dimension: int, layout: dict[str, str], eval_dir: Path) -> None:
    import qdrant_edge as edge

    from documents.index.payload import KEYWORD_FIELDS
    from documents.index.sparse import encode_document

    shard = edge.EdgeShard.create(str(folder), settings(dimension, layout))
    cold = layout.get("payload", "Cold")
    for field in KEYWORD_FIELDS:
        params = edge.KeywordIndexParams(memory=getattr(edge.Memory, cold))
        shard.update(edge.UpdateOperation.create_field_index(field, params))
    shard.update(edge.UpdateOperation.create_field_index("live", edge.PayloadSchemaType.Bool))
    shard.update(edge.UpdateOperation.create_field_index("change", edge.PayloadSchemaType.Integer))
    chance, sources = np.random.default_rng(1), random.Random(1)
    centres = chance.normal(size=(CLUSTERS, dimension))
    points = []
    for number, text in enumerate(texts(eval_dir / "corpora", count)):
        vector = centres[number % CLUSTERS] + chance.normal(size=dimension)
        vector /= np.linalg.norm(vector)
        words = encode_document(text, "en")
        payload = {
            "corpus": "1", "source": f"source-{sources.randrange(5)}", "language": "en",
            "document": str(number // 12), "version": "", "trust_tier": "official",
            "sections": [f"Chapter {number // 60}", f"Section {number // 3}"],
            "live": True, "change": number,
        }  # fmt: skip
        vectors: Any = {
            "dense": vector.tolist(),
            "bm25": edge.SparseVector(list(words.indices), list(words.values)),
        }
        points.append(edge.Point(UUID(int=chance.integers(1 << 62)), vectors, payload))
        if len(points) == BATCH:
            shard.update(edge.UpdateOperation.upsert_points(points))
            points.clear()
    shard.update(edge.UpdateOperation.upsert_points(points))
    while shard.optimize():
        pass
    shard.flush()
    shard.close()


def status(what: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(what)


def opened(folder: Path, dimension: int) -> dict[str, float]:
    import qdrant_edge as edge

    before = status("RssAnon")
    shard = edge.EdgeShard.load(str(folder))
    loaded = status("RssAnon")
    chance, spent = np.random.default_rng(2), []
    for _ in range(100):
        request = edge.QueryRequest(
            limit=100,
            query=edge.Query.Nearest(chance.normal(size=dimension).tolist(), using="dense"),
            filter=edge.Filter(
                must=[edge.FieldCondition(key="corpus", match=edge.MatchValue("1"))]
            ),
            params=edge.SearchParams(quantization=edge.QuantizationSearchParams(rescore=True)),
        )
        began = time.perf_counter()
        assert len(shard.query(request)) == 100
        spent.append(time.perf_counter() - began)
    info = shard.info()
    return {
        "points": info.points_count, "indexed": info.indexed_vectors_count or 0,
        "loaded": loaded - before, "searched": status("RssAnon") - before,
        "files": status("RssFile"), "p50_ms": sorted(spent)[50] * 1000,
    }  # fmt: skip


def parts(folder: Path) -> Counter[str]:
    """Bytes on disk, by the engine's own names."""
    found: Counter[str] = Counter()
    for path in folder.rglob("*"):
        if path.is_file():
            inside = path.relative_to(folder).parts
            name = "/".join(inside[2:4]) if inside[0] == "segments" else inside[0]
            found[name] += path.stat().st_blocks * 512
    return found


def child(*arguments: object) -> str:
    return subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--eval-dir", type=Path, default=EVAL_DIR)
    parser.add_argument("--chunks", type=int, default=20000)
    parser.add_argument("--dimensions", default="1024")
    parser.add_argument("--layouts", default=",".join(LAYOUTS))
    parser.add_argument("--fill", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        folder, dimension, layout = options.fill
        with set_up():
            fill(Path(folder), options.chunks, int(dimension), LAYOUTS[layout], options.eval_dir)
        return
    if options.open:
        print(json.dumps(opened(Path(options.open[0]), int(options.open[1]))))
        return
    with set_up():
        for dimension in map(int, options.dimensions.split(",")):
            for layout in options.layouts.split(","):
                compare(layout, dimension, options)


def built(folder: Path, layout: str, dimension: int, count: int, eval_dir: Path) -> dict[str, Any]:
    began = time.perf_counter()
    child("--fill", folder, dimension, layout, "--chunks", count, "--eval-dir", eval_dir)
    took = time.perf_counter() - began
    found: dict[str, Any] = json.loads(child("--open", folder, dimension))
    return {**found, "took": took, "disk": parts(folder)}


def compare(layout: str, dimension: int, options: argparse.Namespace) -> None:
    from documents.index.sizing import chunk_size

    results = []
    for count in (options.chunks // 4, options.chunks):
        folder = Path(tempfile.mkdtemp(prefix="ragsite-memory-"))
        try:
            results.append(built(folder, layout, dimension, count, options.eval_dir))
        finally:
            shutil.rmtree(folder)
    few, many = results
    more = many["points"] - few["points"]
    memory = (many["searched"] - few["searched"]) / more
    disk = sum((many["disk"] - few["disk"]).values()) - (many["disk"] - few["disk"])["wal"]
    expected = chunk_size(dimension, WORDS)
    print(
        f"{layout}, {dimension} dimensions, {many['points']} chunks built in {many['took']:.0f} s:"
        f" memory {memory:.0f} bytes a chunk (expected {expected.memory:.0f}), disk"
        f" {disk / more:.0f} (expected {expected.disk:.0f}), log"
        f" {many['disk']['wal'] / 1e6:.0f} MB, search p50 {many['p50_ms']:.1f} ms",
        flush=True,
    )
    for name, size in many["disk"].most_common(8):
        print(f"    {name:44} {size / many['points']:8.0f}")


if __name__ == "__main__":
    main()
