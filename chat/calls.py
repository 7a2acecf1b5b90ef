"""One call, one answer: what transports share that nobody can come back to.

Their callers show a key, or nothing; a cookie does not count, so no page of somebody else's can
make a browser ask for its reader.
"""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.request import UnreadablePostError
from rest_framework.exceptions import APIException, ValidationError

from chat.access import corpus_of
from chat.auth import visitors
from chat.auth.addresses import client_address
from chat.auth.authentication import principal_for
from chat.auth.principal import Principal
from chat.events import Error
from chat.journal.entries import Entry
from chat.limits import TooManyQuestions
from chat.llm.base import PromptMessage
from chat.models import Conversation
from chat.running import running, told
from chat.serializers import QuestionSerializer
from chat.turns import Turn
from documents.index.base import IndexUnavailable
from documents.permissions import demand
from documents.powers import Power
from documents.problems import DATABASE_AWAY, RETRY_AFTER, Problem

logger = logging.getLogger(__name__)


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
    asks: Mapping[str, Any],
    *,
    conversation_id: UUID | None = None,
    told_before: Sequence[PromptMessage] | None = None,
) -> Turn:
    """A turn that is not saved yet; a new conversation is saved together with its question.

    Of a conversation that is kept here, our own record counts, whatever the caller tells.
    """
    demand(principal, Power.CHAT)
    corpus = corpus_of(principal, corpus_slug)
    serializer = QuestionSerializer(data=asks)
    serializer.is_valid(raise_exception=True)
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
    return Turn.of(serializer.validated_data, conversation, principal, told_before=told_before)


async def heard(turn: Turn) -> AsyncGenerator[Entry, None]:
    """All of a turn, from its start to its last event. Who stops listening has stopped it."""
    last: Entry | None = None
    try:
        async with aclosing(told(turn)) as entries:
            async for last in entries:
                yield last
    finally:
        if last is None or not last.is_last:
            await running().stop(turn.id)


def failure_of(error: Exception) -> Error:
    """What a caller is told of it. A mistake of ours is logged, and told as one."""
    match error:
        case Problem():
            code, status = error.problem_code, error.status_code
            return Error(code, str(error.detail), status, error.wait)
        case ValidationError():
            field, what = first_of(error.detail)
            return Error("invalid", f"{field}: {what}", 400)
        case APIException():
            return Error(str(error.get_codes()), str(error.detail), error.status_code)
        case TooManyQuestions():
            return Error("rate_limited", str(error), 429, error.retry_after)
        case IndexUnavailable():
            detail = "Search is unavailable; try again."
            return Error("search_unavailable", detail, 503, max(5.0, error.retry_after or 0))
        case RequestDataTooBig():
            return Error("too_large", "The body of the request is too large.", 413)
        case UnreadablePostError() | SuspiciousOperation() | BadRequest():
            return Error("invalid", "The request is not one that can be answered.", 400)
        case DatabaseError():
            logger.error("A call failed with the database: %s", type(error).__name__)
            return Error("database_unavailable", DATABASE_AWAY, 503, RETRY_AFTER)
    logger.error("A call failed in a way nobody expected", exc_info=error)
    return Error("internal", "Something went wrong on our side.", 500)


def first_of(detail: Any, field: str = "") -> tuple[str, str]:
    """Of a serializer's errors: where the first one is, and what it says."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return first_of(inner, f"{field}.{name}" if field else str(name))
    if isinstance(detail, list):
        return first_of(detail[0], field)
    return field, str(detail)
