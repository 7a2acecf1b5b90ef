"""Retracted content never answers without saying so, and says so before anything else.

What an answer rests on shows while it is written. So its beginning is held back as long as all that
it cites was retracted, until it cites something else, or ends. Where nothing that was retracted is
offered, which is nearly always, nothing is held back.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from chat.events import Cited
from documents.passages import Passage


@dataclass
class RetractionNotice:
    """Feed it text and citations; it yields them in order, after the notice if it is due."""

    notice: str
    offered: Sequence[Passage]
    _held: list[str | Cited] = field(default_factory=list)
    _decided: bool = False

    def __post_init__(self) -> None:
        self._retracted = {str(one.chunk_id) for one in self.offered if one.is_retracted}
        self._decided = not self._retracted

    def feed(self, parts: Iterable[str | Cited]) -> Iterator[str | Cited]:
        for part in parts:
            if self._decided:
                yield part
                continue
            self._held.append(part)
            if isinstance(part, Cited):
                if part.chunk_id not in self._retracted:
                    yield from self._released()
                elif len(self._retracted) == len(self.offered):
                    yield from self.finish()

    def finish(self, parts: Iterable[str | Cited] = ()) -> Iterator[str | Cited]:
        """With the last parts of the answer."""
        yield from self.feed(parts)
        if any(isinstance(part, Cited) for part in self._held):
            yield f"{self.notice}\n\n"
        yield from self._released()

    def _released(self) -> Iterator[str | Cited]:
        held, self._held, self._decided = self._held, [], True
        yield from held
