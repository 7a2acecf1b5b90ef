"""A reader that takes nothing is hung up on, over real sockets, and its answer is stopped."""

import asyncio
import json
import socket
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect

from chat.llm.base import TextPart
from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline

LAMP = "How often does the lamp turn?"
PIECE = "It turns and turns and turns. " * 2000


@pytest.fixture
def endless(corpus, monkeypatch, settings):
    """A model that writes faster than anybody could read, for as long as it is let."""
    settings.SLOW_READER_SECONDS, settings.UNWATCHED_SECONDS = 0.5, 0.2

    class Endless(ScriptedModel):
        async def stream(self, prompt):
            while True:
                await asyncio.sleep(0.06)
                yield TextPart(PIECE)

    pipeline = replace(AnswerPipeline.from_settings(), model=Endless([]))
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))


async def until_it_has_ended() -> Message:
    for _ in range(200):
        message = await Message.objects.filter(role="assistant").afirst()
        if message and message.status != "streaming":
            return message
        await asyncio.sleep(0.1)
    raise AssertionError("the answer goes on though nobody takes it")


async def test_an_event_stream_that_nobody_takes_is_given_up(endless, server):
    async with httpx.AsyncClient(base_url=server, trust_env=False) as client:
        reply = await client.post("/api/v1/conversations/", json={"corpus": "lighthouse"})
        conversation = reply.json()
    body = json.dumps({"question": LAMP}).encode()
    address = urlsplit(server)
    lines = [
        f"POST /api/v1/conversations/{conversation['id']}/messages/ HTTP/1.1",
        f"Host: {address.netloc}", "Accept: text/event-stream", "Content-Type: application/json",
        f"X-Visitor-Token: {conversation['visitor_token']}", f"Content-Length: {len(body)}",
    ]  # fmt: skip
    with socket.create_connection((address.hostname, address.port)) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

        assert (await until_it_has_ended()).status == "cancelled"


async def test_a_websocket_that_nobody_takes_from_is_closed(endless, server):
    url = server.replace("http://", "ws://") + "/ws/chat/"
    # It stops reading from its connection as soon as it has so many frames.
    async with connect(url, origin=server, max_queue=1, max_size=None, proxy=None) as silent:
        await silent.send(
            json.dumps({"v": 1, "type": "ask", "id": "1", "corpus": "lighthouse", "question": LAMP})
        )

        assert (await until_it_has_ended()).status == "cancelled"
        silent.transport.abort()
