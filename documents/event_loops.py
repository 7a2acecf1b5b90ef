"""Asynchronous clients belong to the event loop that opened their connections: one for each."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


def per_event_loop(make: Callable[[], T]) -> Callable[[], T]:
    """A function that returns the running loop's own client, made at its first use.

    A server has one loop for ever; `asyncio.run` in commands and tests makes one a call, and a
    connection kept from a loop that is gone fails with "Event loop is closed".
    """
    clients: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def client() -> T:
        loop = asyncio.get_running_loop()
        if loop not in clients:
            clients[loop] = make()
        return clients[loop]

    return client
