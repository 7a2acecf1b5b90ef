"""`/v1/chat/completions`: the clients that people have, asking a corpus as if it were a model."""

import json
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from functools import partial, wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ValidationError

from chat.calls import caller_of, failure_of, first_of, heard, turn_of
from chat.completions.asked import Asked
from chat.completions.chunks import Reply
from chat.completions.refusals import Refusal
from chat.events import Done, Error, Event
from chat.journal.entries import Entry
from chat.sse import beginning_with, event_stream
from chat.turns import Turn
from documents.powers import Power
from documents.problems import headers
from documents.threads import in_database_thread

END = b"data: [DONE]\n\n"

# Which of their fields is to blame, by our code or by our field.
PARAMS = {
    "unknown_corpus": "model",
    "conversation_not_found": "conversation_id",
    "question": "messages",
}

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def in_their_form(*methods: str, needs: Power) -> Callable[[View], View]:
    """A view of OpenAI's interface: whatever goes wrong is told as their clients expect it.

    Without CSRF protection, as no cookie counts: a session is not looked at. `needs` is what DRF's
    views say of themselves, too; these demand it where they find out who calls.
    """

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if request.method not in methods:
                    allowed = " and ".join(methods)
                    raise Refusal(405, "method_not_allowed", f"Here only {allowed} is answered.")
                return await view(request, *args, **kwargs)
            except Exception as error:
                return refused(as_refusal(error))

        guarded.needs = dict.fromkeys(methods, needs)  # type: ignore[attr-defined]
        return guarded

    return decorate


@in_their_form("POST", needs=Power.CHAT)
async def chat_completions(request: HttpRequest) -> HttpResponseBase:
    """One answer, whole or as it is written."""
    asked = Asked.of(body_of(request))
    turn = await opened(request, asked)
    reply = Reply(asked, request.build_absolute_uri)
    if not asked.stream:
        return JsonResponse(reply.completion(await last_event(turn)))
    entries = heard(turn)
    first = await anext(entries)
    if isinstance(first.event, Error):
        raise Refusal.of(first.event)
    return event_stream(beginning_with(first, entries), partial(frames, reply))


@csrf_exempt
def unknown_address(request: HttpRequest, path: str) -> HttpResponseBase:
    """The rest of OpenAI's interface, which a client may look for."""
    there = "GET /v1/models and POST /v1/chat/completions"
    return refused(Refusal(404, "unknown_url", f"There is nothing here but {there}."))


@in_database_thread
def opened(request: HttpRequest, asked: Asked) -> Turn:
    return turn_of(
        caller_of(request),
        asked.model,
        {**asked.extensions, "question": asked.question},
        conversation_id=asked.conversation_id,
        told_before=asked.earlier,
    )


async def last_event(turn: Turn) -> Done:
    last: Event | None = None
    async with aclosing(heard(turn)) as entries:
        async for entry in entries:
            last = entry.event
    if isinstance(last, Error):
        raise Refusal.of(last)
    assert isinstance(last, Done)  # noqa: S101 - the promise of every turn
    return last


def frames(reply: Reply, entry: Entry) -> bytes:
    """What one event comes to; an error ends the stream without [DONE], for it is not."""
    if isinstance(entry.event, Error):
        return frame(Refusal.of(entry.event).as_json())
    end = END if isinstance(entry.event, Done) else b""
    return b"".join([*map(frame, reply.chunks(entry.event)), end])


def frame(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def body_of(request: HttpRequest) -> object:
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_json", "The body is not JSON.") from None


def as_refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    field = first_of(error.detail)[0] if isinstance(error, ValidationError) else ""
    told = failure_of(error)
    param = PARAMS.get(field or told.code, field or None)
    return Refusal(told.status, told.code, told.detail, param=param, retry_after=told.retry_after)


def refused(refusal: Refusal) -> JsonResponse:
    response = JsonResponse(refusal.as_json(), status=refusal.status)
    for name, value in headers(refusal.retry_after).items():
        response[name] = value
    if refusal.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response
