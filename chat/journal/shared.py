"""SharedJournal: in Redis, so that any process can serve who resumes.

A stream for each turn; the number of an entry is its id there, so an entry that is written twice,
because the answer to the first write was lost, is there once.
https://redis.io/docs/latest/develop/data-types/streams/
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from chat.events import as_json, from_json
from chat.journal.entries import Entry

__all__ = ["RedisError", "SharedJournal"]

PREFIX = "ragsite"
ALIVE = 15  # seconds for which a process is believed to live
PATIENCE = 2.0  # seconds


class SharedJournal:
    """Belongs to one event loop. Raises RedisError while Redis is away."""

    def __init__(self, url: str, *, keep: int) -> None:
        """`keep`: seconds after the last entry."""
        self._redis = Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            # Tried twice: the first may be a connection that did not survive a restart of Redis.
            retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
        )
        self._keep = keep

    async def write(self, unwritten: Mapping[UUID, Sequence[Entry]], process: str) -> set[UUID]:
        """Entries by turn, in one round trip; `process` answers these turns.

        Returns the turns whose beginning is not there (any more): nothing of them was written.
        """
        pipe, lost = self._redis.pipeline(transaction=False), set[UUID]()
        of = list[UUID]()
        for turn, entries in unwritten.items():
            for number, event in entries:
                fields: Any = {"event": json.dumps(as_json(event)), "process": process}
                pipe.xadd(_stream(turn), fields, id=f"{number}-0", nomkstream=number > 1)
                of.append(turn)
            pipe.expire(_stream(turn), self._keep)
            of.append(turn)
        for turn, reply in zip(of, await pipe.execute(raise_on_error=False), strict=True):
            # An id that is not above the last one: it was written before.
            if isinstance(reply, RedisError) and not _is_there_already(reply):
                raise reply
            if reply is None:
                lost.add(turn)
        return lost

    async def read(self, wanted: Mapping[UUID, int]) -> dict[UUID, list[Entry]]:
        """What follows these numbers, by turn; turns that have nothing new are left out.

        So are events that this version does not know: while versions change, two of them run.
        """
        pipe = self._redis.pipeline(transaction=False)
        for turn, after in wanted.items():
            pipe.xrange(_stream(turn), min=f"{after + 1}-0")
        found = {
            turn: [entry for row in rows if (entry := _entry(*row))]
            for turn, rows in zip(wanted, await pipe.execute(), strict=True)
        }
        return {turn: entries for turn, entries in found.items() if entries}

    async def process_of(self, turn: UUID) -> str | None:
        """Which process answers, or answered; None: this turn is not in the journal."""
        rows: Any = await self._redis.xrange(_stream(turn), count=1)
        return rows[0][1][b"process"].decode() if rows else None

    async def is_alive(self, process: str) -> bool:
        return bool(await self._redis.exists(f"{PREFIX}:process:{process}"))

    async def live(self, process: str) -> None:
        """To be said again within ALIVE seconds."""
        await self._redis.set(f"{PREFIX}:process:{process}", 1, ex=ALIVE)

    async def leave(self, process: str) -> None:
        await self._redis.delete(f"{PREFIX}:process:{process}")

    async def watch(self, turns: Sequence[UUID], seconds: int) -> None:
        """Somebody reads these turns elsewhere, and will say so again within this time."""
        pipe = self._redis.pipeline(transaction=False)
        for turn in turns:
            pipe.set(f"{PREFIX}:watched:{turn}", 1, ex=seconds)
        await pipe.execute()

    async def is_watched(self, turn: UUID) -> bool:
        return bool(await self._redis.exists(f"{PREFIX}:watched:{turn}"))

    async def forget(self, turns: Sequence[UUID]) -> None:
        """What was deleted is not to be read again."""
        if turns:
            await self._redis.delete(*(_stream(turn) for turn in turns))

    async def close(self) -> None:
        await self._redis.aclose()


def _stream(turn: UUID) -> str:
    return f"{PREFIX}:turn:{turn}"


def _entry(key: bytes, fields: Mapping[bytes, bytes]) -> Entry | None:
    number, _, _part = key.decode().partition("-")
    try:
        return Entry(int(number), from_json(json.loads(fields[b"event"])))
    except (KeyError, TypeError, ValueError):
        return None


def _is_there_already(error: RedisError) -> bool:
    return isinstance(error, ResponseError) and "equal or smaller" in str(error)
