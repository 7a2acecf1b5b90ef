"""How plans are carried out, with httpx: once for threads, once for event loops."""

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any, TypeVar, cast

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from ragsite_client.errors import ConnectionLost
from ragsite_client.plans import (
    Call,
    Finished,
    Open,
    Plan,
    Read,
    Reply,
    Request,
    Send,
    Tell,
    Wait,
    advance,
)  # fmt: skip

T = TypeVar("T")
# The server sends a comment every 15 seconds: whoever hears nothing for so long is cut off.
SILENCE = httpx.Timeout(20.0, read=45.0)


def reply_of(response: httpx.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content)


class Outgoing:
    """What both wires make of a request."""

    def __init__(self, answer_seconds: float) -> None:
        self.slow = httpx.Timeout(20.0, read=answer_seconds)

    def built(self, http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
        return http.build_request(
            request.method, request.path, json=request.json, params=dict(request.params),
            headers={"Accept": "application/json", **request.headers},
            timeout=self.slow if request.slow else SILENCE,
        )  # fmt: skip


def lost(error: Exception) -> Exception:
    """What a plan is told of an error of httpx: the same for all that another attempt may mend."""
    if isinstance(error, httpx.UnsupportedProtocol):
        return error
    found = ConnectionLost(f"{type(error).__name__}: {error}")
    found.__cause__ = error
    return found


class Wire(Outgoing):
    """Carries out one plan."""

    def __init__(self, http: httpx.Client, answer_seconds: float) -> None:
        super().__init__(answer_seconds)
        self.http = http
        self._response: httpx.Response | None = None
        self._events: Iterator[ServerSentEvent] = iter(())

    def run(self, plan: Plan[T]) -> T:
        telling = self.tell(plan)
        while True:
            try:
                next(telling)
            except StopIteration as end:
                return cast(T, end.value)

    def tell(self, plan: Plan[T]) -> Generator[Any, None, T]:
        outcome: Any = None
        try:
            while not isinstance(step := advance(plan, outcome), Finished):
                outcome = None
                match step:
                    case Tell(what):
                        yield what
                    case Wait(seconds):
                        time.sleep(seconds)
                    case Call(function):
                        outcome = function()
                    case _:
                        try:
                            outcome = self._do(step)
                        except (httpx.TransportError, httpx.DecodingError, SSEError) as error:
                            outcome = lost(error)
            return cast(T, step.result)
        finally:
            self._close()

    def _do(self, step: Send | Open | Read) -> Any:
        match step:
            case Send(request):
                return reply_of(self.http.send(self.built(self.http, request)))
            case Open(request):
                return self._open(self.built(self.http, request))
            case Read():
                event = next(self._events, None)
                return event and (event.id, event.data)

    def _open(self, request: httpx.Request) -> Reply:
        self._close()
        self._response = self.http.send(request, stream=True)
        if not self._response.is_success:
            self._response.read()
            return reply_of(self._response)
        self._events = EventSource(self._response).iter_sse()
        return Reply(self._response.status_code, {})

    def _close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


class AsyncWire(Outgoing):
    """Carries out one plan, on an event loop."""

    def __init__(self, http: httpx.AsyncClient, answer_seconds: float) -> None:
        super().__init__(answer_seconds)
        self.http = http
        self._response: httpx.Response | None = None
        self._events: AsyncIterator[ServerSentEvent]

    async def run(self, plan: Plan[T]) -> T:
        results: list[T] = []
        async for _told in self.tell(plan, results):
            pass
        return results[0]

    async def tell(
        self, plan: Plan[T], results: list[T] | None = None
    ) -> AsyncGenerator[Any, None]:
        outcome: Any = None
        try:
            while not isinstance(step := advance(plan, outcome), Finished):
                outcome = None
                match step:
                    case Tell(what):
                        yield what
                    case Wait(seconds):
                        await asyncio.sleep(seconds)
                    case Call(function):
                        called = function()
                        outcome = await called if inspect.isawaitable(called) else called
                    case _:
                        try:
                            outcome = await self._do(step)
                        except (httpx.TransportError, httpx.DecodingError, SSEError) as error:
                            outcome = lost(error)
            if results is not None:
                results.append(step.result)
        finally:
            await self._close()

    async def _do(self, step: Send | Open | Read) -> Any:
        match step:
            case Send(request):
                return reply_of(await self.http.send(self.built(self.http, request)))
            case Open(request):
                return await self._open(self.built(self.http, request))
            case Read():
                event = await anext(self._events, None)
                return event and (event.id, event.data)

    async def _open(self, request: httpx.Request) -> Reply:
        await self._close()
        self._response = await self.http.send(request, stream=True)
        if not self._response.is_success:
            await self._response.aread()
            return reply_of(self._response)
        self._events = EventSource(self._response).aiter_sse()
        return Reply(self._response.status_code, {})

    async def _close(self) -> None:
        if self._response is not None:
            await self._response.aclose()
            self._response = None
