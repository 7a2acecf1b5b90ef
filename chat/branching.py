"""Another way for a conversation to go on: a new one that begins like it, up to a question."""

import uuid
from datetime import datetime
from typing import TypeVar

from django.db import models, transaction

from chat.models import Citation, Claim, Conversation, Message

Row = TypeVar("Row", bound=models.Model)


@transaction.atomic
def branch(
    conversation: Conversation, question: Message, pk: uuid.UUID | None = None
) -> Conversation:
    """Copies, so that each of the two can be deleted for itself. Feedback stays where it is."""
    copy = Conversation.objects.create(
        corpus=conversation.corpus, owner=conversation.owner, title=conversation.title,
        branched_from=conversation, id=pk or uuid.uuid4(),
    )  # fmt: skip
    said = Message.objects.filter(
        conversation=conversation, created_at__lt=question.created_at, superseded=False
    ).exclude(status=Message.Status.STREAMING)
    messages = list(said.order_by("created_at", "-role").prefetch_related("citations", "claims"))
    ids = {message.pk: uuid.uuid4() for message in messages}
    cited = [citation for message in messages for citation in message.citations.all()]
    claims = [claim for message in messages for claim in message.claims.all()]
    _copy_messages(messages, ids, copy)
    _copy(Citation, [_moved(row, ids) for row in cited])
    _copy(Claim, [_moved(row, ids) for row in claims])
    return copy


def _copy_messages(
    messages: list[Message], ids: dict[uuid.UUID, uuid.UUID], copy: Conversation
) -> None:
    moments: dict[uuid.UUID, datetime] = {}
    for message in messages:
        moments[ids[message.pk]] = message.created_at
        message.pk, message.conversation = ids[message.pk], copy
        message.question_id = ids.get(message.question_id) if message.question_id else None
        message._state.adding = True
    Message.objects.bulk_create(messages)  # sets the moment of creation
    for message in messages:
        message.created_at = moments[message.pk]
    Message.objects.bulk_update(messages, ["created_at"], batch_size=200)


def _moved(row: Row, ids: dict[uuid.UUID, uuid.UUID]) -> Row:
    row.pk, row.message_id = None, ids[row.message_id]  # type: ignore[attr-defined]
    row._state.adding = True
    return row


def _copy(model: type[Row], rows: list[Row]) -> None:
    model._default_manager.bulk_create(rows)
