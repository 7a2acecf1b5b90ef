"""A small HTTP/1.1 server on loopback whose every reply, and every failure, can be scripted.

Raw asyncio streams instead of ASGI: resets, cut bodies and wrong lengths need the socket itself.
It runs in a thread with an event loop of its own, so that blocking clients can be tested too.
"""

import asyncio
import gzip
import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from enum import Enum, auto
from typing import Any, Self
from uuid import uuid4


class Fault(Enum):
    """What may stand among the chunks of a body instead of bytes."""

    STALL = auto()  # nothing more, until the client leaves
    CUT = auto()  # close the socket in mid-body
    RESET = auto()  # the same, with a TCP reset


# Bytes to write at once, seconds to wait, what to do in between, or the end.
Chunk = bytes | float | Fault | Callable[[], None]


@dataclass(frozen=True)
class Reply:
    """`length` overrides Content-Length; streamed bodies go out in HTTP chunks, one a write."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[Chunk, ...] = ()
    streamed: bool = False
    delay: float = 0.0  # before the headers
    length: int | None = None
    silent: bool = False  # no status line at all: only the faults among the chunks

    def after(self, seconds: float) -> "Reply":
        return replace(self, delay=seconds)

    def with_headers(self, **headers: str) -> "Reply":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})

    def gzipped(self) -> "Reply":
        body = b"".join(chunk for chunk in self.chunks if isinstance(chunk, bytes))
        return replace(self, chunks=(gzip.compress(body),)).with_headers(content_encoding="gzip")

    def cut_after(self, count: int) -> "Reply":
        """A body that promises more bytes than it sends."""
        body = b"".join(chunk for chunk in self.chunks if isinstance(chunk, bytes))
        return replace(self, chunks=(body[:count], Fault.CUT), length=len(body))


def json_reply(body: Any, status: int = 200, **headers: str) -> Reply:
    reply = Reply(status, {"content-type": "application/json"}, (json.dumps(body).encode(),))
    return reply.with_headers(**headers)


def html_reply(status: int = 503) -> Reply:
    """What an edge proxy says in the service's place."""
    page = f"<!DOCTYPE html><html><title>{status}</title><h1>Error {status}</h1></html>"
    return Reply(status, {"content-type": "text/html; charset=UTF-8"}, (page.encode(),))


EMPTY_200 = Reply(headers={"content-type": "application/json"})
NO_REPLY = Reply(silent=True, chunks=(Fault.CUT,))
RESET = Reply(silent=True, chunks=(Fault.RESET,))
NEVER = Reply(silent=True, chunks=(Fault.STALL,))


@dataclass
class Recorded:
    """A request as it arrived; moments are time.monotonic()."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    arrived_at: float
    disconnected_at: float | None = None  # the client left before the reply was complete
    completed_at: float | None = None
    query: str = ""  # behind the path's question mark

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


Scenario = Reply | Callable[[Recorded], Reply]


class StandIn:
    """Queued scenarios first, then `respond`. Use it as a context manager."""

    root = ""  # of the service's API, appended to the address

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Recorded] = []
        self.accepted = 0  # connections
        self._queues: dict[str, deque[Scenario]] = defaultdict(deque)
        self._port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def respond(self, request: Recorded) -> Reply:
        """What the service does when nothing is scripted."""
        raise NotImplementedError

    def script(self, path: str, *scenarios: Scenario) -> None:
        """The next requests to the path get these, one each."""
        self._queues[path].extend(scenarios)

    def script_nothing(self) -> None:
        """Forget what was scripted and has not been asked for yet."""
        self._queues.clear()

    async def answered(self, scenario: Callable[[Recorded], Reply], request: Recorded) -> Reply:
        """In the event loop: a service whose work takes its time goes to other threads instead."""
        return scenario(request)

    def requests_to(self, path: str) -> list[Recorded]:
        return [request for request in self.requests if request.path == path]

    def calm(self) -> None:
        """Nothing is scripted any more, and no request was seen."""
        self._queues.clear()
        self.requests.clear()

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self.root}"

    # --- Its thread -------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5), "the stand-in did not start"
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.accepted += 1
        try:
            await self._converse(reader, writer)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass  # swallowed on purpose: the stand-in stops, or the client is gone
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one keep-alive connection, until one side has enough."""
        first = await reader.read(1)
        while first:
            request = await _read_request(first, reader)
            self.requests.append(request)
            queue = self._queues[request.path]
            scenario: Scenario = queue.popleft() if queue else self.respond
            reply = (
                scenario if isinstance(scenario, Reply) else await self.answered(scenario, request)
            )
            # A byte read now is the next request's first, or the end: the client has left.
            watching = asyncio.create_task(reader.read(1))
            sending = asyncio.create_task(_send(reply, writer))
            try:
                await asyncio.wait({watching, sending}, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done() and await watching:
                    await sending  # the reply is with the client, and its next request here
                if not sending.done():
                    request.disconnected_at = time.monotonic()
                    return
                if not sending.result():
                    return
                request.completed_at = time.monotonic()
                first = await watching
            finally:
                for task in (watching, sending):
                    task.cancel()
                await asyncio.gather(watching, sending, return_exceptions=True)


async def _read_request(first: bytes, reader: asyncio.StreamReader) -> Recorded:
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.split("\r\n")
    method, target, _version = line.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (entry.partition(":") for entry in fields if entry)
    }
    body = b""
    if "chunked" in headers.get("transfer-encoding", ""):
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    elif length := int(headers.get("content-length", 0)):
        body = await reader.readexactly(length)
    path, _, query = target.partition("?")
    return Recorded(method, path, headers, body, time.monotonic(), query=query)


async def _send(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection can go on."""
    await asyncio.sleep(reply.delay)
    if not reply.silent:
        size = sum(len(chunk) for chunk in reply.chunks if isinstance(chunk, bytes))
        framing = (
            {"transfer-encoding": "chunked"}
            if reply.streamed
            else {"content-length": str(size if reply.length is None else reply.length)}
        )
        head = f"HTTP/1.1 {reply.status} {'OK' if reply.status == 200 else 'Error'}\r\n"
        for name, value in {"date": formatdate(usegmt=True), **reply.headers, **framing}.items():
            head += f"{name}: {value}\r\n"
        writer.write(head.encode("latin-1") + b"\r\n")
        await writer.drain()
    for chunk in reply.chunks:
        await asyncio.sleep(0)
        if isinstance(chunk, bytes):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if reply.streamed else chunk)
            await writer.drain()
        elif isinstance(chunk, float):
            await asyncio.sleep(chunk)
        elif callable(chunk):
            chunk()
        elif chunk is Fault.STALL:
            await asyncio.Event().wait()
        else:
            if chunk is Fault.RESET:
                _reset(writer)
            return False
    if reply.streamed:
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closing now sends RST instead of FIN, even after what was written."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def request_id() -> str:
    return str(uuid4())


def split(data: bytes, *, every: int) -> Iterator[bytes]:
    """One event in many writes: lines, CRLFs and characters are cut anywhere."""
    return (data[at : at + every] for at in range(0, len(data), every))


async def eventually(condition: Callable[[], object], within: float = 3.0) -> None:
    """Wait for what happens in the stand-in's thread."""
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.005)


def unknown_fields(body: dict[str, Any], known: Sequence[str]) -> list[str]:
    return sorted(set(body) - set(known))
