"""Circuit breaker: a service that keeps failing is left alone for a while, by all processes.

Closed, calls pass. Several failures in a row open it, or one that says how long to stay away. Once
that time is over, each process lets one call through to try: its success closes the circuit, its
failure opens it again, for twice as long. (The pattern is Michael Nygard's: Release It!, 2007.)
"""

import logging
import time
from collections.abc import Callable
from typing import Literal

from documents.upstream.moments import Memory, Moments

logger = logging.getLogger(__name__)

FAILURES = 5  # in a row
REST, LONGEST_REST = 10.0, 300.0  # seconds
TRIAL = 30.0  # seconds that a trial call may take before another one is let through

State = Literal["closed", "open", "half-open"]


class CircuitOpen(Exception):
    """The call was not made. `retry_after`: seconds until somebody tries again."""

    def __init__(self, name: str, retry_after: float):
        super().__init__(f"{name} is left alone for {retry_after:.0f} s")
        self.retry_after = retry_after


class Breaker:
    """Of one provider, or of one model of it. Its methods never wait, but for `look`: they may be
    called on the event loop."""

    def __init__(
        self,
        name: str,
        moments: Moments,
        *,
        failures: int = FAILURES,
        now: Callable[[], float] = time.time,  # the same in all processes, unlike a monotonic clock
    ):
        self.name, self.limit, self.now = name, failures, now
        self._moments = moments
        self._failed = 0  # in a row
        self._rest = REST
        self._trial_until = 0.0

    @classmethod
    def alone(cls, name: str, *, now: Callable[[], float] = time.time) -> "Breaker":
        """One that no other process knows of."""
        return cls(name, Moments(Memory(), "", remote=False, now=now), now=now)

    def look(self) -> None:
        """Before a page or a command shows its state: what other processes know is waited for."""
        self._moments.look(self.name)

    @property
    def state(self) -> State:
        if (until := self._moments.get(self.name)) == 0.0:
            return "closed"
        return "open" if until > self.now() else "half-open"

    @property
    def retry_after(self) -> float:
        """Seconds."""
        return max(0.0, self._moments.get(self.name) - self.now())

    def check(self) -> None:
        """Raises CircuitOpen, or lets one call through."""
        match self.state:
            case "open":
                raise CircuitOpen(self.name, self.retry_after)
            case "half-open":
                now = self.now()
                if now < self._trial_until:
                    raise CircuitOpen(self.name, self._trial_until - now)
                self._trial_until = now + TRIAL

    def allows(self) -> bool:
        try:
            self.check()
        except CircuitOpen:
            return False
        return True

    def succeeded(self) -> None:
        if self.state == "open":
            return  # a call from before: it knows nothing of what the service said since
        self._failed, self._rest, self._trial_until = 0, REST, 0.0
        if self._moments.get(self.name):
            self._moments.forget(self.name)
            logger.info("%s answers again", self.name)

    def failed(self, rest: float | None = None) -> None:
        """`rest`: seconds that the service told us to wait, or that its answer is known to last:
        the circuit opens at once."""
        self._failed += 1
        trying = self.state == "half-open"
        self._trial_until = 0.0
        if rest is None and self._failed < self.limit and not trying:
            return
        if trying:
            self._rest = min(2 * self._rest, LONGEST_REST)
        seconds = self._rest if rest is None else rest
        until = self.now() + seconds
        if until > self._moments.get(self.name):
            self._moments.put(self.name, until)
            logger.warning("%s keeps failing: left alone for %.0f s", self.name, seconds)

    def gave_up(self) -> None:
        """A call that was let through ended without telling anything: the reader left."""
        self._trial_until = 0.0
