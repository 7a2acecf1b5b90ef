"""From what a model writes to what is shown: disarmed, cited, and announced where retracted.

One for each answer; the second answer of a turn gets a stream of its own.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from chat.citations import CitationStream
from chat.disarming import Disarmer
from chat.events import Cited
from chat.llm.base import MarkedPassage
from chat.retraction import RetractionNotice


class AnswerStream:
    """Feed it the model's text; it yields text and Cited events, in order."""

    def __init__(self, passages: Sequence[MarkedPassage], notice: str) -> None:
        self.disarmer, self.citations = Disarmer(), CitationStream(passages)
        self.announced = RetractionNotice(notice, [marked.passage for marked in passages])

    def feed(self, text: str) -> Iterator[str | Cited]:
        return self.announced.feed(self.citations.feed(self.disarmer.feed(text)))

    def finish(self) -> Iterator[str | Cited]:
        rest = self.citations.feed(self.disarmer.finish())
        return self.announced.finish(chain(rest, self.citations.finish()))

    @property
    def says_nothing_found(self) -> bool:
        return self.citations.says_nothing_found

    @property
    def counts(self) -> dict[str, Any]:
        """What was dropped on the way, for the trace."""
        return {
            "unknown_markers": self.citations.unknown_markers,
            "disarmed": self.disarmer.removed,
        }
