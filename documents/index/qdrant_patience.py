"""Calls to Qdrant that are made again: those that change nothing, or the same thing twice.

For ingestion, whose batches are worth more than a second. What lasts longer is a matter for its
runs, which have attempts of their own.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import stamina

from documents.index.base import IndexUnavailable
from documents.index.qdrant_errors import vendor_errors

P = ParamSpec("P")
T = TypeVar("T")
ATTEMPTS = 4
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds; stamina doubles, and adds up to a second of chance


class Patience:
    """`seconds`: how long all attempts at one call may take, give or take the last; 0: one."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds

    def __call__(self, call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Raises IndexUnavailable."""
        if not self.seconds:
            with vendor_errors():
                return call(*args, **options)
        for attempt in stamina.retry_context(
            on=self._wait,
            attempts=ATTEMPTS,
            timeout=self.seconds,
            wait_initial=FIRST_WAIT,
            wait_max=LONGEST_WAIT,
        ):
            with attempt, vendor_errors():
                return call(*args, **options)
        raise AssertionError("stamina raises what the last attempt raised")

    def _wait(self, error: Exception) -> bool | float:
        """Whether it may be tried again; as seconds if Qdrant said how many: never before that."""
        if not isinstance(error, IndexUnavailable) or not error.retryable:
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= self.seconds else False


AT_ONCE = Patience()
