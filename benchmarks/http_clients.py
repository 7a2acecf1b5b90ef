"""What carries requests to providers: httpx's own connections, or aiohttp's under the same API.

    .venv/bin/python benchmarks/http_clients.py --rounds 3

A stand-in in a process of its own sends what is asked: streams of server-sent events, 60 tokens of
20 ms each, which begin within one second of each other; short JSON replies; Cohere's reply to a
rerank, for its SDK. Each measurement is a fresh process, the clients take turns, and the medians of
all rounds are shown. A call that does not bring every token, or all of its JSON, is not completed.
"""

import argparse
import asyncio
import json
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from environment import set_up

TOKENS, PAUSE = 60, 0.02
CLIENTS = ("httpx", "aiohttp")
IN_FLIGHT = 64
HITS = [{"index": number, "relevance_score": 1 - number / 100} for number in range(24)]
JSON_BODY = json.dumps({"id": "x", "results": HITS, "meta": {"api_version": {"version": "2"}}})
LIMIT = 60.0  # seconds for each wait; what takes longer has not been completed


# --- The stand-in ------------------------------------------------------------------------------


def token(number: int) -> bytes:
    delta = {"role": "assistant", "content": f"word{number} "}
    choice = {"index": 0, "delta": delta, "finish_reason": None, "native_finish_reason": None}
    chunk = {
        "id": "gen-1", "object": "chat.completion.chunk", "created": 1776300000,
        "model": "vendor/primary", "provider": "Parasail", "choices": [choice],
    }  # fmt: skip
    event = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


EVENTS = [token(number) for number in range(TOKENS)]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n"
STREAM = HEAD % b"text/event-stream" + b"transfer-encoding: chunked\r\n\r\n"


class Canned:
    """An HTTP server that answers everything with the same JSON, and `/stream` with events."""

    def __init__(self, body: bytes):
        length = b"content-length: %d\r\n\r\n" % len(body)
        self.answer = HEAD % b"application/json" + length + body

    def serve(self) -> None:
        """Prints its port and stays."""
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        server = await asyncio.get_running_loop().create_server(
            lambda: Answering(self.answer), sock=listener
        )
        print(listener.getsockname()[1], flush=True)
        await server.serve_forever()


class Answering(asyncio.Protocol):
    def __init__(self, answer: bytes):
        self.answer, self.received = answer, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        if len(body) < length:
            return
        self.received = body[length:]
        if b"/stream" in head.split(b"\r\n")[0]:
            self.transport.write(STREAM)
            self.send(0, asyncio.get_running_loop().time())
        else:
            self.transport.write(self.answer)

    def send(self, number: int, moment: float) -> None:
        if self.transport.is_closing():
            return
        if number == TOKENS:
            self.transport.write(b"0\r\n\r\n")
            return
        self.transport.write(EVENTS[number])
        loop = asyncio.get_running_loop()
        loop.call_at(moment + PAUSE, self.send, number + 1, moment + PAUSE)


# --- One measurement, in a process of its own ---------------------------------------------------


def made(client: str) -> Any:
    import httpx

    from documents.upstream.http import LIMITS, async_client

    if client == "aiohttp":
        return async_client(read=LIMIT, total=LIMIT)
    return httpx.AsyncClient(timeout=LIMIT, limits=LIMITS, trust_env=False)


async def read_stream(http: Any, url: str) -> float:
    """Seconds until the first token."""
    from httpx_sse import aconnect_sse

    began, first, said = time.perf_counter(), 0.0, []
    async with aconnect_sse(http, "POST", url + "/stream", json={"messages": "x" * 4000}) as source:
        async for event in source.aiter_sse():
            first = first or time.perf_counter() - began
            said.append(json.loads(event.data)["choices"][0]["delta"]["content"])
    assert said == [f"word{number} " for number in range(TOKENS)]
    return first


async def read_json(http: Any, url: str) -> float:
    began = time.perf_counter()
    reply = await http.post(url + "/json", json={"query": "x" * 500})
    assert reply.json()["results"] == HITS
    return time.perf_counter() - began


async def rerank(sdk: Any, _url: str) -> float:
    began = time.perf_counter()
    reply = await sdk.rerank(model="rerank-v3.5", query="x", documents=["y" * 400] * 24)
    assert [result.index for result in reply.results] == list(range(24))
    return time.perf_counter() - began


async def measured(kind: str, client: str, count: int, url: str) -> dict[str, float]:
    http = made(client)
    call: Callable[[Any, str], Awaitable[float]] = read_stream if kind == "stream" else read_json
    subject = http
    if kind == "rerank":
        import cohere

        call = rerank
        subject = cohere.AsyncClientV2("key", base_url=url, httpx_client=http, max_retries=0)
    await asyncio.gather(*(call(subject, url) for _ in range(8)))
    spent: list[float] = []
    failures: list[str] = []

    async def one(delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            spent.append(await call(subject, url))
        except Exception as error:  # whatever it is, it is not completed
            failures.append(type(error).__name__)

    async def some(number: int) -> None:
        for _ in range(number):
            await one(0)

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if kind == "stream":
        await asyncio.gather(*(one(number / count) for number in range(count)))
    else:
        await asyncio.gather(*(some(count // IN_FLIGHT) for _ in range(IN_FLIGHT)))
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    await http.aclose()
    done = len(spent)
    return {
        "cpu_ms": cpu * 1000 / max(1, done),
        "completed": done / max(1, done + len(failures)),
        "p95_ms": sorted(spent)[int(done * 0.95)] * 1000 if spent else 0.0,
        "took": took,
    }


# --- All of them --------------------------------------------------------------------------------


def run(kind: str, client: str, count: int, url: str) -> dict[str, float]:
    told = subprocess.run(
        [sys.executable, __file__, "--measure", kind, client, str(count), url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(told.stdout.splitlines()[-1])


def compared(url: str, rounds: int) -> None:
    work = [("stream", 50), ("stream", 200), ("stream", 1000), ("json", 1920), ("rerank", 960)]
    print(f"{'':24} {'client':8} {'CPU ms/call':>12} {'completed':>10} {'p95 ms':>8} {'s':>6}")
    for kind, count in work:
        results: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
        for number in range(rounds):
            for client in CLIENTS if number % 2 else reversed(CLIENTS):
                results[client].append(run(kind, client, count, url))
        medians = {
            client: {name: statistics.median(result[name] for result in found) for name in found[0]}
            for client, found in results.items()
        }
        name = f"{count} streams" if kind == "stream" else f"{kind}, {IN_FLIGHT} in flight"
        for client, median in medians.items():
            print(
                f"{name:24} {client:8} {median['cpu_ms']:12.2f} {median['completed']:10.1%}"
                f" {median['p95_ms']:8.0f} {median['took']:6.1f}"
            )
        ratio = medians["httpx"]["cpu_ms"] / medians["aiohttp"]["cpu_ms"]
        print(f"{name:24} {'ratio':8} {ratio:12.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        Canned(JSON_BODY.encode()).serve()
    elif options.measure:
        kind, client, count, url = options.measure
        with set_up():
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                print(json.dumps(runner.run(measured(kind, client, int(count), url))))
    else:
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            compared(f"http://127.0.0.1:{int(server.stdout.readline())}", options.rounds)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
