"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress

from django.http import StreamingHttpResponse

from chat.events import as_json
from chat.journal.entries import Entry

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE = 15.0  # seconds of silence after which a comment is sent
COMMENT = b": keep-alive\n\n"


def frame(entry: Entry) -> bytes:
    data = json.dumps(as_json(entry.event), ensure_ascii=False)
    return f"id: {entry.number}\nevent: {entry.event.type}\ndata: {data}\n\n".encode()


def event_stream(
    entries: AsyncGenerator[Entry, None], encode: Callable[[Entry], bytes] = frame
) -> StreamingHttpResponse:
    """A response that sends each entry at once, and a comment whenever there was none for long."""
    return StreamingHttpResponse(
        kept_alive(entries, encode),
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def beginning_with(
    first: Entry, rest: AsyncGenerator[Entry, None]
) -> AsyncGenerator[Entry, None]:
    """For whoever had to look at the first one, to answer in another form if it is an error."""
    async with aclosing(rest):
        yield first
        async for entry in rest:
            yield entry


async def kept_alive(
    entries: AsyncGenerator[Entry, None], encode: Callable[[Entry], bytes]
) -> AsyncIterator[bytes]:
    async with aclosing(entries):
        coming = asyncio.ensure_future(anext(entries, None))
        try:
            while True:
                done, _pending = await asyncio.wait([coming], timeout=KEEP_ALIVE)
                if not done:
                    yield COMMENT
                    continue
                if (entry := coming.result()) is None:
                    return
                coming = asyncio.ensure_future(anext(entries, None))
                yield encode(entry)
        finally:
            # Before its generator is closed: it must not be running then.
            coming.cancel()
            with suppress(asyncio.CancelledError):
                await coming
