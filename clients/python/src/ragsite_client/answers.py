"""An answer while it grows."""

from dataclasses import asdict, dataclass, field
from typing import cast

from ragsite_client.events import Cited, Delta, Done, Error, Event, Restart, Start
from ragsite_client.shapes import Citation


@dataclass
class Answer:
    """What the events so far add up to. `done` or `error` is set at its end."""

    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    conversation_id: str | None = None
    message_id: str | None = None  # with this and the next one it can be resumed, by anybody of it
    last_event_id: int = 0
    done: Done | None = None
    error: Error | None = None

    @property
    def has_ended(self) -> bool:
        return self.done is not None or self.error is not None

    def take(self, number: int, event: Event) -> None:
        self.last_event_id = number
        match event:
            case Start():
                self.conversation_id, self.message_id = event.conversation_id, event.message_id
            case Delta():
                self.text += event.text
            case Restart():
                self.text, self.citations = "", []
            case Cited():
                self.citations.append(cast(Citation, asdict(event)))
            case Done():
                self.done, self.text, self.citations = event, event.text, event.citations
            case Error():
                self.error = event
