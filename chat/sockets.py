"""The open sockets of this process: how many there may be, and who may keep theirs.

A socket outlives the moment in which its credential was looked at. So whenever something was
changed that may matter, all principals are looked at again, in a few queries for all of them.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings

from chat.auth.principal import Principal
from chat.auth.revocation import good_ones, revision
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

LOOK = 5.0  # seconds between two looks whether anything was changed
WARNED = timedelta(seconds=60)  # before a credential expires
EXPIRED = "The credential has expired; show a new one."
REVOKED = "The credential is not valid any longer."


class TooManySockets(Exception):
    """`mine`: of this principal; otherwise of the whole process."""

    def __init__(self, *, mine: bool) -> None:
        super().__init__("Too many open sockets; close some, or try again later.")
        self.mine = mine


@dataclass(eq=False)
class Socket:
    """What the registry knows of one. `warn` and `close` are the consumer's."""

    principal: Principal
    warn: Callable[[datetime], Coroutine[Any, Any, None]]
    close: Callable[[str], Coroutine[Any, Any, None]]
    is_warned: bool = False


class Sockets:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._open: set[Socket] = set()
        self._each: Counter[str] = Counter()
        self._watching: asyncio.Task[None] | None = None
        self._doing: set[asyncio.Task[None]] = set()  # held, or they might be collected
        self._seen = ""  # the revision at the last look

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, socket: Socket) -> None:
        """Raises TooManySockets."""
        if len(self._open) >= settings.SOCKETS:
            raise TooManySockets(mine=False)
        who = socket.principal.limit_key
        if socket.principal.kind != "key" and self._each[who] >= settings.SOCKETS_EACH:
            raise TooManySockets(mine=True)
        self._open.add(socket)
        self._seen = ""  # something may have changed since its credential was looked at
        self._each[who] += 1
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())

    def leave(self, socket: Socket) -> None:
        if socket in self._open:
            self._open.remove(socket)
            who = socket.principal.limit_key
            self._each[who] -= 1
            if not self._each[who]:
                del self._each[who]

    async def look(self, *, anew: bool = True) -> None:
        """Close what is not good any more. `anew`: something was changed since the last look."""
        now = datetime.now(UTC)
        for socket in [*self._open]:
            if (expires := socket.principal.expires_at) is None:
                continue
            if expires <= now:
                self._end(socket, EXPIRED)
            elif expires - now <= WARNED and not socket.is_warned:
                socket.is_warned = True
                self._do(socket.warn(expires))
        if not anew or not self._open:
            return
        looked_at = [*self._open]
        good = await _good_ones({socket.principal for socket in looked_at})
        for socket in looked_at:
            if socket.principal not in good:
                self._end(socket, REVOKED)

    async def _watch(self) -> None:
        while self._open:
            await asyncio.sleep(LOOK)
            try:
                now = await asyncio.to_thread(revision)
                anew, self._seen = now != self._seen, now
                await self.look(anew=anew)
            except Exception as error:  # whatever it was: the next look is soon
                self._seen = ""
                logger.warning("Sockets were not looked at: %s", type(error).__name__)

    def _end(self, socket: Socket, detail: str) -> None:
        self.leave(socket)
        self._do(socket.close(detail))

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        """Beside the others: one that takes nothing would hold them up."""
        task = asyncio.create_task(what)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)


_good_ones = in_database_thread(good_ones)
_sockets: "WeakKeyDictionary[asyncio.AbstractEventLoop, Sockets]" = WeakKeyDictionary()


def sockets() -> Sockets:
    """Those of the event loop that this is called on."""
    return _sockets.setdefault(asyncio.get_running_loop(), Sockets())
