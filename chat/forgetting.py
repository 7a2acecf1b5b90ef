"""What was said is forgotten: its rows, and what else still holds some of it.

That is the journal in Redis, the recordings in the memory of this process, and what a request that
was sent with a key would be answered once more. Other processes have recordings as well: nobody is
told of an answer without its row, and they go by themselves after JOURNAL_SECONDS.
"""

from collections.abc import Sequence
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import models, transaction

from chat import running
from chat.journal.shared import RedisError, SharedJournal
from chat.models import Conversation, Message
from documents.kept_requests import KeptRequest


def forget_conversations(ids: Sequence[UUID]) -> dict[str, int]:
    """These, with their messages and what hangs on them; returns how many rows of which kind."""
    messages = Message.objects.filter(conversation__in=ids).values_list("pk", flat=True)
    return _forget(Conversation.objects.filter(pk__in=ids), list(messages), others=ids)


def forget_messages(ids: Sequence[UUID]) -> dict[str, int]:
    """The same of these alone. Answers go with their question."""
    answers = Message.objects.filter(question__in=ids).values_list("pk", flat=True)
    return _forget(Message.objects.filter(pk__in=ids), [*ids, *answers])


def _forget(
    rows: models.QuerySet[Conversation] | models.QuerySet[Message],
    messages: Sequence[UUID],
    others: Sequence[UUID] = (),
) -> dict[str, int]:
    with transaction.atomic():
        KeptRequest.objects.filter(target__in=[*others, *messages]).delete()
        _count, deleted = rows.delete()
        if messages:
            # Later, or whoever reads them in between has them told once more.
            transaction.on_commit(lambda: _forget_what_was_told(messages))
    return deleted


def _forget_what_was_told(messages: Sequence[UUID]) -> None:
    running.forget(messages)
    if settings.REDIS_URL:
        async_to_sync(_forget_in_redis)(messages)


async def _forget_in_redis(messages: Sequence[UUID]) -> None:
    journal = SharedJournal(settings.REDIS_URL, keep=settings.JOURNAL_SECONDS)
    try:
        await journal.forget(messages)
    except RedisError:
        return  # what it has runs out by itself, after JOURNAL_SECONDS
    finally:
        await journal.close()
