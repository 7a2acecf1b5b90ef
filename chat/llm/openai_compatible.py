"""Any server that speaks OpenAI's chat completions, streamed: OpenRouter, vLLM, Ollama, OpenAI.

The rules of such streams are kept here: what proves an end, what is silence, what is an error.
Nothing of a prompt or an answer, and no key, gets into an exception or a log line.
"""

import asyncio
import codecs
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse

from chat.llm.base import ChatModelError, ModelOutput, Prompt, TextPart
from chat.llm.guard import MAX_MODELS, Guard
from chat.llm.reply import Reply
from chat.llm.upstream_errors import upstream_error

logger = logging.getLogger(__name__)

ERROR_BODY_SECONDS = 2.0
ERROR_BYTES = 64 * 1024  # of an error's body; an edge's HTML page can be long
STREAM_BYTES = 8 * 1024 * 1024  # of one stream; 900 tokens with their envelopes are 0.3
USAGE_GRACE = 2.0  # seconds to wait for usage and [DONE] once the answer is finished


@dataclass(frozen=True)
class Timeouts:
    """Seconds. Comments ("still queued") end none of these waits: only tokens do."""

    connect: float = 5.0
    first_token: float = 20.0  # from the request on; a thinking model's hidden tokens count
    stall: float = 20.0  # between two tokens
    total: float = 120.0


class OpenAICompatibleModel:
    writes_prose = True

    def __init__(
        self,
        client: httpx.AsyncClient,
        base_url: str,
        *,
        model: str = "",
        models: Sequence[str] = (),  # OpenRouter's own fallback list
        name: str = "",
        api_key: str = "",
        max_tokens: int = 900,
        max_tokens_field: str = "max_tokens",
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeouts: Timeouts = Timeouts(),
        guard: Guard | None = None,
    ):
        if bool(model) == bool(models) or len(models) > MAX_MODELS:
            raise ValueError(f"Give either one model or a list of at most {MAX_MODELS} models.")
        self.name = name or model or models[0]
        self.provider = httpx.URL(base_url).netloc.decode()
        self._client, self._url = client, base_url.rstrip("/") + "/chat/completions"
        # httpx.Headers hides an Authorization header in its repr; a dict would not.
        self._headers = httpx.Headers(headers)
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._chooses = bool(models)
        self._body = {max_tokens_field: max_tokens, "stream": True, **(body or {})}
        self._max_tokens_field = max_tokens_field
        self._guard = guard or Guard(self.provider, models or [model])
        self._timeouts = timeouts

    def __repr__(self) -> str:
        return f"<OpenAICompatibleModel {self.name}>"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelOutput, None]:
        """TextParts, then one Completion. Closing the generator closes the connection."""
        asked = await self._guard.admitted()
        reply = Reply(name=self.name, model=asked[0])
        try:
            async with aclosing(self._payloads(prompt, asked, reply)) as payloads:
                async for payload in payloads:
                    if text := reply.read(payload):
                        yield TextPart(text)
            completion = reply.completion()
        except httpx.TimeoutException:
            error = self._failed("no connection in time", "timeout")
        except httpx.HTTPError as lost:
            code = "incomplete" if reply.started else "unavailable"
            error = self._failed(f"connection lost ({type(lost).__name__})", code)
        except ChatModelError as told:
            error = told
        except (GeneratorExit, asyncio.CancelledError):
            self._guard.cancelled(asked, reply.model)
            raise
        else:
            self._guard.answered(asked, completion)
            yield completion
            return
        self._guard.failed(asked, error, reply.model if reply.started else None)
        raise error

    def _failed(self, what: str, code: str) -> ChatModelError:
        return ChatModelError(f"{self.name}: {what}", code=code)

    async def _payloads(
        self, prompt: Prompt, asked: Sequence[str], reply: Reply
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The decoded data events, each awaited no longer than its deadline allows."""
        clock = asyncio.get_running_loop().time
        limits = self._timeouts
        last_moment = clock() + limits.total
        deadline = min(clock() + limits.first_token, last_moment)
        broken = 0
        try:
            async with AsyncExitStack() as stack:
                # Headers may come only when a slow server has read the whole prompt.
                async with asyncio.timeout_at(deadline):
                    response = await self._open(stack, prompt, asked)
                events = EventSource(_Body(response)).aiter_sse()  # type: ignore[arg-type]
                await stack.enter_async_context(aclosing(events))
                while True:
                    tokens = reply.tokens
                    async with asyncio.timeout_at(deadline):
                        event = await anext(events, None)
                    if event is None or event.data == "[DONE]":
                        return
                    payload = _decoded(event)
                    if payload is None:
                        broken += bool(event.data)
                        if broken > 1:
                            raise self._failed("broken events", "incomplete")
                        logger.warning("%s: an event of %d characters", self, len(event.data))
                        continue
                    broken = 0
                    yield payload
                    now = clock()  # after the yield: a slow reader is not a stalled model
                    if reply.finish_reason:
                        deadline = min(now + min(limits.stall, USAGE_GRACE), last_moment)
                    elif reply.tokens > tokens:
                        deadline = min(now + limits.stall, last_moment)
        except (TimeoutError, httpx.TransportError) as error:
            if reply.finish_reason:
                return  # the answer is whole; only its usage is missing
            if not isinstance(error, TimeoutError):
                raise
            awaited = "end" if clock() >= last_moment else "token"
            raise self._failed(f"no {awaited} in time", "timeout") from None

    def _request(self, prompt: Prompt, asked: Sequence[str]) -> dict[str, Any]:
        wanted = {"models": list(asked)} if self._chooses else {"model": asked[0]}
        limits = {self._max_tokens_field: prompt.max_tokens} if prompt.max_tokens else {}
        return {**wanted, **self._body, **limits, "messages": _messages(prompt)}

    async def _open(
        self, stack: AsyncExitStack, prompt: Prompt, asked: Sequence[str]
    ) -> httpx.Response:
        """Send the request; raise what a reply says that is no stream."""
        limit = self._timeouts.connect
        source = await stack.enter_async_context(
            aconnect_sse(
                self._client,
                "POST",
                self._url,
                json=self._request(prompt, asked),
                headers=dict(self._headers),
                timeout=httpx.Timeout(None, connect=limit, pool=limit),
            )
        )
        response = source.response
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == 200 and kind == "text/event-stream":
            return response
        body = await _error_body(response)
        raise upstream_error(self.name, response.status_code, body, response.headers)


class _Body:
    """A response as EventSource reads it: strictly UTF-8, bounded, and ending in a blank line.

    The last: a server may leave out the one after its last event, which would then be lost.
    """

    def __init__(self, response: httpx.Response):
        self.headers, self._response = response.headers, response

    async def aiter_text(self) -> AsyncIterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        size = 0
        async for part in self._response.aiter_bytes():
            size += len(part)
            if size > STREAM_BYTES:
                raise ChatModelError("The stream was far too long", code="incomplete")
            if text := decoder.decode(part):
                yield text
        yield decoder.decode(b"", final=True) + "\n\n"


async def _error_body(response: httpx.Response) -> Any:
    """The JSON of an error, or None: an edge may send HTML, half of it, or nothing."""
    raw = b""
    try:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            async for part in response.aiter_bytes():
                raw += part
                if len(raw) > ERROR_BYTES:
                    break
        return json.loads(raw)
    except (TimeoutError, httpx.HTTPError, ValueError):
        return None


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in prompt.messages]


def _decoded(event: ServerSentEvent) -> dict[str, Any] | None:
    try:
        payload = json.loads(event.data)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None
