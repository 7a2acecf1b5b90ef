"""No connection of the database is held while a model writes, whichever way its text is read.

More streams than the pool has connections: with one held by each, the last would never begin, and
nobody else would be answered. On PostgreSQL the pool itself is asked as well.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from django.db import connection
from websockets.asyncio.client import connect

from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline
from documents.threads import in_database_thread
from tests.chat.callers import key_for
from tests.chat.mcp.test_assistants import assistant

STREAMS = 15  # DATABASE_POOL_SIZE is 10
LAMP = "How often does the lamp turn?"


@pytest.fixture
def held_open(corpus, monkeypatch, settings):
    settings.UNWATCHED_SECONDS = 0.1
    model = ScriptedModel(["Once in ", asyncio.Event(), "twelve."])
    pipeline = replace(AnswerPipeline.from_settings(), model=model)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))


@pytest.fixture
def key(corpus):
    return key_for(corpus)


@asynccontextmanager
async def completion(server: str, key: str) -> AsyncIterator[None]:
    body = {
        "model": "lighthouse", "stream": True, "messages": [{"role": "user", "content": LAMP}],
    }  # fmt: skip
    async with text_of(server, key, "POST", "/v1/chat/completions", json=body):
        yield


@asynccontextmanager
async def tool_call(server: str, key: str) -> AsyncIterator[None]:
    writes = asyncio.Event()

    async def progress(done: float, total: float | None, message: str | None) -> None:
        if message == "writing":
            writes.set()

    async with assistant(server, key) as client:
        call = client.call_tool("ask", {"question": LAMP}, progress_callback=progress)
        calling = asyncio.create_task(call)
        await writes.wait()
        yield
        calling.cancel()
        await asyncio.wait([calling])


@asynccontextmanager
async def resumed_events(server: str, key: str) -> AsyncIterator[None]:
    message = await Message.objects.aget(role="assistant")
    async with text_of(server, key, "GET", f"/api/v1/messages/{message.pk}/events/"):
        yield


@asynccontextmanager
async def resumed_socket(server: str, key: str) -> AsyncIterator[None]:
    message = await Message.objects.aget(role="assistant")
    address = f"{server.replace('http', 'ws', 1)}/ws/chat/"
    headers = {"Authorization": f"Api-Key {key}"}
    async with connect(address, origin=server, additional_headers=headers, proxy=None) as socket:
        resume = {"v": 1, "type": "resume", "id": "r", "message": str(message.pk)}
        await socket.send(json.dumps(resume))
        while json.loads(await socket.recv())["type"] != "delta":
            pass
        yield


@asynccontextmanager
async def text_of(
    server: str, key: str, method: str, path: str, **more: object
) -> AsyncIterator[None]:
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=server, trust_env=False, timeout=30) as client,
        client.stream(method, path, headers=headers, **more) as reply,
    ):
        lines = reply.aiter_lines()
        while "Once in" not in await anext(lines):
            pass
        yield


@in_database_thread
def held() -> int:
    """Connections that somebody has, but for the one that asks."""
    pool = getattr(connection, "pool", None)
    stats = pool.get_stats() if pool else {}
    return stats.get("pool_size", 0) - stats.get("pool_available", 0)


@pytest.mark.parametrize("way", [completion, tool_call, resumed_events, resumed_socket])
async def test_it_is_left_to_others(held_open, server, key, way):
    async with AsyncExitStack() as open_ones:
        enter = open_ones.enter_async_context
        if way in (resumed_events, resumed_socket):
            await enter(completion(server, key))
        for _ in range(STREAMS):
            async with asyncio.timeout(20):
                await enter(way(server, key))

        async with httpx.AsyncClient(base_url=server, trust_env=False) as client:
            other = await client.get("/api/v1/documents/")
        await asyncio.sleep(0.2)

        assert other.status_code == 200
        assert await held() <= 2  # of this test, and of who looks after sockets
