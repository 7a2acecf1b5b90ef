"""How many turns this process answers at once: a place for each, a short queue, or a refusal.

More at once would only be slower for everybody: docs/decisions/0028.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from django.conf import settings

from chat.auth.principal import Principal
from chat.limits import TooManyQuestions

AGAIN = 5.0  # seconds after which to try again


class Overloaded(Exception):
    """There is no place, and none soon."""

    def __init__(self, detail: str = "Too many questions are being answered; try again.") -> None:
        super().__init__(detail)
        self.retry_after = AGAIN


class Place:
    """Of one turn. Iterating tells the position in the queue, whenever it changes, until it is
    this turn's time."""

    def __init__(self, places: "Places") -> None:
        self._places = places
        self.deadline = asyncio.get_running_loop().time() + settings.QUEUE_SECONDS

    async def __aiter__(self) -> AsyncIterator[int]:
        told = 0
        while position := self._places.position_of(self):
            if position != told:
                yield (told := position)
                continue
            try:
                async with asyncio.timeout_at(self.deadline):
                    await self._places.moved.wait()
            except TimeoutError:
                raise Overloaded("Waited too long for a free place; try again.") from None


class Places:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()
        self.closed = False  # this process is about to end
        self._taken: set[Place] = set()
        self._queue: deque[Place] = deque()
        self._each: Counter[str] = Counter()  # taken or queued, by whom they count for

    @asynccontextmanager
    async def take(self, principal: Principal) -> AsyncIterator[Place]:
        """Raises TooManyQuestions when this principal has too many already, Overloaded when there
        is no place in the queue."""
        if self.closed:
            raise Overloaded("The server is about to restart; try again.")
        limits = principal.limits_at_once
        if any(self._each[who] >= most for who, most in limits.items()):
            raise TooManyQuestions("questions at once", retry_after=AGAIN)
        if len(self._taken) < settings.TURNS_AT_ONCE:
            held: set[Place] | deque[Place] = self._taken
        elif len(self._queue) < settings.TURNS_QUEUED:
            held = self._queue
        else:
            raise Overloaded
        place = Place(self)
        held.add(place) if isinstance(held, set) else held.append(place)
        self._each.update(limits.keys())
        try:
            yield place
        finally:
            self._leave(place)
            self._each.subtract(limits.keys())
            self._each = +self._each  # without those that have none

    def position_of(self, place: Place) -> int:
        """1 is next; 0: it is not in the queue any more."""
        return 0 if place in self._taken else self._queue.index(place) + 1

    def _leave(self, place: Place) -> None:
        if place in self._taken:
            self._taken.remove(place)
        else:
            self._queue.remove(place)
        while self._queue and len(self._taken) < settings.TURNS_AT_ONCE:
            self._taken.add(self._queue.popleft())
        self.moved.set()
        self.moved = asyncio.Event()


_places: "WeakKeyDictionary[asyncio.AbstractEventLoop, Places]" = WeakKeyDictionary()


def places() -> Places:
    """Those of the running event loop: in production there is one."""
    return _places.setdefault(asyncio.get_running_loop(), Places())
