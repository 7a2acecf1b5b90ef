"""One search in Qdrant: what its client costs by REST and by gRPC, and what a thin one costs.

    .venv/bin/python benchmarks/qdrant_clients.py --rounds 3

Two stand-ins, each in a process of its own, answer every batch of two queries with the same 50 hits
(ids and scores, no payload). Measured is our process, from the query's vector (1024 numbers) and
words to our own hits. Each measurement is a fresh process, the clients take turns, medians of all
rounds are shown.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import numpy as np
from environment import set_up
from http_clients import Canned

HITS = [(str(UUID(int=n * 7919 + 1)), 1 - n / 100) for n in range(50)]
CLIENTS = ("qdrant-client, REST", "qdrant-client, gRPC", "thin")
SEARCHES = 960


def answer() -> bytes:
    points = [{"id": id_, "version": 1, "score": score} for id_, score in HITS]
    body = {"result": [{"points": points}] * 2, "status": "ok", "time": 0.002, "usage": {}}
    return json.dumps(body).encode()


def serve_grpc() -> None:
    import grpc
    from qdrant_client import grpc as qdrant

    points = [
        qdrant.ScoredPoint(id=qdrant.PointId(uuid=id_), score=score, version=1)
        for id_, score in HITS
    ]
    reply = qdrant.QueryBatchResponse(result=[qdrant.BatchResult(result=points)] * 2, time=0.002)

    class Points(qdrant.PointsServicer):
        def QueryBatch(self, request: Any, context: Any) -> Any:
            return reply

    server = grpc.server(ThreadPoolExecutor(8))
    qdrant.add_PointsServicer_to_server(Points(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def question() -> Any:
    from documents.index.base import IndexQuery
    from documents.index.sparse import encode_query
    from documents.scope import Scope

    vector = np.random.default_rng(1).normal(size=1024).astype(np.float32)
    words = encode_query("how is the sidebar generated from the folder structure", "en")
    return IndexQuery(vector / np.linalg.norm(vector), words, Scope(frozenset({1})), 2)


def searching(client: str, rest: int, grpc: int) -> Callable[[Any], Awaitable[list[Any]]]:
    from documents.index.qdrant_requests import EXACT_SCORES, hits, search_requests

    if client == "thin":
        from documents.index.qdrant_search import QdrantSearch

        search = QdrantSearch.connect(f"http://127.0.0.1:{rest}", "key", deadline=30.0)

        async def thin(query: Any) -> list[Any]:
            asked = search_requests(query, "dbsf", 50, params=EXACT_SCORES)
            return hits(await search.query_batch("chunks", asked))

        return thin
    from qdrant_client import AsyncQdrantClient, models

    over_grpc = client.endswith("gRPC")
    sdk = AsyncQdrantClient(
        url=f"http://127.0.0.1:{rest}", api_key=None, timeout=30, check_compatibility=False,
        prefer_grpc=over_grpc, grpc_port=grpc, trust_env=False,
    )  # fmt: skip

    async def whole(query: Any) -> list[Any]:
        asked = search_requests(query, "dbsf", 50, params=EXACT_SCORES)
        found = await sdk.query_batch_points("chunks", [models.QueryRequest(**a) for a in asked])
        return hits([{"points": [vars(point) for point in part.points]} for part in found])

    return whole


async def measured(client: str, in_flight: int, rest: int, grpc: int) -> dict[str, float]:
    search, query = searching(client, rest, grpc), question()
    for _ in range(16):
        found = await search(query)
    assert [str(hit.chunk_id) for hit in found] == [id_ for id_, _score in HITS]
    spent: list[float] = []

    async def some(number: int) -> None:
        for _ in range(number):
            began = time.perf_counter()
            assert len(await search(query)) == len(HITS)
            spent.append(time.perf_counter() - began)

    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(some(SEARCHES // in_flight) for _ in range(in_flight)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "cpu_ms": cpu * 1000 / len(spent),
        "p95_ms": sorted(spent)[int(len(spent) * 0.95)] * 1000,
        "megabytes": after.ru_maxrss / 1024,
    }


def run(*arguments: Any) -> dict[str, float]:
    told = subprocess.run(
        [sys.executable, __file__, "--measure", *map(str, arguments)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return result


def compared(rounds: int, rest: int, grpc: int) -> None:
    print(f"{'':14} {'client':20} {'CPU ms/search':>14} {'p95 ms':>8} {'MB':>6}")
    for in_flight in (1, 8, 64):
        results: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
        for number in range(rounds):
            for client in CLIENTS if number % 2 else reversed(CLIENTS):
                results[client].append(run(client, in_flight, rest, grpc))
        for client, found in results.items():
            median = {name: statistics.median(each[name] for each in found) for name in found[0]}
            print(
                f"{in_flight:3} in flight  {client:20} {median['cpu_ms']:14.2f}"
                f" {median['p95_ms']:8.1f} {median['megabytes']:6.0f}",
                flush=True,
            )


def started(which: str) -> tuple[subprocess.Popen[str], int]:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", which], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    return server, int(server.stdout.readline())


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve == "grpc":
        serve_grpc()
    elif options.serve:
        Canned(answer()).serve()
    elif options.measure:
        client, *numbers = options.measure
        with set_up():
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                print(json.dumps(runner.run(measured(client, *map(int, numbers)))))
    else:
        servers = [started("rest"), started("grpc")]
        try:
            compared(options.rounds, *(port for _server, port in servers))
        finally:
            for server, _port in servers:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    main()
