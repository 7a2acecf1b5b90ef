"""How long a request may take with all of its answer. httpx knows limits for single waits alone: a
server that sends one byte now and then would hold a client for ever."""

import time

import httpx


class Deadline:
    """Looked at whenever a part has come; a silence is ended by the limit for reading."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def check(self, request: httpx.Request) -> None:
        if time.monotonic() > self._end:
            raise httpx.ReadTimeout("The answer took too long in all", request=request)
