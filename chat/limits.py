"""One budget of questions for each caller, shared by every transport."""

import asyncio
import logging
from functools import cache
from time import time
from typing import TYPE_CHECKING, cast

from django.conf import settings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import SlidingWindowCounterRateLimiter

    from chat.auth.principal import Principal

logger = logging.getLogger(__name__)


class TooManyQuestions(Exception):
    """The caller's budget is used up."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many questions; wait a little and ask again.")
        self.retry_after = retry_after  # seconds


@cache
def _limiter(url: str) -> "SlidingWindowCounterRateLimiter":
    from limits.storage import MemoryStorage, Storage, storage_from_string
    from limits.strategies import SlidingWindowCounterRateLimiter

    storage = cast(Storage, storage_from_string(url)) if url else MemoryStorage()
    return SlidingWindowCounterRateLimiter(storage)


def _hit(url: str, limit: "RateLimitItem", who: str) -> float | None:
    """None when admitted, else the seconds until there is room."""
    limiter = _limiter(url)
    if limiter.hit(limit, "questions", who):
        return None
    return max(1.0, limiter.get_window_stats(limit, "questions", who).reset_time - time())


async def admit(principal: "Principal") -> None:
    """Count one question; raises TooManyQuestions."""
    from limits import RateLimitItemPerMinute

    limit = RateLimitItemPerMinute(
        settings.ANONYMOUS_QUESTIONS_PER_MINUTE
        if principal.kind == "visitor"
        else settings.QUESTIONS_PER_MINUTE
    )
    wait = await _count(limit, principal.limit_key)
    if wait is not None:
        raise TooManyQuestions(retry_after=wait)


async def _count(limit: "RateLimitItem", who: str) -> float | None:
    if settings.REDIS_URL:
        from redis.exceptions import RedisError

        try:
            return await asyncio.to_thread(_hit, settings.REDIS_URL, limit, who)
        except RedisError:
            logger.warning("Redis is away; questions are counted in this process alone")
    return _hit("", limit, who)
