"""What the clients do, without doing it: each method is a plan (ragsite_client.plans)."""

import json
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, quote, urlsplit

from ragsite_client.answers import Answer
from ragsite_client.attempts import Attempts
from ragsite_client.credentials import Credential
from ragsite_client.errors import ApiError, ConnectionLost
from ragsite_client.events import Done, event_of
from ragsite_client.plans import Open, Plan, Read, Reply, Request, Send, Tell, Telling, Wait
from ragsite_client.shapes import Body, Conversation, Filters, Selection

T = TypeVar("T")
EVENT_STREAM = "text/event-stream"


def part(name: object) -> str:
    """One part of a path, whatever is in it."""
    return quote(str(name), safe="")


def without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


class Protocol:
    """`attempts` of each request, `patience` in seconds for a refusal that names a time."""

    def __init__(
        self,
        credential: Credential,
        *,
        attempts: int = 5,
        patience: float = 30.0,
        answer_seconds: float = 180.0,
    ) -> None:
        self.credential = credential
        self.attempts, self.patience, self.answer_seconds = attempts, patience, answer_seconds

    # Requests

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        slow: bool = False,
    ) -> Plan[Reply]:
        """Sent until it is answered. A POST has a key, by which the server does it once."""
        request = keyed(Request(method, path, body, params or {}, headers or {}, slow))
        attempts = self._attempts()
        while True:
            reply = yield from self._attempt(Send, request, attempts)
            if reply is not None:
                return reply

    def json(
        self, shape: type[T], method: str, path: str, body: Any = None, **more: Any
    ) -> Plan[T]:
        """`shape` is for the type checker: what the answer is, as the server describes it."""
        return cast(T, (yield from self.request(method, path, body, **more)).json())

    def rows(self, path: str, **params: str) -> Telling:
        """What is in a list, page by page, as it is asked for."""
        while True:
            page = yield from self.json(Body, "GET", path, params=params)
            for row in page["results"]:
                yield Tell(row)
            if not page.get("next"):
                return
            params = dict(parse_qsl(urlsplit(page["next"]).query))

    # Conversations

    def start(self, corpus: str) -> Plan[Conversation]:
        body = {"corpus": corpus}
        conversation = yield from self.json(Conversation, "POST", "conversations/", body)
        self.credential.learn(conversation)
        return conversation

    def export(self, conversation: str, form: str) -> Plan[Any]:
        path = f"conversations/{part(conversation)}/export/"
        accept = {"Accept": "text/markdown" if form == "markdown" else "application/json"}
        reply = yield from self.request("GET", path, params={"format": form}, headers=accept)
        return reply.body.decode() if form == "markdown" else reply.json()

    # Answers

    def ask(self, conversation: str | None, corpus: str | None, body: Any) -> Plan[Done]:
        path = yield from self._messages(conversation, corpus)
        return done_of((yield from self.json(Body, "POST", path, body, slow=True)))

    def cancel(self, message: str) -> Plan[Done]:
        return done_of((yield from self.json(Body, "POST", f"messages/{part(message)}/cancel/")))

    def stream(
        self, conversation: str | None, corpus: str | None, body: Any, answer: Answer
    ) -> Telling:
        """Tell each event of a new answer once, whatever happens to connections."""
        path = yield from self._messages(conversation, corpus)
        yield from self._events(answer, keyed(Request("POST", path, body)))

    def resume(self, answer: Answer) -> Telling:
        """The events of an answer that it does not have yet."""
        yield from self._events(answer, None)

    def _messages(self, conversation: str | None, corpus: str | None) -> Plan[str]:
        if (conversation is None) == (corpus is None):
            raise ValueError("A question has either a conversation or a corpus.")
        if corpus is not None:
            conversation = (yield from self.start(corpus))["id"]
        return messages_of(conversation)

    def _events(self, answer: Answer, question: Request | None) -> Telling:
        attempts = self._attempts()
        while True:
            # Until its first event the answer has no name, but its question has a key.
            request = question if question and answer.message_id is None else rest_of(answer)
            request = request.with_headers({"Accept": EVENT_STREAM})
            if (yield from self._attempt(Open, request, attempts)) is None:
                continue
            try:
                while (read := (yield Read())) is not None:
                    yield from self._tell(answer, attempts, *read)
                    if answer.has_ended:
                        return
                raise ConnectionLost("The stream ended before the answer did.")
            except ConnectionLost as lost:
                yield Wait(attempts.after(lost))

    def _tell(self, answer: Answer, attempts: Attempts, number: str, data: str) -> Telling:
        if not number.isdigit() or int(number) <= answer.last_event_id:
            return  # a comment, or an event that was told before
        attempts.begin_anew()
        event = event_of(json.loads(data))
        if event is None:
            answer.last_event_id = int(number)
            return
        answer.take(int(number), event)
        yield Tell(event)

    def _attempt(
        self, step: type[Send] | type[Open], request: Request, attempts: Attempts
    ) -> Plan[Reply | None]:
        """None, after a while, if it is to be tried again."""
        try:
            headers = yield from self.credential.headers()
            reply: Reply = yield step(request.with_headers(headers))
        except (ConnectionLost, ApiError) as error:  # of the credential, too
            yield Wait(attempts.after(error))
            return None
        if reply.error is None:
            return reply
        if reply.status == 401 and attempts.may_renew and self.credential.renewed():
            attempts.may_renew = False
            return None
        yield Wait(attempts.after(reply.error))
        return None

    def _attempts(self) -> Attempts:
        return Attempts(self.attempts, patience=self.patience, answer_seconds=self.answer_seconds)


def keyed(request: Request) -> Request:
    """The same key however often it is sent."""
    if request.method != "POST":
        return request
    return request.with_headers({"Idempotency-Key": uuid.uuid4().hex})


def question_of(
    question: str, filters: Filters | None, page: str | None, selection: Selection | None
) -> dict[str, Any]:
    return without_none(question=question, filters=filters, page=page, selection=selection)


def done_of(told: Any) -> Done:
    done = event_of(told)
    assert isinstance(done, Done)  # noqa: S101 - what is no refusal is an answer
    return done


def messages_of(conversation: object) -> str:
    return f"conversations/{part(conversation)}/messages/"


def rest_of(answer: Answer) -> Request:
    path = f"messages/{part(answer.message_id)}/events/"
    return Request("GET", path, headers={"Last-Event-ID": str(answer.last_event_id)})
