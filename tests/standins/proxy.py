"""A TCP proxy on loopback that fails as networks fail: for any server, whatever it speaks.

It knows bytes and connections, not requests. Each rule is for one connection, in the order in which
connections come; without one they pass. "The server has done it and the client never learns" is
`swallow`: what the client sends arrives, what the server answers does not.
"""

import asyncio
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

SIZE = 2**16
KINDS = {
    "pass": "nothing happens, except `delay` seconds before every piece",
    "refuse": "reset as soon as the connection is there",
    "hold": "the connection is held for `delay` seconds, and passes then",
    "stall": "open, and nothing is handed on in either direction",
    "reset": "after `after` bytes of the answer: a TCP reset",
    "corrupt": "after `after` bytes of the answer: every bit of the next piece turned over",
    "truncate": "after `after` bytes of the answer: closed in good order",
    "swallow": "the request arrives; once the server answers, a reset in place of the answer",
    "silence": "the request arrives, its answer does not, and nothing follows",
    "half-close": "after `after` bytes of the answer the client is told that no more come",
}


@dataclass(frozen=True)
class Trouble:
    kind: str = "pass"
    delay: float = 0.0
    after: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is none of: {', '.join(KINDS)}")


PASS = Trouble()


class Connection:
    """A client, and the server it was handed on to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer
        self.upstream: asyncio.StreamWriter | None = None

    def cut(self) -> None:
        """Both sides see a reset, now."""
        for writer in (self.writer, self.upstream):
            if writer is not None:
                reset(writer)


class FaultProxy:
    """`always` is what happens to connections for which nothing is queued. A context manager."""

    def __init__(
        self, host: str, port: int, *, listen: int = 0, always: Trouble = PASS, every: int = 1
    ):
        self.target = (host, port)
        self.always, self.every = always, every
        self.accepted = 0
        self.sent = 0  # bytes, by clients
        self.sent_at = 0.0  # when, by time.monotonic()
        self.port = listen
        self._queue: deque[Trouble] = deque()
        self._connections: set[Connection] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    def next(self, *troubles: Trouble) -> None:
        """For the next connections, one each."""
        self._queue.extend(troubles)

    def cut_all(self) -> int:
        """Reset every connection there is; returns how many. New ones are let in."""
        return self._in_thread(self._cut_all())

    def stop_listening(self) -> None:
        """New connections are refused; those that are open stay."""
        self._in_thread(self._stop_listening())

    def listen_again(self) -> None:
        self._in_thread(self._listen())

    # --- Its thread -------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5), "the proxy did not start"
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(5)

    def _in_thread(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(5)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        await self._listen()
        self._ready.set()
        await self._stopping.wait()
        self._server.close()
        await self._cut_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        self._server.close()

    async def _cut_all(self) -> int:
        cut = list(self._connections)
        for connection in cut:
            connection.cut()
        return len(cut)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        trouble = self._queue.popleft() if self._queue else self._usual()
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(reader, writer)
        self._connections.add(connection)
        try:
            await self._hand_on(connection, trouble)
        except (ConnectionError, asyncio.CancelledError):
            pass  # swallowed on purpose: one side is gone, or the proxy stops
        finally:
            self._connections.discard(connection)
            self._tasks.discard(task)
            for side in (writer, connection.upstream):
                if side is not None:
                    side.close()

    def _count(self, size: int) -> None:
        self.sent, self.sent_at = self.sent + size, time.monotonic()

    def _usual(self) -> Trouble:
        return self.always if self.accepted % self.every == 0 else PASS

    async def _hand_on(self, connection: Connection, trouble: Trouble) -> None:
        if trouble.kind == "refuse":
            reset(connection.writer)
            return
        if trouble.kind == "stall":
            await connection.reader.read()  # until the client leaves
            return
        if trouble.kind == "hold":
            await asyncio.sleep(trouble.delay)
            trouble = PASS
        try:
            upstream, connection.upstream = await asyncio.open_connection(*self.target)
        except OSError:
            reset(connection.writer)
            return
        forth = asyncio.create_task(
            pump(connection.reader, connection.upstream, trouble.delay, self._count)
        )
        back = asyncio.create_task(answer(upstream, connection.writer, trouble))
        try:
            await asyncio.gather(forth, back)
        finally:
            forth.cancel()
            back.cancel()


async def pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    delay: float,
    count: Callable[[int], None] = lambda _size: None,
) -> None:
    while piece := await source.read(SIZE):
        count(len(piece))
        await asyncio.sleep(delay)
        sink.write(piece)
        await sink.drain()
    with suppress(OSError):  # the other half may go on
        sink.write_eof()


async def answer(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, trouble: Trouble
) -> None:
    """From the server to the client. Whoever returns leaves the connection to the client."""
    if trouble.kind == "pass":
        await pump(source, sink, trouble.delay)
        return
    if trouble.kind == "silence":
        while await source.read(SIZE):
            pass
        return
    left = 0 if trouble.kind == "swallow" else trouble.after
    if trouble.kind == "corrupt":
        await corrupted(source, sink, trouble)
        return
    if left == 0:
        await source.read(1)  # not before the server has begun to answer
    while left > 0 and (piece := await source.read(min(left, SIZE))):
        await asyncio.sleep(trouble.delay)
        sink.write(piece)
        await sink.drain()
        left -= len(piece)
    if trouble.kind == "half-close":
        sink.write_eof()
        return
    if trouble.kind != "truncate":
        reset(sink)
    raise ConnectionResetError


async def corrupted(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, trouble: Trouble
) -> None:
    position, done = 0, False
    while piece := await source.read(SIZE):
        await asyncio.sleep(trouble.delay)
        sound = piece[: max(0, trouble.after - position)]
        position += len(piece)
        if not done and len(sound) < len(piece):
            piece = sound + bytes(byte ^ 0xFF for byte in piece[len(sound) :])
            done = True
        sink.write(piece)
        await sink.drain()
    with suppress(OSError):
        sink.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Closed with RST instead of FIN."""
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
