"""Models and keys for tests of clients that speak to the running server."""

import asyncio
import threading
import time
from typing import Any

from chat.llm.scripted import ScriptedModel
from chat.models import ApiKey, Message
from documents.models import Corpus


class Waiting(ScriptedModel):
    """Writes its first text, and the rest when it is released; or never."""

    def __init__(self, first: str, rest: str) -> None:
        super().__init__()
        self.first, self.rest, self.released = first, rest, False
        self.begun = threading.Event()

    def release(self) -> None:
        self.released = True
        self.loop.call_soon_threadsafe(self.gate.set)

    async def stream(self, prompt):
        self.loop, self.gate = asyncio.get_running_loop(), asyncio.Event()
        self.scripts = [[self.first, self.gate, self.rest]]
        self.begun.set()
        async for output in super().stream(prompt):
            yield output


def key_for(*corpora: Corpus, **fields: Any) -> str:
    row, key = ApiKey.objects.create_key(name="a key", **fields)
    row.corpora.set(corpora)
    return key


def ended() -> Message:
    """The answer, once it is no longer being written."""
    deadline = time.monotonic() + 10
    while (message := Message.objects.get(role="assistant")).status == "streaming":
        assert time.monotonic() < deadline, "the answer went on"
        time.sleep(0.05)
    return message
