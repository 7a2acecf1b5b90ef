"""The channel layer as the settings make it, on a Redis of the test's own."""

import asyncio
import shutil
from contextlib import suppress

import pytest
from channels.layers import get_channel_layer

from ragsite.settings import channel_layer
from tests.background import RedisServer

needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")


@pytest.fixture
def redis(tmp_path):
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
async def layer(redis, settings):
    settings.CHANNEL_LAYERS = {"default": channel_layer(redis.url)}
    layer = get_channel_layer()
    yield layer
    await layer.flush()


async def heard(layer, channel, within=5.0):
    """Whether the channel hears of something that is said now; said again until it does."""
    said = asyncio.create_task(keep_saying(layer))
    try:
        return await asyncio.wait_for(layer.receive(channel), within)
    finally:
        said.cancel()


async def keep_saying(layer):
    while True:
        with suppress(Exception):  # Redis is away for as long as the test says so
            await layer.group_send("answers", {"type": "stored"})
        await asyncio.sleep(0.1)


@pytest.fixture
async def channel(layer):
    name = await layer.new_channel()
    await layer.group_add("answers", name)
    return name


@needs_redis
async def test_a_channel_that_was_idle_past_redis_pys_timeout_still_hears(layer, channel):
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(6)  # redis-py 8 gives a read 5 seconds
    await layer.group_send("answers", {"type": "stored"})
    assert await asyncio.wait_for(receiving, 5) == {"type": "stored"}


@needs_redis
async def test_a_channel_survives_that_its_connection_is_killed(layer, channel, redis):
    assert await heard(layer, channel)
    for kind in ("pubsub", "normal"):
        redis.client.client_kill_filter(_type=kind, skipme=True)
    assert await heard(layer, channel)


@needs_redis
async def test_a_channel_survives_a_restart_of_redis(layer, channel, redis):
    redis.kill()
    await asyncio.to_thread(redis.start)
    assert await heard(layer, channel, 10)


@needs_redis
async def test_what_is_said_in_a_short_outage_is_said_afterwards(layer, redis):
    redis.kill()
    saying = asyncio.create_task(layer.group_send("answers", {"type": "stored"}))
    await asyncio.sleep(0.3)
    assert not saying.done()
    await asyncio.to_thread(redis.start)
    await asyncio.wait_for(saying, 10)


@needs_redis
async def test_more_than_redis_pys_pool_may_use_it_at_once(layer):
    await asyncio.gather(*(layer.group_send(f"group-{n}", {"type": "x"}) for n in range(150)))


async def test_without_redis_the_layer_is_this_process(settings):
    settings.CHANNEL_LAYERS = {"default": channel_layer("")}
    layer = get_channel_layer()
    name = await layer.new_channel()
    await layer.send(name, {"type": "stored"})
    assert await layer.receive(name) == {"type": "stored"}
