"""What people asked is kept for as long as its corpus says, and goes by itself afterwards.

A few rows a transaction, so that nobody waits; killed at any point, the next time does the rest.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from chat.forgetting import forget_conversations, forget_messages
from chat.models import Conversation, Message
from documents import audit
from documents.kept_requests import KeptRequest
from documents.models import Corpus

AT_ONCE = 100  # rows in one transaction; on each message hang a few citations and claims
# A conversation in which nothing was asked (any more).
EMPTY = timedelta(days=7)
A_DAY = timedelta(days=1)


def purge(*, dry_run: bool = False) -> dict[str, int]:
    """Remove what is past its time; returns how many rows of which kind."""
    now = timezone.now()
    counts = {"messages": 0, "titles": 0, "conversations": 0, "sessions": 0, "requests": 0}
    for kind, rows in _overdue(now):
        counts[kind] += rows.count() if dry_run else _remove(kind, rows)
    if not dry_run:
        if any(counts.values()):
            audit.record(audit.Action.CONVERSATIONS_PURGED, target="conversations", rows=counts)
        counts["audit"] = audit.prune()
    return counts


def _overdue(now: datetime) -> Iterator[tuple[str, QuerySet[Any]]]:
    for corpus in Corpus.objects.all():
        before, here = now - corpus.keeps_for, Conversation.objects.filter(corpus=corpus)
        yield "messages", Message.objects.filter(conversation__in=here, created_at__lt=before)
        # A title is the first question, which is gone.
        yield "titles", here.filter(created_at__lt=before).exclude(title="")
        idle = now - min(EMPTY, max(corpus.keeps_for, A_DAY))
        yield "conversations", here.filter(messages=None, updated_at__lt=idle)
    yield "sessions", Session.objects.filter(expire_date__lt=now)
    yield "requests", KeptRequest.objects.over(now)


def _remove(kind: str, rows: QuerySet[Any]) -> int:
    count, left = 0, rows.order_by("pk")
    while some := list(left.values_list("pk", flat=True)[:AT_ONCE]):
        left = left.filter(pk__gt=some[-1])
        with transaction.atomic():
            # Those that still are: somebody may just have asked in an empty conversation.
            still = rows.filter(pk__in=some).values_list("pk", flat=True)
            chosen = list(still)
            count += len(chosen)
            match kind:
                case "messages":
                    forget_messages(chosen)
                case "conversations":
                    forget_conversations(chosen)
                case "titles":
                    Conversation.objects.filter(pk__in=chosen).update(title="")
                case _:
                    rows.model._default_manager.filter(pk__in=chosen).delete()
    return count
