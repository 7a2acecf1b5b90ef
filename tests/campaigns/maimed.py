"""The server with a guard taken away, for the trials of resumes and restarts: they must notice.

`after` (who resumes misses an event), `twice` (who resumes is told one again), `held` (text that is
gathered is not released before the next event), `alive` (nobody asks whether a process lives),
`watched` (who reads elsewhere does not count), `stops` (stops of other processes are not heard),
`drain` (SIGTERM ends the process at once), `abandoned` (answers of the dead stay as they are).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from typing import Any

from ragsite.asgi import application

# isort: split
# Apps must be loaded first.
from chat import running
from chat.exchange import Exchange
from chat.journal import stops
from chat.journal.entries import Entry
from chat.journal.recording import Recording
from chat.journal.shared import SharedJournal

__all__ = ["GUARDS", "application"]


def after() -> None:
    rest = Recording._after
    Recording._after = (  # type: ignore[method-assign]
        lambda self, number: rest(self, number + 1 if number else 0)
    )


def twice() -> None:
    follow = Recording.follow

    async def again(self: Recording, after: int = 0) -> AsyncGenerator[Entry, None]:
        async for entry in follow(self, max(0, after - 1)):
            yield entry

    Recording.follow = again  # type: ignore[method-assign]


def held() -> None:
    release = Recording._release

    def only_by_the_clock(self: Recording) -> None:
        if self._timer is None or self._timer.when() <= self._now():
            release(self)

    Recording._release = only_by_the_clock  # type: ignore[method-assign]


def alive() -> None:
    SharedJournal.is_alive = _never  # type: ignore[method-assign]
    running.lives = lambda process: None  # type: ignore[attr-defined]


def watched() -> None:
    Exchange.is_watched = _never  # type: ignore[method-assign]


def deaf() -> None:
    async def listen(stop: Any) -> None:
        await asyncio.Event().wait()

    stops.listen = listen


def drain() -> None:
    async def at_once(self: running.Running, seconds: float) -> None:
        os._exit(0)

    running.Running.drain = at_once  # type: ignore[method-assign]


def abandoned() -> None:
    async def nobody(self: running.Running, turn: Any = None) -> None:
        return

    running.Running.end_abandoned = nobody  # type: ignore[method-assign]


async def _never(*_arguments: object) -> bool:
    return False


GUARDS: dict[str, Callable[[], None]] = {
    "after": after, "twice": twice, "held": held, "alive": alive, "watched": watched,
    "stops": deaf, "drain": drain, "abandoned": abandoned,
}  # fmt: skip

if guard := os.environ.get("WITHOUT"):
    GUARDS[guard]()
