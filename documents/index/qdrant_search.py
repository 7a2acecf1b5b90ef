"""The one call to Qdrant that every question makes, without its client.

qdrant-client spends four times the processor time on it (docs/decisions/0024), and does everything
else. The requests and what becomes of errors are the same.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from urllib.parse import quote, urlsplit

import httpx
from pydantic_core import from_json, to_json

from documents.event_loops import per_event_loop
from documents.index.base import IndexUnavailable
from documents.index.qdrant_errors import UNREADABLE, refusal, unanswered
from documents.index.qdrant_requests import Json
from documents.upstream.breaker import Breaker, CircuitOpen
from documents.upstream.http import async_client

PORT = 6333  # where no other is given, as qdrant-client has it
# The service is there, whatever it thinks of our request.
ANSWERED = ("missing", "bad_request")


class QdrantSearch:
    """`client` returns that of the running event loop; `deadline` in seconds, for all of a call.
    With a breaker, a Qdrant that keeps failing is not called for a while."""

    def __init__(
        self,
        client: Callable[[], httpx.AsyncClient],
        url: str,
        api_key: str,
        *,
        deadline: float,
        breaker: Breaker | None = None,
    ):
        self.client, self.deadline, self.breaker = client, deadline, breaker
        self._url = with_port(url)
        self._headers = {"content-type": "application/json"}
        if api_key:
            self._headers["api-key"] = api_key

    @classmethod
    def connect(
        cls, url: str, api_key: str, *, deadline: float, breaker: Breaker | None = None
    ) -> "QdrantSearch":
        clients = per_event_loop(
            lambda: async_client(read=deadline, total=deadline, connect=deadline)
        )
        return cls(clients, url, api_key, deadline=deadline, breaker=breaker)

    async def query_batch(self, collection: str, searches: list[Json]) -> list[Json]:
        """The answers, in the order of the searches; raises IndexUnavailable."""
        path = f"{self._url}/collections/{quote(collection, safe='')}/points/query/batch"
        request = httpx.Request(
            "POST",
            f"{path}?timeout={ceil(self.deadline)}",
            content=to_json({"searches": searches}),
            headers=self._headers,
        )
        with self._watched():
            try:
                async with asyncio.timeout(self.deadline):
                    response = await self._answer(request)
            except TimeoutError:
                message = f"Qdrant did not answer within {self.deadline:g} s."
                raise IndexUnavailable(message, code="timeout") from None
            except httpx.HTTPError as error:
                raise unanswered(error) from None
            if response.status_code != 200:
                raise refusal(response.status_code, response.content, response.headers)
            return results(response.content, len(searches))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._sent(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # The server has closed a connection that was kept, just as we used it. A search may be
            # sent again: it changes nothing.
            response = await self._sent(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        """Without its body: an error of this is one from before the answer."""
        client = self.client()
        request.extensions = {"timeout": client.timeout.as_dict()}
        return await client.send(request, stream=True)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if self.breaker is None:
            yield
            return
        try:
            self.breaker.check()
        except CircuitOpen as rest:
            message = "Qdrant keeps failing and is left alone for a while."
            raise IndexUnavailable(message, retry_after=rest.retry_after) from None
        try:
            yield
        except IndexUnavailable as error:
            if error.code in ANSWERED:
                self.breaker.succeeded()
            else:
                self.breaker.failed(error.retry_after)
            raise
        except BaseException:
            self.breaker.gave_up()
            raise
        else:
            self.breaker.succeeded()


def results(body: bytes, count: int) -> list[Json]:
    try:
        found = from_json(body, allow_inf_nan=False)["result"]
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, list) or len(found) != count:
        raise IndexUnavailable(UNREADABLE, code="broken_reply")
    return found


def with_port(url: str) -> str:
    """As qdrant-client reads an address."""
    parts = urlsplit(url)
    place = parts.netloc if parts.port else f"{parts.netloc}:{PORT}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
