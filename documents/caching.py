"""The cache: Redis, and while it is away the memory of this process. It never raises for that.

Everything in it can be found out again, so losing it, or being alone with it, costs time only.
"""

from functools import partialmethod
from typing import Any

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.retry import Retry

from documents.outages import redis

_connected: dict[str, RedisCache] = {}  # Django makes a backend for each thread and request
OWN = {"MAX_ENTRIES": 3000}


class SharedCache(BaseCache):
    """`LOCATION` and `OPTIONS` are those of Django's RedisCache."""

    _own_since = 0.0  # the outage that is remembered in `own`

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.shared = _connected.setdefault(server, RedisCache(server, _patient(params)))
        self.own = LocMemCache(f"beside {server}", {**params, "OPTIONS": OWN})

    def _do(self, operation: str, *arguments: Any, **named: Any) -> Any:
        if self._redis_answers():
            try:
                return getattr(self.shared, operation)(*arguments, **named)
            except RedisError as error:
                redis.began(error)
        if SharedCache._own_since != redis.since:
            SharedCache._own_since = redis.since
            self.own.clear()  # what is left of another outage is out of date
        return getattr(self.own, operation)(*arguments, **named)

    def _redis_answers(self) -> bool:
        if redis.error is None:
            return True
        if not redis.may_be_asked():
            return False
        try:
            self.shared.set("outage", 0, 1)  # a full Redis can still be read
        except RedisError as error:
            redis.began(error)
            return False
        redis.over()
        return True

    add = partialmethod(_do, "add")
    get = partialmethod(_do, "get")
    set = partialmethod(_do, "set")
    touch = partialmethod(_do, "touch")
    delete = partialmethod(_do, "delete")
    get_many = partialmethod(_do, "get_many")
    set_many = partialmethod(_do, "set_many")
    delete_many = partialmethod(_do, "delete_many")
    has_key = partialmethod(_do, "has_key")
    incr = partialmethod(_do, "incr")
    clear = partialmethod(_do, "clear")


def _patient(params: dict[str, Any]) -> dict[str, Any]:
    # Tried twice: the first may be a connection that did not survive a restart of Redis.
    again = Retry(NoBackoff(), 1, supported_errors=(Disconnected,))
    return {**params, "OPTIONS": {**params.get("OPTIONS", {}), "retry": again}}
