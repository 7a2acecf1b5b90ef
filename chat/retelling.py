"""What is told of an answer to whoever comes back to it: its events, as long as all that they show
may still be shown; otherwise its end alone, as its rows are today."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from chat.events import Done, Error
from chat.journal.entries import Entry
from chat.models import Message
from chat.running import running
from chat.saved import end_of
from chat.standing import standings


def without_its_events(message: Message) -> Done | Error | None:
    """Its last event, if what it showed on the way may not be shown any longer."""
    if message.status == Message.Status.STREAMING:
        return None
    found = standings(message.citations.all(), message.conversation.corpus_id)
    return end_of(message) if any(one.withheld for one in found.values()) else None


def entries_of(message: Message, after: int = 0) -> AsyncGenerator[Entry, None]:
    """Those after this number. Asks the database."""
    retold = without_its_events(message)
    return _alone(after, retold) if retold else _followed(message, after)


async def _followed(message: Message, after: int) -> AsyncGenerator[Entry, None]:
    async with aclosing(running().follow(message.pk, after)) as entries:
        async for entry in entries:
            yield entry


async def _alone(after: int, event: Done | Error) -> AsyncGenerator[Entry, None]:
    yield Entry(after + 1, event)
