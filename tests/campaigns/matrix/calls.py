"""One request to the application in this process, as a server would hand it over."""

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlencode

HOST = "localhost"


@dataclass(frozen=True)
class Call:
    """`query` and `body` are as they are sent."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def sent(self) -> str:
        """All of it, as a text."""
        return " ".join(
            [self.path, *(f"{k}={v}" for k, v in self.query), *self.headers.values(),
             self.body.decode(errors="replace")]
        )  # fmt: skip

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}" + (f"?{urlencode(self.query)}" if self.query else "")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    seconds: float
    is_whole: bool = True

    @property
    def text(self) -> str:
        """All that its reader gets to see."""
        return "\n".join([*(f"{name}: {value}" for name, value in self.headers), self.body])


async def send(call: Call, *, patience: float = 10.0) -> Reply:
    """A reply that does not end in time is what came until then."""
    from ragsite.asgi import application

    headers = {"host": HOST, **call.headers}
    if call.body:
        headers["content-length"] = str(len(call.body))
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": call.method, "path": call.path, "raw_path": quote(call.path).encode(),
        "query_string": urlencode(call.query).encode(), "root_path": "",
        "headers": [(k.lower().encode(), v.encode("latin1")) for k, v in headers.items()],
        "client": ("127.0.0.1", 40000), "server": (HOST, 80), "extensions": {}, "state": {},
    }  # fmt: skip
    bodies = [{"type": "http.request", "body": call.body, "more_body": False}]
    over = asyncio.Event()
    start: dict[str, Any] = {"status": 0, "headers": []}
    pieces: list[bytes] = []

    async def receive() -> dict[str, Any]:
        if bodies:
            return bodies.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                over.set()

    began, is_whole = perf_counter(), True
    try:
        async with asyncio.timeout(patience):
            await application(scope, receive, told)  # type: ignore[arg-type]
    except TimeoutError:
        is_whole = False
    lines = tuple((k.decode().lower(), v.decode("latin1")) for k, v in start["headers"])
    text = b"".join(pieces).decode(errors="replace")
    return Reply(start["status"], lines, text, perf_counter() - began, is_whole)
