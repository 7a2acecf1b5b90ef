"""HTTP and websocket clients for tests, speaking to the application in this process."""

import json
from typing import Any

from channels.testing import WebsocketCommunicator
from django.test import AsyncClient

from ragsite.asgi import application
from tests.chat.asyncapi import complaints

JSON = "application/json"


async def start_conversation(client: AsyncClient, corpus: str = "lighthouse", **headers) -> dict:
    reply = await client.post(
        "/api/v1/conversations/", {"corpus": corpus}, content_type=JSON, headers=headers
    )
    assert reply.status_code == 201, reply.content
    return reply.json()


async def ask_json(client: AsyncClient, conversation: dict, question: str, **more: Any):
    return await client.post(
        f"/api/v1/conversations/{conversation['id']}/messages/",
        {"question": question, **more},
        content_type=JSON,
        headers=token_of(conversation),
    )


async def ask_sse(client: AsyncClient, conversation: dict, question: str, **more: Any):
    return await client.post(
        f"/api/v1/conversations/{conversation['id']}/messages/",
        {"question": question, **more},
        content_type=JSON,
        headers={"Accept": "text/event-stream", **token_of(conversation)},
    )


async def sse_events(reply: Any) -> list[dict]:
    raw = b"".join([part async for part in reply.streaming_content]).decode()
    events = []
    for block in raw.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = json.loads(fields["data"])
        assert fields["event"] == data["type"]
        events.append({"id": int(fields["id"]), **data})
    return events


def token_of(conversation: dict) -> dict[str, str]:
    token = conversation.get("visitor_token")
    return {"X-Visitor-Token": token} if token else {}


class Socket:
    """A websocket client; `async with` connects and hangs up."""

    def __init__(self, *, origin: str | None = "http://testserver", cookies: str = "", **headers):
        fields = {"origin": origin, "host": "testserver", "cookie": cookies, **headers}
        encoded = [(k.encode(), v.encode()) for k, v in fields.items() if v]
        self.communicator = WebsocketCommunicator(application, "/ws/chat/", headers=encoded)

    async def __aenter__(self) -> "Socket":
        self.connected, self.code = await self.communicator.connect(timeout=10)
        self.ready = await self.receive() if self.connected else None
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.communicator.disconnect(timeout=10)

    async def send(self, kind: str, **frame: Any) -> None:
        await self.communicator.send_json_to({"v": 1, "type": kind, "id": "1", **frame})

    async def receive(self) -> dict:
        frame = await self.communicator.receive_json_from(timeout=20)
        assert not complaints(frame), (frame, complaints(frame))
        return frame

    async def until_the_end(self) -> list[dict]:
        frames = [await self.receive()]
        while frames[-1]["type"] not in ("done", "error"):
            frames.append(await self.receive())
        return frames
