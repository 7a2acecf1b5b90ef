"""Answers whose process died: what was shown of them is kept, and they are interrupted."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from chat.events import Cited, Delta, Restart
from chat.journal.entries import Entry
from chat.models import Citation, Message
from documents.models import Chunk
from documents.threads import in_database_thread

# No answer takes as long; who writes one without a name of its process is not asked.
LONGEST_TURN = timedelta(minutes=10)


@in_database_thread
def unfinished(message: UUID | None = None) -> list[tuple[UUID, str]]:
    """Ids of answers without an end, this one or all, and the names of their processes; "" when
    none can still be at it."""
    long_ago = timezone.now() - LONGEST_TURN
    streaming = Message.objects.filter(status=Message.Status.STREAMING)
    if message is not None:
        streaming = streaming.filter(pk=message)
    known = streaming.filter(~Q(process="") | Q(created_at__lt=long_ago))
    rows = known.values_list("pk", "process", "created_at")
    return [(pk, process if began > long_ago else "") for pk, process, began in rows]


@in_database_thread
def interrupt(message: UUID, entries: Sequence[Entry] = ()) -> None:
    """Save what these entries showed. An answer that has its end already keeps it."""
    text, cited = shown(entries)
    hashes = dict(
        Chunk.objects.filter(pk__in=[c.chunk_id for c in cited]).values_list("pk", "text_hash")
    )
    Message.objects.close_turn(
        message,
        {"text": text, "status": Message.Status.INTERRUPTED},
        [Citation.of(c, message, hashes.get(UUID(c.chunk_id), "")) for c in cited],
        [],
    )


def shown(entries: Sequence[Entry]) -> tuple[str, list[Cited]]:
    """The text and its citations, as a reader has them after these entries."""
    text, cited = "", list[Cited]()
    for _number, event in entries:
        match event:
            case Restart():
                text, cited = "", []
            case Delta():
                text += event.text
            case Cited():
                cited.append(event)
    return text, cited
