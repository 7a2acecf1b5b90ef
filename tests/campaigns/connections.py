"""One connection of a reader to one answer: a websocket, an event stream, or poll after poll.

Each is a generator of numbered events that can be left at any moment, politely or with a reset.
"""

import asyncio
import json
import random
import socket
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.campaigns.pair import READY

Told = tuple[int, dict[str, Any]]  # its number, and the event
Events = AsyncGenerator[Told, None]
ENDS = ("done", "error")
OURS = ("v", "seq", "id", "event_id")  # of a frame, beside its event
TRANSPORTS = ("websocket", "sse", "polling")
ABRUPT = struct.pack("ii", 1, 0)  # of SO_LINGER: closing sends RST
PATIENCE = 30.0  # seconds without any byte: keep-alive comments come every 15


class Away(Exception):
    """The server cannot be reached, or it left in the middle."""


class Refused(Exception):
    """The server said no."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code


@dataclass
class Asker:
    """Who may read one conversation."""

    http: httpx.AsyncClient
    conversation: str
    token: str

    @classmethod
    async def begin(cls, http: httpx.AsyncClient, address: str) -> "Asker":
        opened = await _said(
            http.post(f"{address}/api/v1/conversations/", json={"corpus": "lighthouse"})
        )
        return cls(http, opened["id"], opened["visitor_token"])

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Visitor-Token": self.token}

    async def is_welcome(self, address: str) -> bool:
        """A server that was told to end lets those go who read another one's answers."""
        try:
            return (await self.http.get(address + READY)).status_code == 200
        except httpx.HTTPError:
            return False

    # --- To ask -----------------------------------------------------------------------------------

    def ask(self, address: str, transport: str, question: str, *, abruptly: bool) -> Events:
        if transport == "websocket":
            frame = {"type": "ask", "conversation": self.conversation, "question": question}
            return self._frames(address, frame, abruptly)
        url = f"{address}/api/v1/conversations/{self.conversation}/messages/"
        return self._stream("POST", url, abruptly, json={"question": question})

    async def ask_in_one(self, address: str, question: str) -> dict[str, Any]:
        """As JSON: the last event, as a body."""
        url = f"{address}/api/v1/conversations/{self.conversation}/messages/"
        return await _said(self.http.post(url, json={"question": question}, headers=self.headers))

    async def find_its_answer(self, address: str, within: float = PATIENCE) -> str:
        """Of the one question of this conversation, once it has a row."""
        url = f"{address}/api/v1/conversations/{self.conversation}/messages/"
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            listed = await _said(self.http.get(url, headers=self.headers))
            for message in listed["results"]:
                if message["role"] == "assistant":
                    return str(message["id"])
            await asyncio.sleep(0.1)
        raise Away("the question was not saved")

    async def cancel(self, address: str, message: str) -> dict[str, Any]:
        url = f"{address}/api/v1/messages/{message}/cancel/"
        return await _said(self.http.post(url, headers=self.headers))

    # --- To resume --------------------------------------------------------------------------------

    def resume(
        self, address: str, transport: str, message: str, after: int, *, abruptly: bool = False
    ) -> Events:
        url = f"{address}/api/v1/messages/{message}/events/"
        if transport == "websocket":
            frame = {"type": "resume", "message": message, "after": after}
            return self._frames(address, frame, abruptly)
        if transport == "sse":
            return self._stream("GET", url, abruptly, number=after)
        return self._polls(url, after)

    async def stop(self, address: str, message: str) -> None:
        """By a websocket that reads along; returns once the answer has ended."""
        async with _socket(address, self.headers) as ws:
            frame = {"v": 1, "id": "1", "type": "resume", "message": message, "after": 0}
            await ws.send(json.dumps(frame))
            stopped = False
            async for text in ws:
                told = json.loads(text)
                if told["type"] in ENDS:
                    return
                if told["type"] != "ready" and not stopped:
                    stopped = True
                    await ws.send(json.dumps({"v": 1, "id": "1", "type": "stop"}))

    # --- How --------------------------------------------------------------------------------------

    async def _frames(self, address: str, frame: dict[str, Any], abruptly: bool) -> Events:
        try:
            async with _socket(address, self.headers) as ws:
                await ws.send(json.dumps({"v": 1, "id": "1", **frame}))
                try:
                    while True:
                        async with asyncio.timeout(PATIENCE):
                            told = json.loads(await ws.recv())
                        if told["type"] == "ready":
                            continue
                        event = {name: value for name, value in told.items() if name not in OURS}
                        if "event_id" not in told:
                            raise Refused(event["status"], event["code"])
                        yield told["event_id"], event
                        if event["type"] in ENDS:
                            return
                finally:
                    if abruptly:
                        _reset(ws.transport)
        except (WebSocketException, OSError) as error:
            raise Away(type(error).__name__) from None

    async def _stream(
        self, method: str, url: str, abruptly: bool, number: int | None = None, json: Any = None
    ) -> Events:
        headers = {**self.headers, "Accept": "text/event-stream"}
        if number is not None:
            headers["Last-Event-ID"] = str(number)
        try:
            async with self.http.stream(method, url, headers=headers, json=json) as reply:
                if reply.status_code != 200:
                    await reply.aread()
                    raise Refused(reply.status_code, _code(reply))
                try:
                    async with aclosing(_blocks(reply)) as blocks:
                        async for told in blocks:
                            yield told
                finally:
                    if abruptly:
                        _reset(reply.extensions["network_stream"])
        except httpx.HTTPError as error:
            raise Away(type(error).__name__) from None

    async def _polls(self, url: str, after: int) -> Events:
        dice = random.Random(after)
        while True:
            try:
                asked = self.http.get(url, params={"after": after}, headers=self.headers)
                told = await _said(asked)
            except httpx.HTTPError as error:
                raise Away(type(error).__name__) from None
            for event in told["events"]:
                after = event.pop("id")
                yield after, event
            if told["complete"]:
                return
            await asyncio.sleep(dice.uniform(0.05, 0.5))


def clients() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE, limits=limits, verify=False)


def _socket(address: str, headers: dict[str, str]) -> connect:
    url = address.replace("http", "ws") + "/ws/chat/"
    return connect(
        url, origin=address, additional_headers=headers, compression=None,  # type: ignore[arg-type]
        proxy=None, ping_interval=None, open_timeout=PATIENCE, close_timeout=2,
    )  # fmt: skip


async def _blocks(reply: httpx.Response) -> AsyncGenerator[Told, None]:
    number = 0
    async for line in reply.aiter_lines():
        if line.startswith("id: "):
            number = int(line.removeprefix("id: "))
        elif line.startswith("data: "):
            yield number, json.loads(line.removeprefix("data: "))


async def _said(request: Any) -> Any:
    reply = await request
    if reply.status_code not in (200, 201):
        raise Refused(reply.status_code, _code(reply))
    return reply.json()


def _code(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["code"])
    except (ValueError, KeyError):
        return reply.text[:80]


def _reset(transport: Any) -> None:
    """What follows is a close, which tells the other side nothing but RST."""
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        if hasattr(transport, "abort"):
            transport.abort()
