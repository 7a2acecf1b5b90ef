"""Passages and prompts for the tests of chat models and rerankers."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID, uuid5

import httpx

from chat.llm.base import (
    ChatModel,
    Completion,
    MarkedPassage,
    ModelOutput,
    Prompt,
    PromptMessage,
    TextPart,
)
from chat.llm.openai_compatible import OpenAICompatibleModel, Timeouts
from documents.passages import Passage
from documents.upstream.http import async_client
from tests.standins import OpenRouterStandIn

PATIENT = Timeouts(connect=5.0, first_token=10.0, stall=10.0, total=20.0)
HASTY = Timeouts(connect=5.0, first_token=0.3, stall=0.3, total=5.0)
NAMESPACE = UUID("6a1f3f0e-8f6c-4f0e-9c55-0f8a4f3a2c11")


def passage(text: str, *, title: str = "Guide", heading: str = "", language: str = "en") -> Passage:
    return Passage(
        chunk_id=uuid5(NAMESPACE, text), document_id=1, text=text, title=title,
        heading_path=(heading,) if heading else (), url="https://example.org/guide",
        language=language, trust_tier="official", source="docs", version="", line_start=1,
        line_end=9, text_hash="",
    )  # fmt: skip


def prompt(question: str = "Why do they degrade?", *passages: Passage | str) -> Prompt:
    """Markers are a1z, a2z, …"""
    given = passages or ("Perovskites degrade in moist air. They are stable in dry air.",)
    marked = tuple(
        MarkedPassage(f"a{number}z", passage(text) if isinstance(text, str) else text)
        for number, text in enumerate(given, start=1)
    )
    messages = (
        PromptMessage("system", "Answer from the passages."),
        PromptMessage("user", question),
    )
    return Prompt(messages=messages, question=question, passages=marked)


def new_client() -> httpx.AsyncClient:
    """As the application's own are made."""
    return async_client(read=20.0, total=60.0)


def model_of(
    standin: OpenRouterStandIn, client: httpx.AsyncClient, **options: object
) -> OpenAICompatibleModel:
    options = {
        "models": ["vendor/primary"],
        "api_key": standin.api_key,
        "timeouts": PATIENT,
    } | options
    return OpenAICompatibleModel(client, standin.url, **options)  # type: ignore[arg-type]


async def outputs_of(model: ChatModel, asked: Prompt | None = None) -> list[ModelOutput]:
    async with aclosing(model.stream(asked or prompt())) as outputs:
        return [output async for output in outputs]


async def answer_of(model: ChatModel, asked: Prompt | None = None) -> tuple[str, Completion]:
    *parts, completion = await outputs_of(model, asked)
    assert isinstance(completion, Completion)
    return text_of(parts), completion


def text_of(outputs: list[ModelOutput]) -> str:
    return "".join(output.text for output in outputs if isinstance(output, TextPart))


async def read_until_error(
    stream: AsyncGenerator[ModelOutput, None],
) -> tuple[str, Exception | None]:
    """What a reader saw before it broke."""
    seen: list[ModelOutput] = []
    try:
        async for output in stream:
            seen.append(output)  # noqa: PERF401 - what came before the error is kept
    except Exception as error:
        return text_of(seen), error
    return text_of(seen), None
