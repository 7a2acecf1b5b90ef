"""The cache while Redis works, and while it does not: with a Redis of the test's own."""

import json
import os
import shutil
import signal
import time

import pytest
from redis import Redis

from documents import outages
from documents.caching import SharedCache
from tests.background import RedisServer, until

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")

OPTIONS = {"socket_connect_timeout": 0.3, "socket_timeout": 0.3, "serializer": json}


@pytest.fixture
def server(tmp_path):
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def cache(server):
    return SharedCache(server.url, {"OPTIONS": OPTIONS})


@pytest.fixture(autouse=True)
def short_pause(monkeypatch):
    monkeypatch.setattr(outages, "PAUSE", 0.1)


def kill(server):
    server.kill()


def freeze(server):
    os.kill(server.process.pid, signal.SIGSTOP)


def thaw(server):
    os.kill(server.process.pid, signal.SIGCONT)


def fill(server):
    server.client.config_set("maxmemory", 1)


def empty(server):
    server.client.config_set("maxmemory", 0)


def let_nobody_in(server):
    server.client.config_set("maxclients", 1)
    server.client.client_kill_filter(_type="normal", skipme=True)


def let_all_in(server):
    server.client.config_set("maxclients", 100)


def start(server):
    server.start()


TROUBLES = [(kill, start), (freeze, thaw), (fill, empty), (let_nobody_in, let_all_in)]


@pytest.mark.parametrize(("trouble", "cure"), TROUBLES)
def test_a_redis_in_trouble_costs_the_cache_nothing_but_company(
    cache, server, caplog, trouble, cure
):
    cache.set("shared", 1, 60)
    trouble(server)

    cache.set("own", [2], 60)
    for _ in range(20):
        assert cache.get("own") == [2]
        time.sleep(0.02)
    assert cache.add("own", 3) is False
    cure(server)
    until(lambda: cache.set("again", 4, 60) or outages.redis.error is None, 5, "Redis again")

    cache.set("again", 4, 60)
    assert Redis.from_url(server.url).get(":1:again") == b"4"
    assert [caplog.text.count(said) for said in ("is away", "is back")] == [1, 1]


def test_what_one_outage_left_is_not_there_in_the_next(cache, server):
    for expected in (None, None):
        server.kill()
        assert cache.get("state") is expected
        cache.set("state", "old", 60)
        server.start()
        until(lambda: cache.get("state") is None, 5, "Redis again")


def test_an_emptied_redis_is_a_cache_that_forgot(cache, server):
    cache.set("pace", 5.0, 60)
    server.client.flushall()
    assert cache.get("pace", 0.0) == 0.0


def test_threads_share_connections(cache, server):
    others = [SharedCache(server.url, {"OPTIONS": OPTIONS}) for _ in range(20)]
    assert [other.get("x") for other in others] == [None] * 20
    assert server.client.info("clients")["connected_clients"] <= 3
