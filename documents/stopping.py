"""How this process comes to its end: whoever works hands back what it holds, and is waited for."""

import threading
from types import TracebackType

stopping = threading.Event()


class HandedBack(Exception):
    """The process is about to end. Its work waits for another one."""


def sleep(seconds: float) -> None:
    """For whoever is at work: raises HandedBack as soon as the process is to end."""
    if stopping.wait(seconds):
        raise HandedBack("The process that worked on it was stopped.")


class _AtWork:
    """The threads of this process that are at work just now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads = 0

    def __enter__(self) -> None:
        with self._changed:
            self._threads += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._threads -= 1
            self._changed.notify_all()

    def wait_until_none(self, seconds: float) -> bool:
        """False if somebody still is after that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._threads == 0, seconds)


at_work = _AtWork()
