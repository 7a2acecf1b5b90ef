"""Entry: one event of a turn, with its number."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chat.events import Delta, Done, Error, Event

# From the last entry that is known of a dead process to the end that another one writes for it:
# its own readers may have been shown more than it could tell, and must hear of the end, too.
BEYOND = 100_000


class Entry(NamedTuple):
    """Numbers begin with 1 and rise; where deltas were merged, the last one's counts."""

    number: int
    event: Event

    @property
    def is_last(self) -> bool:
        return isinstance(self.event, (Done, Error))


def merged(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Deltas that follow each other as one: for whoever is behind with reading."""
    held: Entry | None = None
    for entry in entries:
        if held and isinstance(held.event, Delta) and isinstance(entry.event, Delta):
            held = Entry(entry.number, Delta(held.event.text + entry.event.text))
            continue
        if held:
            yield held
        held = entry
    if held:
        yield held
