"""One pace for all processes that call the same provider: when it says wait, all of them wait."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)


class SharedStore(Protocol):
    """As much of Django's cache as is needed; shared where there is a Redis."""

    def get(self, key: str, default: float) -> float: ...

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
        self.key = f"pace:{provider}"
        self.store, self.sleep, self.now = store, sleep, now
        self._until = 0.0

    def slow_down(self, seconds: float) -> None:
        """Nobody calls before that time is over."""
        until = self.now() + seconds
        self._until = max(self._until, until)
        if self.store is not None and until > self._shared():
            try:
                self.store.set(self.key, until, seconds + 1.0)
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
            return self.store.get(self.key, 0.0)
        except Exception as error:  # as above
            logger.info("It is not known how long other processes wait: %s", error)
            return 0.0
