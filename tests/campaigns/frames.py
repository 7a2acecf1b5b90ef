"""Frames of every kind, most of them bad, over real sockets to a real server.

    python -m tests.campaigns.frames --frames 10000 --seed 1

A frame is made from one that the protocol describes, and then spoiled: fields left out, doubled,
of another type or length, text that is no JSON, bytes that are no text, frames that are too long,
cut into pieces, or come while an answer is told. Whatever comes, the server has to answer it with
frames of docs/asyncapi.yaml, or to close the socket with a code that docs/api.md names; after each
frame a ping has to be answered. A server that is silent, a code that is not documented, and a
traceback in the log are violations.

`--without GUARD` is the positive control: with `told` errors are not caught on the socket, with
`fields` a frame may have any field. Both must end with violations.
"""

import argparse
import asyncio
import json
import logging
import random
import string
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.campaigns.crashes import commit
from tests.campaigns.readers import installed, layout, prepare
from tests.campaigns.voices import Fate, Stage, question
from tests.chat.asyncapi import complaints

GUARDS = ("told", "fields")
DOCUMENTED = {1007, 1009, 4401, 4403, 4429, 1013}  # closing codes
SOCKETS = 4
PATIENCE = 20.0  # seconds for an answer
STRANGE = ("", "\0", "\ud800", "\u202e", "🙂" * 50, "x" * 5000, "'; DROP TABLE chat_message; --",
           "../../etc/passwd", "<script>alert(1)</script>", "%00", "\r\n\r\n", "null",
           "NaN")  # fmt: skip


class Spoiler:
    """Makes frames, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def frame(self) -> tuple[str, str | bytes | list[str]]:
        """What was done to it, and the frame; a list is sent in pieces."""
        good = self.good()
        ways = [self.as_it_is, self.without_a_field, self.with_another_type, self.with_a_surprise,
                self.twice, self.cut, self.bytes_, self.not_utf8, self.noise, self.deep, self.long,
                self.in_pieces, self.another_json]  # fmt: skip
        weights = [10, 6, 14, 4, 3, 5, 2, 1, 4, 1, 1, 3, 4]
        way = self.random.choices(ways, weights)[0]
        return way.__name__.strip("_"), way(good)

    def good(self) -> dict[str, Any]:
        pick = self.random.choice
        kind = pick(["ask", "ask", "resume", "stop", "authenticate", "ping"])
        frame: dict[str, Any] = {"v": 1, "type": kind, "id": self.word()}
        if kind == "ask":
            corpus = pick(["lighthouse", "lighthouse", "other"])
            frame |= {"corpus": corpus, "question": question(self.random.randrange(1000, 9999))}
            if self.random.random() < 0.3:
                frame["page"] = pick(["https://docs.example.org/x", *STRANGE])
            if self.random.random() < 0.3:
                frame["filters"] = {pick(["sources", "languages", "versions", "x"]): [self.word()]}
            if self.random.random() < 0.2:
                frame["selection"] = {"text": self.word(), "mode": pick(["only", "boost", "x"])}
            if self.random.random() < 0.2:
                frame["key"] = pick([self.word(), "a-b_c", "same", *STRANGE])
        elif kind == "resume":
            frame |= {
                "message": str(UUID(int=self.random.getrandbits(128), version=4)),
                "after": self.random.randrange(-2, 50),
            }
        elif kind == "authenticate":
            name = pick(["authorization", "visitor_token"])
            frame[name] = pick([f"Api-Key {self.word()}.{self.word()}", "Bearer a.b.c", *STRANGE])
        return frame

    def word(self) -> str:
        return "".join(self.random.choices(string.ascii_letters, k=self.random.randint(1, 12)))

    def value(self) -> Any:
        return self.random.choice(
            [None, True, 0, -1, 1e308, 10**30, [], {}, [[]], {"a": {}}, *STRANGE]
        )

    def as_it_is(self, frame: dict[str, Any]) -> str:
        return json.dumps(frame)

    def without_a_field(self, frame: dict[str, Any]) -> str:
        frame.pop(self.random.choice([*frame]))
        return json.dumps(frame)

    def with_another_type(self, frame: dict[str, Any]) -> str:
        frame[self.random.choice([*frame])] = self.value()
        return json.dumps(frame)

    def with_a_surprise(self, frame: dict[str, Any]) -> str:
        surprise = self.random.choice(["owner", "scope", "corpora", "principal", self.word()])
        return json.dumps(frame | {surprise: self.value()})

    def twice(self, frame: dict[str, Any]) -> str:
        text, name = json.dumps(frame), self.random.choice([*frame])
        return f"{text[:-1]}, {json.dumps(name)}: {json.dumps(self.value())}}}"

    def cut(self, frame: dict[str, Any]) -> str:
        text = json.dumps(frame)
        return text[: self.random.randrange(len(text))]

    def bytes_(self, frame: dict[str, Any]) -> bytes:
        return json.dumps(frame).encode()

    def not_utf8(self, frame: dict[str, Any]) -> bytes:
        return b"TEXT" + json.dumps(frame).encode() + b"\xff\xfe"  # sent as text: see `send`

    def noise(self, frame: dict[str, Any]) -> str:
        return "".join(chr(self.random.randrange(32, 0x2FF)) for _ in range(200))

    def deep(self, frame: dict[str, Any]) -> str:
        return "[" * self.random.choice([100, 5000, 30_000])

    def long(self, frame: dict[str, Any]) -> str:
        return json.dumps(frame | {"question": "long " * self.random.choice([13_000, 20_000])})

    def in_pieces(self, frame: dict[str, Any]) -> list[str]:
        text = json.dumps(frame)
        at = sorted(self.random.randrange(len(text)) for _ in range(2))
        return [text[: at[0]], text[at[0] : at[1]], text[at[1] :]]

    def another_json(self, frame: dict[str, Any]) -> str:
        return json.dumps(self.value())


class Trial:
    """One socket after the other, until all frames are sent."""

    def __init__(self, url: str, frames: int, seed: int) -> None:
        self.url, self.frames, self.seed = url, frames, seed
        self.violations: list[str] = []
        self.ways: Counter[str] = Counter()
        self.heard: Counter[str] = Counter()
        self.closed: Counter[int] = Counter()

    async def run(self) -> None:
        spoiler, sent = Spoiler(self.seed), 0
        while sent < self.frames and len(self.violations) < 50:
            try:
                async with self.connected() as socket:
                    while sent < self.frames:
                        sent += 1
                        if not await self.one(socket, *spoiler.frame()):
                            break
            except (websockets.ConnectionClosed, TimeoutError) as error:
                self.violations.append(f"no greeting: {error}")

    @asynccontextmanager
    async def connected(self) -> Any:
        origin = self.url.replace("ws://", "http://").split("/ws")[0]
        async with connect(self.url, origin=origin, max_size=None, proxy=None) as socket:
            await self.hear(socket, until="ready")
            yield socket

    async def one(self, socket: ClientConnection, way: str, frame: str | bytes | list[str]) -> bool:
        """False when the socket is closed now."""
        self.ways[way] += 1
        try:
            await send(socket, frame)
            await socket.send(json.dumps({"v": 1, "type": "ping", "id": "is it alive"}))
            codes = await self.hear(socket, until="pong")
            if way == "with_a_surprise" and "unknown_field" not in codes:
                self.violations.append(f"{way}: taken as it is: {frame!r:.200}")
        except websockets.ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            self.closed[code] += 1
            # Whoever still writes when the server closes may be cut off before it hears the code.
            if code not in DOCUMENTED and (way, code) != ("long", 1006):
                self.violations.append(f"{way}: closed with {code} after {frame!r:.200}")
            return False
        except TimeoutError:
            self.violations.append(f"{way}: no answer to {frame!r:.200}")
            return False
        return True

    async def hear(self, socket: ClientConnection, until: str) -> set[str]:
        """The codes of errors up to a frame of this kind."""
        codes = set[str]()
        async with asyncio.timeout(PATIENCE):
            while True:
                told = json.loads(await socket.recv())
                self.heard[told.get("code") or told["type"]] += 1
                codes.add(told.get("code", ""))
                if wrong := complaints(told):
                    self.violations.append(f"not as described: {wrong[0]}: {told!r:.200}")
                if told.get("code") == "internal":
                    self.violations.append(f"an error of ours: {told!r:.200}")
                if told["type"] == until and told["id"] in (None, "is it alive"):
                    return codes


async def send(socket: ClientConnection, frame: str | bytes | list[str]) -> None:
    if isinstance(frame, bytes) and frame.startswith(b"TEXT"):
        await socket.send(frame[4:], text=True)
    elif isinstance(frame, str):
        # Halves of surrogate pairs, too: they are no UTF-8, and a server has to say so.
        await socket.send(frame.encode("utf-8", "surrogatepass"), text=True)
    else:
        await socket.send(frame)


class Tracebacks(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.lines.append(f"{record.name}: {record.getMessage()} {record.exc_info[1]!r}")


def switched_off(guard: str | None) -> Any:
    from contextlib import asynccontextmanager as context

    from chat import consumers, frames

    @context
    async def untold(self: Any, to: str | None = None) -> Any:
        yield

    if guard == "told":
        return mock.patch.object(consumers.ChatConsumer, "_told", untold)
    everything = dict.fromkeys(frames.FIELDS, ("owner", "scope", "corpora", "principal"))
    return mock.patch.dict(frames.FIELDS, everything)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--without", choices=GUARDS)
    told = options.parse_args()
    with ExitStack() as stack:
        prepare(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        from tests.live import running_server

        _corpus, production = stack.enter_context(
            installed(Stage(lambda _turn, _call, models: Fate(models[0])))
        )
        stack.enter_context(layout(production, "one", quotes=True))
        tracebacks = Tracebacks()
        logging.getLogger().addHandler(tracebacks)
        if told.without:
            stack.enter_context(switched_off(told.without))
        url = stack.enter_context(running_server()).replace("http://", "ws://") + "/ws/chat/"
        each = [told.frames // SOCKETS + (n < told.frames % SOCKETS) for n in range(SOCKETS)]
        trials = [Trial(url, count, told.seed * 100 + n) for n, count in enumerate(each)]
        asyncio.run(_all(trials))
        violations = [v for trial in trials for v in trial.violations] + tracebacks.lines
        sent, heard, closed = (
            dict(sum((getattr(trial, name) for trial in trials), Counter()).most_common())
            for name in ("ways", "heard", "closed")
        )
        report = {
            "commit": commit(), "seed": told.seed, "without": told.without,
            "frames": sum(sent.values()), "sent": sent, "heard": heard, "closed": closed,
            "violations": len(violations), "examples": violations[:20],
        }  # fmt: skip
    print(json.dumps(report, indent=2))
    return 1 if violations else 0


async def _all(trials: list[Trial]) -> None:
    await asyncio.gather(*(trial.run() for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
