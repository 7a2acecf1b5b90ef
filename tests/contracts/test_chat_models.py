"""What every chat model keeps to, whatever stands behind it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chat.llm.base import ChatModel, ChatModelError, Completion, TextPart
from chat.llm.extractive import ExtractiveModel
from chat.llm.fallback import FallbackModel
from chat.llm.scripted import ScriptedModel
from tests.chat.samples import model_of, new_client, outputs_of, prompt
from tests.standins import OpenRouterStandIn, eventually
from tests.standins import frames as f

MODELS = ["extractive", "scripted", "openai-compatible", "fallback"]
CODES = {
    "unavailable", "rate_limited", "rejected", "refused", "incomplete", "overlong", "timeout",
}  # fmt: skip


@pytest.fixture(params=MODELS)
async def model(request, openrouter_standin: OpenRouterStandIn) -> AsyncIterator[ChatModel]:
    async with new_client() as client:
        wire = model_of(openrouter_standin, client)
        models: dict[str, ChatModel] = {
            "extractive": ExtractiveModel(),
            "scripted": ScriptedModel(["Perovskites ", "degrade [{marker:1}]."]),
            "openai-compatible": wire,
            "fallback": FallbackModel([ScriptedModel([ChatModelError("down")]), wire]),
        }
        yield models[request.param]


async def test_text_parts_and_then_one_completion(model):
    *parts, completion = await outputs_of(model)
    assert parts
    assert all(isinstance(part, TextPart) and part.text for part in parts)
    assert isinstance(completion, Completion)
    assert completion.finish_reason in ("stop", "length")
    assert completion.model


async def test_it_has_a_name_and_says_whether_it_writes_prose(model):
    assert model.name
    assert isinstance(model.writes_prose, bool)


async def test_the_same_model_answers_again_and_at_the_same_time(model):
    answers = await asyncio.gather(*(outputs_of(model) for _ in range(5)))
    assert all(isinstance(outputs[-1], Completion) for outputs in answers)


async def test_a_stream_can_be_left_at_any_point(model):
    stream = model.stream(prompt())
    await anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert isinstance((await outputs_of(model))[-1], Completion)


async def test_a_stream_that_is_never_begun_costs_nothing(model, openrouter_standin):
    await model.stream(prompt()).aclose()
    assert not openrouter_standin.requests


async def test_the_prompt_is_left_as_it_was(model):
    asked = prompt()
    before = repr(asked)
    await outputs_of(model, asked)
    assert repr(asked) == before


async def test_a_cancelled_reader_is_let_go(model):
    async def read() -> None:
        async for _ in model.stream(prompt()):
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture(params=MODELS)
async def broken_model(request, openrouter_standin) -> AsyncIterator[ChatModel]:
    openrouter_standin.next_chat(*[f.error(503)] * 3)
    async with new_client() as client:
        wire = model_of(openrouter_standin, client)
        models: dict[str, ChatModel] = {
            "extractive": ExtractiveModel(),
            "scripted": ScriptedModel([ChatModelError("down")]),
            "openai-compatible": wire,
            "fallback": FallbackModel([wire, wire]),
        }
        yield models[request.param]


async def test_a_failure_is_a_chat_model_error_with_a_known_code(broken_model):
    with pytest.raises(ChatModelError) as caught:
        await outputs_of(broken_model, prompt("Why?", " "))  # nothing that could be quoted
    assert caught.value.code in CODES
    assert str(caught.value)


async def test_a_scripted_stream_is_held_open_until_its_event():
    gate = asyncio.Event()
    model = ScriptedModel(["one ", gate, "two"])
    stream = model.stream(prompt())
    assert await anext(stream) == TextPart("one ")
    second = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    assert not second.done()
    gate.set()
    assert await second == TextPart("two")
    await stream.aclose()


async def test_scripts_are_played_in_turn_and_prompts_are_kept():
    model = ScriptedModel(["first [{marker:1}] [{marker:9}]"], ["second"])
    said = [(await outputs_of(model, prompt(str(n))))[0] for n in range(3)]
    assert said == [TextPart("first [a1z] [{marker:9}]"), TextPart("second"), TextPart("second")]
    assert [asked.question for asked in model.prompts] == ["0", "1", "2"]


async def test_a_hung_stream_is_closed_upstream_when_its_reader_goes(openrouter_standin):
    openrouter_standin.next_chat(f.stream(f.delta("x"), f.STALL))
    async with new_client() as client:
        stream = FallbackModel([model_of(openrouter_standin, client)]).stream(prompt())
        await anext(stream)
        await stream.aclose()
        await eventually(lambda: openrouter_standin.chats()[0].disconnected_at)
