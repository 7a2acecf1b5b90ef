"""Limits a minute, with Redis and without."""

import time

import pytest
from django.conf import settings as configured

from documents.upstream.rates import Rates

AWAY = "redis://127.0.0.1:1/0"


def test_without_redis_each_process_counts_alone():
    assert [Rates().take("reranks", 1, 1) for _ in range(2)] == [0.0, 0.0]


def test_when_a_minute_is_full_it_says_how_long_to_wait():
    rates = Rates()
    assert [rates.take("inputs", 96, 100), rates.take("inputs", 4, 100)] == [0.0, 0.0]
    assert 58 < rates.take("inputs", 1, 100) <= 60


def test_what_is_left_for_others_is_not_taken():
    rates = Rates()
    assert rates.take("inputs", 50, 100) == 0
    assert rates.take("inputs", 45, 100, leave=10) > 0
    assert rates.take("inputs", 40, 100, leave=10) == 0


@pytest.mark.skipif(not configured.REDIS_URL, reason="there is no Redis")
async def test_processes_with_a_redis_count_together():
    name = f"reranks-{time.monotonic()}"
    one, other = Rates(configured.REDIS_URL), Rates(configured.REDIS_URL)
    assert one.take(name, 1, 2) == 0
    assert await other.take_soon(name, 1, 2) == 0
    assert one.take(name, 1, 2) > 0
    assert await other.take_soon(name, 1, 2) > 0


async def test_while_redis_is_away_each_process_counts_alone_and_the_log_says_so_once(caplog):
    rates = Rates(AWAY)
    assert rates.take("reranks", 1, 2) == 0
    assert await rates.take_soon("reranks", 1, 2) == 0
    assert await rates.take_soon("reranks", 1, 2) > 0
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == ["Redis is away"]
