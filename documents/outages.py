"""That a part of the installation is away is said once, and once more when it is back."""

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic

logger = logging.getLogger(__name__)

PAUSE = 2.0  # seconds after which somebody asks again


class Outage:
    """Whether one part answers, as this process sees it; threads may share it."""

    def __init__(
        self, part: str, meanwhile: str, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self.part, self.meanwhile, self.clock = part, meanwhile, clock
        self.error: Exception | None = None  # the last one, while it is away
        self.since = 0.0  # when the last outage began, by the clock
        self._ask_again_at = 0.0
        self._lock = Lock()

    def began(self, error: Exception, pause: float | None = None) -> None:
        """The part failed; the log is told if that is news. Nobody asks for `pause` seconds."""
        with self._lock:
            news, self.error = self.error is None, error
            self._ask_again_at = self.clock() + (PAUSE if pause is None else pause)
            if news:
                self.since = self.clock()
        if news:
            logger.error("%s is away (%s). %s", self.part, first_line(error), self.meanwhile)

    def over(self) -> None:
        """The part answered."""
        if self.error is None:
            return
        with self._lock:
            news, self.error = self.error is not None, None
        if news:
            logger.warning("%s is back after %.0f s.", self.part, self.clock() - self.since)

    def may_be_asked(self) -> bool:
        """While the part is away, one caller now and then is let through to find out."""
        if self.error is None:
            return True
        with self._lock:
            if self.clock() < self._ask_again_at:
                return False
            self._ask_again_at = self.clock() + PAUSE
            return True


def first_line(error: Exception) -> str:
    """What is fit for a log: further lines may quote what was to be stored."""
    return next(iter(str(error).splitlines()), type(error).__name__)


# One for all that use it, so that one outage is one line.
redis = Outage("Redis", "Limits and cache are this process's own meanwhile.")
postgresql = Outage("PostgreSQL", "Requests that need it are told to try again.")
