"""The queue that wakes workers up: huey, on SQLite or on Redis.

It holds no work, only "look at the rows": as messages, for now, and as one moment, for later; and
when a worker was last alive, for whoever wonders why nothing happens.
Whoever empties it makes workers look once more. Named by `HUEY["huey_class"]` in the settings and
imported only by a process that queues or works. Messages are signed with SECRET_KEY, since huey
unpickles them; nothing else that Redis holds is unpickled (the cache is JSON, see the settings).
"""

from math import inf
from time import time
from typing import Any

from django.conf import settings
from huey import RedisHuey, SqliteHuey
from huey.serializer import SignedSerializer
from huey.storage import EmptyData, RedisStorage
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.retry import Retry

NEXT_LOOK, WORKER_SEEN = "next look", "worker seen"
ENOUGH = 100  # messages: a worker that is not there is not woken up by more of them
LONGEST_WAIT = 30.0  # seconds in which an idle worker sends nothing to Redis
REDIS_SECONDS = 3.0  # until Redis answers a command: a request may be waiting for us
NEVER = inf


class Waking:
    """What both queues add to huey's."""

    storage: Any

    def put_result(self, key: str, data: Any) -> None:
        """The rows say what became of a run; results that nobody fetches would pile up."""

    def has_enough(self) -> bool:
        return self.storage.queue_size() >= ENOUGH

    def look_at(self, moment: float) -> None:
        """When the rows want to be looked at, by whichever worker is free then."""
        self.storage.put_data(NEXT_LOOK, str(moment).encode())

    def next_look(self) -> float:
        """At once if the queue does not know: it is new, or somebody emptied it."""
        return self._moment(NEXT_LOOK)

    def leave_sign(self) -> None:
        """A worker is there, be it idle or at work."""
        self.storage.put_data(WORKER_SEEN, str(time()).encode())

    def last_sign(self) -> float:
        """0 if the queue does not know of any."""
        return self._moment(WORKER_SEEN)

    def _moment(self, name: str) -> float:
        found = self.storage.peek_data(name)
        try:
            return 0.0 if found is EmptyData else float(bytes(found))
        except ValueError:
            return 0.0

    def look_is_due(self) -> bool:
        seconds = self.next_look() - time()
        # Half a lease: nobody hears too late of a run whose process dies.
        longest = min(LONGEST_WAIT, settings.INGEST_LEASE_SECONDS / 2)
        self.storage.read_timeout = max(min(seconds, longest), 0.1)  # 0 would be for ever
        return seconds <= 0


class SqliteQueue(Waking, SqliteHuey):
    """A file that workers look into every two seconds, and nothing else has to run."""


class RedisQueue(Waking, RedisHuey):
    """Workers wait for Redis to speak."""


class WaitingStorage(RedisStorage):
    """huey's, with a limit to how long Redis may take to answer."""

    def __init__(self, name: str, url: str, **options: Any) -> None:
        super().__init__(name, connection_pool=_pool(url, REDIS_SECONDS), **options)
        self.waiting = Redis(connection_pool=_pool(url, LONGEST_WAIT + REDIS_SECONDS))

    def dequeue(self) -> bytes | None:
        popped: Any = self.waiting.brpop([self.queue_key], timeout=self.read_timeout)
        return popped[1] if popped else None


def sqlite_queue(name: str, **options: Any) -> SqliteQueue:
    path = str(settings.VAR_DIR / "queue.sqlite3")
    return SqliteQueue(name, filename=path, serializer=_serializer(), **options)


def redis_queue(name: str, **options: Any) -> RedisQueue:
    return RedisQueue(
        name, url=settings.REDIS_URL, storage_class=WaitingStorage, serializer=_serializer(),
        **options,
    )  # fmt: skip


def _serializer() -> SignedSerializer:
    return SignedSerializer(secret=settings.SECRET_KEY, salt="ragsite.queue")


def _pool(url: str, seconds: float) -> ConnectionPool:
    # Tried twice: the first may be a connection that did not survive a restart of Redis.
    return ConnectionPool.from_url(
        url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=seconds,
        retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
    )  # fmt: skip
