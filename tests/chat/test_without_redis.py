"""Redis dies, hangs, is full or emptied in the middle of a chat: it goes on."""

import os
import shutil
import signal
from time import monotonic

import pytest
from django.test import AsyncClient

from ragsite.settings import channel_layer
from tests.background import RedisServer
from tests.chat.clients import Socket, ask_sse, sse_events, start_conversation

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")

LAMP = "How often does the lamp turn?"
TROUBLES = {
    "killed": lambda redis: redis.kill(),
    "hanging": lambda redis: os.kill(redis.process.pid, signal.SIGSTOP),
    "full": lambda redis: redis.client.config_set("maxmemory", 1),
    "emptied": lambda redis: redis.client.flushall(),
}


@pytest.fixture
def redis(tmp_path, settings):
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        settings.CHANNEL_LAYERS = {"default": channel_layer(server.url)}
        yield server


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_answers_still_stream(corpus, redis, trouble, caplog):
    client = AsyncClient()
    conversation = await start_conversation(client)
    async with Socket() as socket:
        TROUBLES[trouble](redis)
        began = monotonic()

        events = await sse_events(await ask_sse(client, conversation, LAMP))
        await socket.send("ask", question=LAMP, corpus="lighthouse")
        frames = await socket.until_the_end()

    assert events[-1]["type"] == frames[-1]["type"] == "done"
    assert monotonic() - began < 5
    assert caplog.text.count("Redis is away") == (trouble != "emptied")
