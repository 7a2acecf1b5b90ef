"""Models for tests of clients: they write slowly, or as far as a test lets them."""

import asyncio
import threading
from dataclasses import replace

from chat.llm.scripted import ScriptedModel
from chat.pipeline import AnswerPipeline

SECOND = 0.06  # longer than the text of several pieces is gathered for


class Pause(asyncio.Event):
    """After each piece, so that each becomes an event of its own."""

    async def wait(self) -> bool:  # type: ignore[override]
        await asyncio.sleep(SECOND)
        return True


class Gate(asyncio.Event):
    """Where an answer stops until a test, which is in another thread, lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self._reached = threading.Event()

    async def wait(self) -> bool:  # type: ignore[override]
        self._loop_of_the_server = asyncio.get_running_loop()
        self._reached.set()
        return await super().wait()

    def until_reached(self) -> None:
        assert self._reached.wait(20), "the answer did not come so far"

    def open(self) -> None:
        self.until_reached()
        self._loop_of_the_server.call_soon_threadsafe(self.set)


def says(monkeypatch, *scripts) -> ScriptedModel:
    """The server's model, from now on."""
    model = ScriptedModel(*scripts)
    pipeline = replace(AnswerPipeline.from_settings(), model=model)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    return model


def slowly(text: str) -> list:
    """A script that says it word by word."""
    words = text.replace(" ", " \n").split("\n")
    return [step for word in words for step in (word, Pause())]
