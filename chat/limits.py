"""Budgets a minute for each caller, shared by every transport."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from time import time
from typing import TYPE_CHECKING

from django.conf import settings

from documents.upstream.rates import REDIS_PATIENCE, storage_of

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import SlidingWindowCounterRateLimiter

    from chat.auth.principal import Principal

logger = logging.getLogger(__name__)

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


def _hit(url: str, limit: "RateLimitItem", what: str, who: str) -> float | None:
    """None when admitted, else the seconds until there is room."""
    limiter = _limiter(url)
    if limiter.hit(limit, what, who):
        return None
    return max(1.0, limiter.get_window_stats(limit, what, who).reset_time - time())


async def admit(principal: "Principal", what: str = "questions") -> None:
    """Count one, each kind against a budget of its own; raises TooManyQuestions."""
    from limits import RateLimitItemPerMinute

    limit = RateLimitItemPerMinute(
        settings.ANONYMOUS_QUESTIONS_PER_MINUTE
        if principal.kind == "visitor"
        else settings.QUESTIONS_PER_MINUTE
    )
    wait = await _count(limit, what, principal.limit_key)
    if wait is not None:
        raise TooManyQuestions(what, retry_after=wait)


async def _count(limit: "RateLimitItem", what: str, who: str) -> float | None:
    if settings.REDIS_URL:
        from redis.exceptions import RedisError

        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(_threads, _hit, settings.REDIS_URL, limit, what, who)
        try:
            # Bounded here too: while Redis hangs, callers also wait for one of the threads.
            return await asyncio.wait_for(asked, 2 * REDIS_PATIENCE)
        except (RedisError, TimeoutError):
            logger.warning("Redis is away; %s are counted in this process alone", what)
    return _hit("", limit, what, who)
