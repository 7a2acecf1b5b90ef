"""`/v1/chat/completions`: the clients that people have, asking a corpus as if it were a model."""

import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ValidationError

from chat.calls import caller_of, failure_of, first_of, heard, turn_of
from chat.completions.asked import Asked
from chat.completions.chunks import Reply
from chat.completions.refusals import Refusal
from chat.events import Done, Error, Event
from chat.turns import Turn
from documents.problems import headers
from documents.threads import in_database_thread

KEEP_ALIVE = b": still here\n\n"
END = b"data: [DONE]\n\n"

# Which of their fields is to blame, by our code or by our field.
PARAMS = {
    "unknown_corpus": "model",
    "conversation_not_found": "conversation_id",
    "question": "messages",
}

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def in_their_form(*methods: str) -> Callable[[View], View]:
    """A view of OpenAI's interface: whatever goes wrong is told as their clients expect it.

    Without CSRF protection, as no cookie counts: a session is not looked at.
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

        return guarded

    return decorate


@in_their_form("POST")
async def chat_completions(request: HttpRequest) -> HttpResponseBase:
    """One answer, whole or as it is written."""
    asked = Asked.of(body_of(request))
    turn = await opened(request, asked)
    reply = Reply(asked, request.build_absolute_uri)
    if not asked.stream:
        return JsonResponse(reply.completion(await last_event(turn)))
    events = heard(turn)
    while (first := await anext(events)) is None:
        pass  # it waits for its turn
    if isinstance(first, Error):
        raise Refusal.of(first)
    return StreamingHttpResponse(
        frames(reply, first, events),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


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
    async with aclosing(heard(turn)) as events:
        async for event in events:
            last = event or last
    if isinstance(last, Error):
        raise Refusal.of(last)
    assert isinstance(last, Done)  # noqa: S101 - the pipeline's promise
    return last


async def frames(
    reply: Reply, first: Event, events: AsyncGenerator[Event | None, None]
) -> AsyncGenerator[bytes, None]:
    """Server-sent events."""
    async with aclosing(events):
        for chunk in reply.chunks(first):
            yield frame(chunk)
        async for event in events:
            if event is None:
                yield KEEP_ALIVE
            elif isinstance(event, Error):
                yield frame(Refusal.of(event).as_json())
                return  # without [DONE]: it is not
            else:
                for chunk in reply.chunks(event):
                    yield frame(chunk)
        yield END


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
