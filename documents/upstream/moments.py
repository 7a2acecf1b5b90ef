"""Moments that all processes should know of, shared through the cache; nobody waits to read them.

Asked for one, a process answers from its memory, and looks into the cache behind the caller's back
if it has not done so for a while. What one process learns the others know a second later.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

logger = logging.getLogger(__name__)

LOOK_AGAIN = 1.0  # seconds
PATIENCE = 3.0  # seconds; the cache's own limits are shorter
KEPT = 3600.0  # seconds that a moment stays known after it has passed


class SharedStore(Protocol):
    """As much of Django's cache as is needed."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any, timeout: float) -> None: ...

    def delete(self, key: str) -> Any: ...


class Memory:
    """A store of this process alone."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def set(self, key: str, value: Any, timeout: float) -> None:
        self._values[key] = value

    def delete(self, key: str) -> Any:
        return self._values.pop(key, None)


class Moments:
    """Epoch seconds by name. `remote`: the store is another process, and may be slow or away."""

    def __init__(
        self,
        store: SharedStore,
        prefix: str,
        *,
        remote: bool,
        now: Callable[[], float] = time.time,
    ):
        self.store, self.prefix, self.now = store, prefix, now
        self._known: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        # Started at the first use; one thread, so that what is written stays in its order.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="moments") if remote else None

    def get(self, name: str) -> float:
        """0.0: nothing is known."""
        now = self.now()
        if now - self._looked.get(name, 0.0) >= LOOK_AGAIN:
            self._looked[name] = now
            self._do(self._look, name, now)
        return self._known.get(name, 0.0)

    def look(self, name: str) -> None:
        """Wait for what the others know: for whoever reads a moment once. Not on an event loop."""
        self._looked[name] = now = self.now()
        if self._thread is None:
            self._quietly(self._look, name, now)
        else:  # behind what is still to be told
            asked = self._thread.submit(self._quietly, self._look, name, now)
            with suppress(TimeoutError):
                asked.result(PATIENCE)

    def put(self, name: str, moment: float) -> None:
        self._known[name] = moment
        self._looked[name] = self.now()
        kept = max(0.0, moment - self.now()) + KEPT
        self._do(self.store.set, self.prefix + name, moment, kept)

    def forget(self, name: str) -> None:
        self._known.pop(name, None)
        self._looked[name] = self.now()
        self._do(self.store.delete, self.prefix + name)

    def _look(self, name: str, asked_at: float) -> None:
        told = float(self.store.get(self.prefix + name, 0.0) or 0.0)
        if self._looked.get(name) != asked_at:
            return  # meanwhile this process has learned something itself
        if told:
            self._known[name] = told
        else:
            self._known.pop(name, None)

    def _do(self, work: Callable[..., Any], *arguments: Any) -> None:
        if self._thread is None:
            self._quietly(work, *arguments)
        else:
            self._thread.submit(self._quietly, work, *arguments)

    def _quietly(self, work: Callable[..., Any], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:  # whatever the store's client raises: each keeps its own count
            logger.debug("The other processes could not be asked or told: %s", type(error).__name__)
