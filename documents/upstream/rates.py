"""Limits a minute: counted in Redis where there is one, else by each process alone.

Exact windows of sixty seconds, as providers count: nothing is refused that they would allow, and
nothing sent that they would refuse.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import TYPE_CHECKING, cast

from documents.outages import redis

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.storage import Storage
    from limits.strategies import MovingWindowRateLimiter

REDIS_PATIENCE = 0.5  # seconds, for connecting and for each answer
# Its own threads, started at the first use: a Redis that hangs must not hold those of the ORM.
_threads = ThreadPoolExecutor(2, thread_name_prefix="rates")


def storage_of(redis_url: str) -> "Storage":
    """Where the `limits` library counts; "": the memory of this process."""
    from limits.storage import MemoryStorage, Storage, storage_from_string

    if not redis_url:
        return MemoryStorage()
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    storage = storage_from_string(
        redis_url,
        socket_timeout=REDIS_PATIENCE,
        socket_connect_timeout=REDIS_PATIENCE,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # handed on as it is
    )
    return cast(Storage, storage)


class Rates:
    def __init__(self, redis_url: str = ""):
        self.redis_url = redis_url
        self._limiters: dict[str, MovingWindowRateLimiter] = {}

    def take(self, name: str, amount: int, limit: int, *, leave: int = 0) -> float:
        """0.0 when counted, else the seconds until it is worth asking again.

        `leave`: only if so much is left afterwards, for those who cannot wait.
        """
        if self.redis_url and redis.may_be_asked():
            from redis.exceptions import RedisError

            try:
                wait = self._take(self.redis_url, name, amount, limit, leave)
            except RedisError as error:
                redis.began(error)
            else:
                redis.over()
                return wait
        return self._take("", name, amount, limit, leave)

    async def take_soon(self, name: str, amount: int, limit: int) -> float:
        """The same, without holding up the event loop."""
        if self.redis_url and redis.may_be_asked():
            from redis.exceptions import RedisError

            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(
                _threads, self._take, self.redis_url, name, amount, limit, 0
            )
            try:
                # Bounded here too: while Redis hangs, callers also wait for one of the threads.
                wait = await asyncio.wait_for(asked, 2 * REDIS_PATIENCE)
            except (RedisError, TimeoutError) as error:
                redis.began(error)
            else:
                redis.over()
                return wait
        return self._take("", name, amount, limit, 0)

    def _take(self, url: str, name: str, amount: int, limit: int, leave: int) -> float:
        from limits import RateLimitItemPerMinute

        item: RateLimitItem = RateLimitItemPerMinute(limit)
        amount = min(amount, limit)  # more at once than a minute's worth: as much as there is
        leave = min(leave, limit - amount)
        limiter = self._limiter(url)
        if limiter.test(item, name, cost=amount + leave) and limiter.hit(item, name, cost=amount):
            return 0.0
        return max(1.0, limiter.get_window_stats(item, name).reset_time - time())

    def _limiter(self, url: str) -> "MovingWindowRateLimiter":
        if url not in self._limiters:
            from limits.strategies import MovingWindowRateLimiter

            self._limiters[url] = MovingWindowRateLimiter(storage_of(url))
        return self._limiters[url]
