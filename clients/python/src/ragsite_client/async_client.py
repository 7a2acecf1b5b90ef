"""The client for programs with an event loop: as ragsite_client.client, awaited."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from ragsite_client.answers import Answer
from ragsite_client.credentials import Visitor, credential_of
from ragsite_client.events import Done, Event
from ragsite_client.plans import Plan, T, Telling
from ragsite_client.protocol import Protocol, messages_of, part, question_of, without_none
from ragsite_client.shapes import (
    Chunk,
    Conversation,
    Deleted,
    Document,
    Feedback,
    Filters,
    Found,
    Message,
    Selection,
)  # fmt: skip
from ragsite_client.wires import SILENCE, AsyncWire


class AsyncClient:
    """`async with AsyncClient("https://…", api_key=…) as client: await client.ask(…)`"""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        bearer: str | Callable[[], str | Awaitable[str]] | None = None,
        visitor_token: str | None = None,
        publishable_key: str | None = None,
        origin: str | None = None,
        attempts: int = 5,
        patience: float = 30.0,
        answer_seconds: float = 180.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        credential = credential_of(
            api_key=api_key, bearer=bearer, visitor_token=visitor_token,
            publishable_key=publishable_key, origin=origin,
        )  # fmt: skip
        self._protocol = Protocol(
            credential, attempts=attempts, patience=patience, answer_seconds=answer_seconds
        )
        self._http = http or httpx.AsyncClient(timeout=SILENCE)
        self._http.base_url = httpx.URL(base_url.rstrip("/") + "/api/v1/")
        self.conversations = AsyncConversations(self)

    async def ask(
        self,
        question: str,
        *,
        corpus: str | None = None,
        conversation: str | None = None,
        filters: Filters | None = None,
        page: str | None = None,
        selection: Selection | None = None,
    ) -> Done:
        """The whole answer, when it is complete. With a corpus, in a new conversation."""
        body = question_of(question, filters, page, selection)
        return await self._run(self._protocol.ask(conversation, corpus, body))

    def stream(
        self,
        question: str,
        *,
        corpus: str | None = None,
        conversation: str | None = None,
        filters: Filters | None = None,
        page: str | None = None,
        selection: Selection | None = None,
    ) -> "AsyncStream":
        """The events of an answer, each once; a connection that is lost is made again."""
        body = question_of(question, filters, page, selection)
        answer = Answer()
        return AsyncStream(self, answer, self._protocol.stream(conversation, corpus, body, answer))

    def resume(self, message_id: str, after: int = 0) -> "AsyncStream":
        """The events after that number, of an answer that this credential may read."""
        answer = Answer(message_id=message_id, last_event_id=after)
        return AsyncStream(self, answer, self._protocol.resume(answer))

    async def cancel(self, message_id: str) -> Done:
        """Stop the model; what was shown is kept. Conflict if the answer has ended already."""
        return await self._run(self._protocol.cancel(message_id))

    async def feedback(
        self, message_id: str, rating: Literal["up", "down"], comment: str = ""
    ) -> Feedback:
        """It takes the place of what was said before."""
        body = {"rating": rating, "comment": comment}
        return await self._json(Feedback, "PUT", f"messages/{part(message_id)}/feedback/", body)

    async def search(
        self,
        query: str,
        *,
        corpus: str,
        top_k: int | None = None,
        filters: Filters | None = None,
        page: str | None = None,
    ) -> Found:
        """What an answer would be written from."""
        body = without_none(corpus=corpus, query=query, top_k=top_k, filters=filters, page=page)
        return await self._json(Found, "POST", "search/", body)

    def documents(self) -> AsyncIterator[Document]:
        return self._tell(self._protocol.rows("documents/"))

    async def document(self, document_id: str) -> Document:
        return await self._json(Document, "GET", f"documents/{part(document_id)}/")

    async def chunk(self, chunk_id: str) -> Chunk:
        """What a citation rests on, as long as it is live."""
        return await self._json(Chunk, "GET", f"chunks/{part(chunk_id)}/")

    @property
    def visitor_token(self) -> str | None:
        """To come back with, for somebody without another credential."""
        credential = self._protocol.credential
        return credential.token or None if isinstance(credential, Visitor) else None

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, plan: Plan[T]) -> T:
        return await self._wire().run(plan)

    def _tell(self, plan: Telling) -> AsyncGenerator[Any, None]:
        return self._wire().tell(plan)

    async def _json(self, shape: type[T], method: str, path: str, body: Any = None) -> T:
        return await self._run(self._protocol.json(shape, method, path, body))

    def _wire(self) -> AsyncWire:
        return AsyncWire(self._http, self._protocol.answer_seconds)


class AsyncConversations:
    """Those of the credential that the client has."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._protocol = client._protocol

    async def create(self, corpus: str) -> Conversation:
        return await self._client._run(self._protocol.start(corpus))

    def list(
        self, *, q: str | None = None, corpus: str | None = None
    ) -> AsyncIterator[Conversation]:
        """Newest first; `q` stands in a title or in a message."""
        asked = without_none(q=q, corpus=corpus)
        return self._client._tell(self._protocol.rows("conversations/", **asked))

    async def get(self, conversation_id: str) -> Conversation:
        return await self._client._json(
            Conversation, "GET", f"conversations/{part(conversation_id)}/"
        )

    async def rename(self, conversation_id: str, title: str) -> Conversation:
        path = f"conversations/{part(conversation_id)}/"
        return await self._client._json(Conversation, "PATCH", path, {"title": title})

    async def delete(self, conversation_id: str) -> Deleted:
        return await self._client._json(
            Deleted, "DELETE", f"conversations/{part(conversation_id)}/"
        )

    def messages(self, conversation_id: str) -> AsyncIterator[Message]:
        """What was said, oldest first."""
        return self._client._tell(self._protocol.rows(messages_of(conversation_id)))

    async def export(self, conversation_id: str, form: Literal["json", "markdown"] = "json") -> Any:
        """Everything of it: an object, or a text."""
        return await self._client._run(self._protocol.export(conversation_id, form))


class AsyncStream:
    """Iterate over its events; `answer` is what they add up to so far."""

    def __init__(self, client: AsyncClient, answer: Answer, telling: Telling) -> None:
        self.answer = answer
        self._client = client
        self._events = client._tell(telling)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event: Event = await anext(self._events)
        return event

    async def finish(self) -> Answer:
        """Read on until the end."""
        async for _event in self:
            pass
        return self.answer

    async def cancel(self) -> Done:
        """Stop the model. The stream ends by itself then."""
        if self.answer.message_id is None:
            raise ValueError("The answer has not begun yet.")
        return await self._client.cancel(self.answer.message_id)

    async def close(self) -> None:
        """Stop reading. The answer goes on, until nobody has read it for a while."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
