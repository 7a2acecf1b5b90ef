"""The websocket's part: each frame, by everybody, with ids that are not theirs."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.campaigns.matrix.calls import HOST
from tests.campaigns.matrix.people import Person
from tests.campaigns.matrix.tenants import QUESTION
from tests.campaigns.matrix.things import MISSING, Thing
from tests.campaigns.matrix.verdicts import alike

PATIENCE = 3.0  # seconds
LAST = ("unauthorized", "too_many_sockets")  # errors after which a socket is closed
# What the fields of frames name: a form, or what else is tried. A new field must be added here.
FRAME_FORMS: dict[str, str] = {
    "corpus": "slug", "conversation": "uuid", "question": "", "filters": "slug", "page": "url",
    "selection": "text", "message": "uuid", "after": "", "authorization": "slug",
    "visitor_token": "slug", "store": "", "key": "",
}  # fmt: skip
NO_FIELDS = ("stop", "ping")  # frames that name nothing


def frame_kinds() -> dict[str, tuple[str, ...]]:
    from chat.frames import FIELDS

    return FIELDS


def places() -> list[tuple[str, str]]:
    """Each field of each frame; a frame without fields once."""
    return [(kind, name) for kind, names in frame_kinds().items() for name in names or ("",)]


def value_of(name: str, value: str) -> Any:
    """As the field wants it."""
    match name:
        case "filters":
            return {"sources": [value]}
        case "selection":
            return {"text": value, "mode": "only"}
        case "authorization":
            return f"Api-Key {value[:8]:x<8}.{'y' * 32}"
    return value


def frame_for(kind: str, name: str, value: str, person: Person) -> dict[str, Any]:
    frame: dict[str, Any] = {"v": 1, "type": kind, "id": "1"}
    if kind == "ask":
        frame |= {"question": QUESTION}
        if name != "conversation":
            frame["corpus"] = person.home.get("corpus", MISSING["slug"])
    if kind == "resume":
        frame["message"] = person.home.get("message", MISSING["uuid"])
    if FRAME_FORMS.get(name):
        frame[name] = value_of(name, value)
    return frame


class Line:
    """One open socket."""

    def __init__(self, communicator: Any) -> None:
        self.communicator, self.frames = communicator, []
        self.is_open = True

    async def hear(self) -> list[str]:
        """Frames until one that ends an answer; what has come when nothing comes any more."""
        heard: list[str] = []
        while True:
            try:
                message = await self.communicator.receive_output(timeout=PATIENCE)
            except (TimeoutError, asyncio.CancelledError):
                self.is_open = False  # waiting in vain ends the communicator
                return heard
            if message["type"] != "websocket.send":
                self.is_open = False
                return heard
            heard.append(message["text"])
            frame = json.loads(message["text"])
            if frame["type"] in ("done", "error", "ready", "pong"):
                self.is_open = frame.get("code") not in LAST
                return heard

    async def say(self, frame: dict[str, Any]) -> list[str]:
        await self.communicator.send_json_to(frame)
        return await self.hear()


@asynccontextmanager
async def connected(person: Person) -> AsyncIterator[Line]:
    from channels.testing import WebsocketCommunicator

    from ragsite.asgi import application

    headers = {"origin": f"http://{HOST}", "host": HOST, **person.headers}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    communicator = WebsocketCommunicator(application, "/ws/chat/", headers=pairs)
    line = Line(communicator)
    line.is_open, _code = await communicator.connect(timeout=10)
    try:
        if line.is_open:
            line.frames = await line.hear()
            line.is_open = json.loads(line.frames[0])["type"] == "ready" if line.frames else False
        yield line
    finally:
        with suppress(asyncio.CancelledError):
            await communicator.disconnect(timeout=10)


def same(frames: list[str], named: list[str]) -> list[str]:
    """But for what was sent, and for numbers and moments."""
    told = []
    for text in frames:
        frame = json.loads(text)
        frame.pop("seq", None)
        told.append(alike(json.dumps(frame), named))
    return told


def pick(name: str, person: Person, things: list[Thing], dice: random.Random) -> Thing | None:
    fitting = [
        one for one in things
        if one.form == FRAME_FORMS.get(name) and one.is_foreign_to(person.grants)
    ]  # fmt: skip
    return dice.choice(fitting) if fitting else None
