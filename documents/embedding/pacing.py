"""One pace for all processes that call the same provider: when it says wait, all of them wait."""

import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Protocol

logger = logging.getLogger(__name__)

SLOTS = 64  # more than the processes that ingest at a time


class SharedStore(Protocol):
    """As much of Django's cache as is needed; shared where there is a Redis."""

    def get_many(self, keys: Iterable[str]) -> dict[str, float]: ...

    def set(self, key: str, value: float, timeout: float) -> None: ...


class Pace:
    """`store` is None, or away: this process keeps its own pace."""

    def __init__(
        self,
        provider: str,
        store: SharedStore | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,  # the same in all processes, unlike a monotonic clock
    ):
        self._keys = [f"pace:{provider}:{slot}" for slot in range(SLOTS)]
        # Its own: of two that are told to wait at once, none takes back what the other was told.
        self._own = random.choice(self._keys)  # noqa: S311
        self.store, self.sleep, self.now = store, sleep, now
        self._until = 0.0

    def slow_down(self, seconds: float) -> None:
        """Nobody calls before that time is over."""
        until = self.now() + seconds
        self._until = max(self._until, until)
        if self.store is not None:
            try:
                self.store.set(self._own, self._until, self._until - self.now() + 1.0)
            except Exception as error:  # whatever the store's client raises
                logger.info("Other processes could not be told to wait: %s", error)

    def wait(self) -> None:
        """Until a call may be made. Looks again afterwards: another process may have been told to
        wait even longer meanwhile."""
        while (left := self.left()) > 0:
            self.sleep(left)

    def left(self) -> float:
        """Seconds."""
        return max(self._until, self._shared()) - self.now()

    def _shared(self) -> float:
        if self.store is None:
            return 0.0
        try:
            return max(self.store.get_many(self._keys).values(), default=0.0)
        except Exception as error:  # as above
            logger.info("It is not known how long other processes wait: %s", error)
            return 0.0
