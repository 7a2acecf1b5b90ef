"""`/v1/chat/completions`: the clients that people have, asking a corpus as if it were a model."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException, ValidationError

from chat.access import corpus_of, scope_of
from chat.auth import visitors
from chat.auth.addresses import client_address
from chat.auth.authentication import principal_for
from chat.auth.principal import Principal
from chat.completions.asked import Asked
from chat.completions.chunks import Reply
from chat.completions.refusals import Refusal
from chat.context import Surroundings
from chat.events import Done, Error, Event
from chat.models import Conversation
from chat.pipeline import answer
from chat.serializers import QuestionSerializer
from chat.turns import Turn
from documents.problems import DATABASE_AWAY, RETRY_AFTER, Problem, headers
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

SILENCE = 15.0  # seconds after which a comment shows that the connection lives
KEEP_ALIVE = b": still here\n\n"
END = b"data: [DONE]\n\n"

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


def principal_of(request: HttpRequest) -> Principal:
    """Who asks, by key or as a visitor. Asks the database."""
    return principal_for(
        headers={name.lower(): value for name, value in request.headers.items()},
        user=AnonymousUser(),
        address=client_address(request.META),
    )


@in_database_thread
def opened(request: HttpRequest, asked: Asked) -> Turn:
    """A turn that is not saved yet; its conversation is saved together with its question."""
    principal = principal_of(request)
    corpus = corpus_of(principal, asked.model)
    serializer = QuestionSerializer(data={**(asked.extensions or {}), "question": asked.question})
    serializer.is_valid(raise_exception=True)
    told = serializer.validated_data
    if not principal.id:  # nobody comes back to it
        principal = replace(principal, id=visitors.new_id())
    conversation = Conversation(corpus=corpus, owner=principal.owner)
    if asked.conversation_id:
        mine = Conversation.objects.of(principal).filter(corpus=corpus)
        found = mine.select_related("corpus").filter(pk=asked.conversation_id).first()
        if found is None:
            raise Refusal(
                404, "conversation_not_found", "There is no such conversation of yours.",
                param="conversation_id",
            )  # fmt: skip
        conversation = found
    return Turn(
        conversation=conversation,
        principal=principal,
        question=told["question"],
        scope=scope_of(corpus, told.get("filters")),
        surroundings=Surroundings.of(told),
        # Of a conversation that is kept here, our own record counts.
        told_before=None if asked.conversation_id else asked.earlier,
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


async def heard(turn: Turn) -> AsyncGenerator[Event | None, None]:
    """The events of a turn, and None whenever there was none for a while.

    Nobody can come back to such a stream, so who stops listening has stopped the answer.
    """
    events = answer(turn)
    upcoming: asyncio.Task[Event] | None = None
    last: Event | None = None
    try:
        while not isinstance(last, (Done, Error)):
            upcoming = upcoming or asyncio.create_task(anext(events))
            done, _ = await asyncio.wait({upcoming}, timeout=SILENCE)
            if done:
                last, upcoming = upcoming.result(), None
            yield last if done else None
    finally:
        turn.stop_requested = turn.stop_requested or not isinstance(last, (Done, Error))
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait({upcoming})
        await events.aclose()


def frame(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def body_of(request: HttpRequest) -> object:
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_json", "The body is not JSON.") from None


def as_refusal(error: Exception) -> Refusal:
    """A mistake of ours is logged, and told as one."""
    match error:
        case Refusal():
            return error
        case Problem():
            return Refusal(
                error.status_code, error.problem_code, str(error.detail),
                param="model" if error.problem_code == "unknown_corpus" else None,
                retry_after=error.wait,
            )  # fmt: skip
        case ValidationError():
            field, told = first_of(error.detail)
            return Refusal(400, "invalid", told, param="messages" if field == "question" else field)
        case APIException():
            return Refusal(error.status_code, str(error.get_codes()), str(error.detail))
        case RequestDataTooBig():
            return Refusal(413, "too_large", "The body of the request is too large.")
        case UnreadablePostError() | BadRequest():
            return Refusal(400, "invalid", "The request is not one that can be answered.")
        case DatabaseError():
            logger.error("A completion failed with the database: %s", type(error).__name__)
            return Refusal(503, "database_unavailable", DATABASE_AWAY, retry_after=RETRY_AFTER)
    logger.error("A completion failed in a way nobody expected", exc_info=error)
    return Refusal(500, "internal", "Something went wrong on our side.")


def first_of(detail: Any, field: str = "") -> tuple[str, str]:
    """The first thing that is wrong, and where: their form has room for one."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return first_of(inner, f"{field}.{name}" if field else str(name))
    if isinstance(detail, list):
        return first_of(detail[0], field)
    return field, str(detail)


def refused(refusal: Refusal) -> JsonResponse:
    response = JsonResponse(refusal.as_json(), status=refusal.status)
    for name, value in headers(refusal.retry_after).items():
        response[name] = value
    if refusal.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response
