"""One call, one answer: what transports share that nobody can come back to.

Their callers show a key, or nothing; a cookie does not count, so no page of somebody else's can
make a browser ask for its reader.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from chat.access import corpus_of, scope_of
from chat.auth import visitors
from chat.auth.addresses import client_address
from chat.auth.authentication import principal_for
from chat.auth.principal import Principal
from chat.context import Surroundings
from chat.events import Done, Error, Event
from chat.llm.base import PromptMessage
from chat.models import Conversation
from chat.pipeline import answer
from chat.serializers import QuestionSerializer
from chat.turns import Turn
from documents.problems import Problem

SILENCE = 15.0  # seconds after which a sign of life is due


def caller_of(request: HttpRequest) -> Principal:
    """Asks the database; raises InvalidCredential."""
    return principal_for(
        headers={name.lower(): value for name, value in request.headers.items()},
        user=AnonymousUser(),
        address=client_address(request.META),
    )


def turn_of(
    principal: Principal,
    corpus_slug: str,
    told: Mapping[str, Any],
    *,
    conversation_id: UUID | None = None,
    told_before: Sequence[PromptMessage] | None = None,
) -> Turn:
    """A turn that is not saved yet; a new conversation is saved together with its question.

    Of a conversation that is kept here, our own record counts, whatever the caller tells.
    """
    corpus = corpus_of(principal, corpus_slug)
    serializer = QuestionSerializer(data=told)
    serializer.is_valid(raise_exception=True)
    asked = serializer.validated_data
    if not principal.id:  # nobody comes back to it
        principal = replace(principal, id=visitors.new_id())
    conversation = Conversation(corpus=corpus, owner=principal.owner)
    if conversation_id is not None:
        mine = Conversation.objects.of(principal).filter(corpus=corpus)
        found = mine.select_related("corpus").filter(pk=conversation_id).first()
        if found is None:
            detail = "There is no such conversation of yours in this corpus."
            raise Problem(404, "conversation_not_found", detail)
        conversation, told_before = found, None
    return Turn(
        conversation=conversation,
        principal=principal,
        question=asked["question"],
        scope=scope_of(corpus, asked.get("filters")),
        surroundings=Surroundings.of(asked),
        told_before=told_before,
    )


async def heard(turn: Turn) -> AsyncGenerator[Event | None, None]:
    """The events of a turn, and None whenever there was none for a while.

    Who stops listening has stopped the answer.
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


def first_of(detail: Any, field: str = "") -> tuple[str, str]:
    """Of a serializer's errors: where the first one is, and what it says."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return first_of(inner, f"{field}.{name}" if field else str(name))
    if isinstance(detail, list):
        return first_of(detail[0], field)
    return field, str(detail)
