"""Budgets a minute and a day for each caller, shared by every transport."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from time import time
from typing import TYPE_CHECKING

from django.conf import settings

from documents.outages import redis
from documents.upstream.rates import REDIS_PATIENCE, storage_of

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import SlidingWindowCounterRateLimiter

    from chat.auth.principal import Principal

OWN = ""  # in place of an address: the memory of this process
# Its own threads, started at the first use: a Redis that hangs must not hold those of the ORM.
_threads = ThreadPoolExecutor(2, thread_name_prefix="limits")


class TooManyQuestions(Exception):
    """The caller's budget is used up."""

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(f"Too many {what}; wait a little and try again.")
        self.retry_after = retry_after  # seconds


@cache
def _limiter(url: str) -> "SlidingWindowCounterRateLimiter":
    from limits.strategies import SlidingWindowCounterRateLimiter

    return SlidingWindowCounterRateLimiter(storage_of(url))


def prepare() -> None:
    """Import what counts, in a thread of whoever starts: it would hold the event loop."""
    _limiter(OWN)
    if settings.REDIS_URL:
        _limiter(settings.REDIS_URL)


def _hit(url: str, limit: "RateLimitItem", what: str, who: str) -> float | None:
    """None when admitted, else the seconds until there is room."""
    if _limiter(url).hit(limit, what, who):
        return None
    return _seconds_left(url, limit, what, who)


def _seconds_left(url: str, limit: "RateLimitItem", what: str, who: str) -> float:
    return max(1.0, _limiter(url).get_window_stats(limit, what, who).reset_time - time())


async def admit(principal: "Principal", what: str = "questions") -> None:
    """Count one, each kind against a budget of its own; raises TooManyQuestions."""
    for limit, who in _budgets(principal, what):
        wait = await _count(limit, what, who)
        if wait is not None:
            raise TooManyQuestions(what, retry_after=wait)


def _budgets(principal: "Principal", what: str) -> "Iterator[tuple[RateLimitItem, str]]":
    """The day's comes last: what is refused for the minute takes nothing of it."""
    from limits import RateLimitItemPerDay, RateLimitItemPerMinute

    yield RateLimitItemPerMinute(principal.plan.questions_a_minute), principal.limit_key
    if what != "questions" or not principal.key:
        return
    of_key = f"key:{principal.key}"
    if principal.limit_key != of_key:  # all readers of one widget
        yield RateLimitItemPerMinute(principal.key_plan.questions_a_minute), of_key
    if principal.questions_a_day:
        yield RateLimitItemPerDay(principal.questions_a_day), of_key


async def _count(limit: "RateLimitItem", what: str, who: str) -> float | None:
    """This process counts whom it admits in any case: a Redis that is emptied or goes away in the
    middle of a minute gives nobody a second budget here."""
    if not _limiter(OWN).test(limit, what, who):
        return _seconds_left(OWN, limit, what, who)
    if settings.REDIS_URL and redis.may_be_asked():
        wait = await _count_in_redis(limit, what, who)
        if wait is not None:
            return wait
    return _hit(OWN, limit, what, who)


async def _count_in_redis(limit: "RateLimitItem", what: str, who: str) -> float | None:
    """None also when Redis is away."""
    from redis.exceptions import RedisError

    loop = asyncio.get_running_loop()
    asked = loop.run_in_executor(_threads, _hit, settings.REDIS_URL, limit, what, who)
    try:
        # Bounded here too: while Redis hangs, callers also wait for one of the threads.
        wait = await asyncio.wait_for(asked, 2 * REDIS_PATIENCE)
    except (RedisError, TimeoutError) as error:
        redis.began(error)
        return None
    redis.over()
    return wait
