"""Recording: the events of one turn, in the memory of a process that has readers for them."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable
from operator import attrgetter

from chat.events import Delta, Event
from chat.journal.entries import Entry, merged

# Seconds for which text is gathered, from the second piece on. The first word never waits.
GATHERED = 0.05


class Recording:
    """Grows until its last entry is a Done or an Error. Belongs to one event loop."""

    def __init__(self) -> None:
        self.on_growth: Callable[[], None] | None = None
        self.entries: list[Entry] = []
        self.readers = 0
        self.is_left = False
        self.read_at = self._now()  # when somebody last read, or stopped reading
        self._grown = asyncio.Event()
        self._held = ""
        self._told_at = 0.0  # the last text
        self._timer: asyncio.TimerHandle | None = None

    @property
    def has_ended(self) -> bool:
        return bool(self.entries) and self.entries[-1].is_last

    @property
    def last_number(self) -> int:
        return self.entries[-1].number if self.entries else 0

    def add(self, event: Event) -> None:
        """The next event; what comes after the last one is dropped."""
        if self.has_ended:
            return
        if not isinstance(event, Delta):
            self._release()
            self._append([Entry(self.last_number + 1, event)])
            return
        self._held += event.text
        wait = self._told_at + GATHERED - self._now()
        if wait <= 0:
            self._release()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._release)

    def extend(self, entries: list[Entry]) -> None:
        """Entries that were numbered elsewhere; those that are here already are left out."""
        new = [entry for entry in entries if entry.number > self.last_number]
        if new and not self.has_ended:  # two processes may each have found an end for it
            end = next((at for at, entry in enumerate(new, 1) if entry.is_last), len(new))
            self._append(new[:end])

    def read(self, after: int) -> list[Entry]:
        """What follows the entry of this number, text in as few pieces as possible."""
        self.read_at = self._now()
        return list(merged(self._after(after)))

    async def follow(self, after: int = 0) -> AsyncGenerator[Entry, None]:
        """Each entry after this number, as it comes; ends after the last one, or when it is left.

        Nothing is kept for a reader but the number that it has reached: one that lags behind finds
        its text in larger pieces.
        """
        self.readers += 1
        try:
            while True:
                # Before reading: what comes meanwhile is seen at the next turn.
                grown = self._grown
                for entry in self.read(after):
                    after = entry.number
                    yield entry
                if self.is_left or (self.has_ended and after >= self.last_number):
                    return
                if grown is self._grown:
                    await grown.wait()
        finally:
            self.readers -= 1
            self.read_at = self._now()

    def leave(self) -> None:
        """Nobody reads any further here; the answer itself goes on elsewhere."""
        self.is_left = True
        self._wake()

    def _after(self, number: int) -> list[Entry]:
        return self.entries[bisect_right(self.entries, number, key=attrgetter("number")) :]

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            text, self._held = self._held, ""
            self._told_at = self._now()
            self._append([Entry(self.last_number + 1, Delta(text))])

    def _append(self, entries: list[Entry]) -> None:
        self.entries += entries
        self._wake()
        if self.on_growth:
            self.on_growth()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
