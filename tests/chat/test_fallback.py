"""FallbackModel: the first model that starts answers, and nobody sees the others."""

from dataclasses import replace
from typing import Any

import pytest

from chat.llm.base import ChatModelError, Restarted, TextPart
from chat.llm.fallback import FallbackModel
from chat.llm.scripted import ScriptedModel
from tests.chat.samples import answer_of, model_of, new_client, outputs_of, prompt, read_until_error
from tests.standins import frames as f


def down(code: str = "unavailable", **options: Any) -> ChatModelError:
    return ChatModelError(f"it is {code}", code=code, **options)


def failing(
    code: str = "unavailable", *, name: str = "failing", provider: str = ""
) -> ScriptedModel:
    model = ScriptedModel([down(code)], name=name)
    model.provider = provider  # type: ignore[attr-defined]
    return model


async def error_of(model: FallbackModel) -> ChatModelError:
    with pytest.raises(ChatModelError) as caught:
        await outputs_of(model)
    return caught.value


async def test_the_first_model_answers_alone():
    second = ScriptedModel(["second"])
    assert (await answer_of(FallbackModel([ScriptedModel(["first"]), second])))[0] == "first"
    assert not second.prompts


@pytest.mark.parametrize(
    "code", ["unavailable", "rate_limited", "timeout", "incomplete", "overlong", "rejected"]
)
async def test_before_the_first_word_the_next_model_takes_over_unseen(code):
    models = [failing(code), ScriptedModel(["whole answer"], name="second")]
    text, completion = await answer_of(FallbackModel(models))
    assert (text, completion.model) == ("whole answer", "second")


async def test_a_prompt_may_allow_fewer_calls():
    second = ScriptedModel(["anything"])
    model = FallbackModel([failing("unavailable"), second])
    with pytest.raises(ChatModelError):
        await outputs_of(model, replace(prompt(), max_calls=1))
    assert not second.prompts


async def test_after_the_first_word_a_whole_new_answer_follows_openly():
    models = [ScriptedModel(["half an ", down("incomplete")]), ScriptedModel(["other answer"])]
    *told, completion = await outputs_of(FallbackModel(models))
    assert told == [TextPart("half an "), Restarted("incomplete"), TextPart("other answer")]
    assert [attempt.error for attempt in completion.failed] == ["incomplete"]


async def test_if_nobody_takes_over_what_was_said_ends_in_the_error():
    models = [ScriptedModel(["half an ", down("timeout")]), failing("timeout")]
    text, error = await read_until_error(FallbackModel(models).stream(prompt()))
    assert (text, error.code) == ("half an ", "timeout")


async def test_after_the_last_model_those_whose_failure_may_pass_are_asked_again():
    only = ScriptedModel([down("unavailable")], ["half", down("incomplete")], ["whole answer"])
    *told, completion = await outputs_of(FallbackModel([only]))
    assert told == [TextPart("half"), Restarted("incomplete"), TextPart("whole answer")]
    assert len(completion.failed) == 2


@pytest.mark.parametrize("code", ["timeout", "rate_limited", "rejected", "overlong", "refused"])
async def test_a_failure_that_would_repeat_itself_is_not_asked_for_again(code):
    only = failing(code)
    await error_of(FallbackModel([only]))
    assert len(only.prompts) == 1


async def test_nobody_is_asked_before_the_time_that_a_provider_named():
    only = ScriptedModel([down("unavailable", retry_after=5.0)])
    await error_of(FallbackModel([only]))
    assert len(only.prompts) == 1


async def test_whoever_was_not_called_costs_no_call():
    left_alone = [ScriptedModel([down(called=False)]) for _ in range(4)]
    fourth = ScriptedModel(["an answer"], name="the fifth")
    text, completion = await answer_of(FallbackModel([*left_alone, fourth]))
    assert (text, len(completion.failed)) == ("an answer", 4)


@pytest.mark.parametrize("called", [False, True])
async def test_it_is_told_whether_anybody_was_called(called):
    models = [ScriptedModel([down(called=False)]), ScriptedModel([down("timeout", called=called)])]
    assert (await error_of(FallbackModel(models))).called is called


async def test_after_a_long_wait_nobody_else_is_asked(monkeypatch):
    monkeypatch.setattr("chat.llm.fallback.PATIENCE", 0.0)
    second = ScriptedModel(["anything"])
    await error_of(FallbackModel([failing("timeout"), second]))
    assert not second.prompts


async def test_a_refusal_is_final():
    second = ScriptedModel(["anything"])
    assert (await error_of(FallbackModel([failing("refused"), second]))).code == "refused"
    assert not second.prompts


async def test_after_a_rejection_only_another_provider_is_asked():
    same = failing("unavailable", name="same", provider="openrouter.ai")
    other = ScriptedModel(["from elsewhere"], name="other")
    models = [failing("rejected", provider="openrouter.ai"), same, other]
    assert (await answer_of(FallbackModel(models)))[0] == "from elsewhere"
    assert not same.prompts


async def test_at_most_three_calls_a_turn():
    models = [failing(name=f"model {n}") for n in range(5)]
    error = await error_of(FallbackModel(models))
    assert [len(model.prompts) for model in models] == [1, 1, 1, 0, 0]
    assert "3 models could not answer" in str(error)


async def test_the_last_error_tells_how_many_failed_and_why():
    first = ScriptedModel([down("rate_limited", retry_after=40.0)], name="first")
    last = ScriptedModel([down("timeout")], name="last")
    error = await error_of(FallbackModel([first, last]))
    assert str(error) == "2 models could not answer, the last one: it is timeout"
    assert (error.code, error.retry_after) == ("timeout", 40.0)


async def test_a_single_failure_is_told_as_it_is():
    assert str(await error_of(FallbackModel([failing("rate_limited")]))) == "it is rate_limited"


def test_no_models_is_a_mistake():
    with pytest.raises(ValueError, match="at least one"):
        FallbackModel([])


async def test_leaving_closes_the_model_that_speaks():
    speaking = ScriptedModel(["one ", "two"])
    stream = FallbackModel([speaking]).stream(prompt())
    await anext(stream)
    await stream.aclose()
    assert speaking.closed_early == 1


async def test_over_the_wire_the_second_call_answers(openrouter_standin):
    openrouter_standin.next_chat(f.stream(f.comment(), f.error_event()))
    async with new_client() as client:
        models = [
            model_of(openrouter_standin, client, models=[slug])
            for slug in ("vendor/primary", "vendor/second")
        ]
        text, completion = await answer_of(FallbackModel(models))
    assert text == "Perovskites degrade in moist air."
    assert completion.model == "vendor/second"
    assert len(openrouter_standin.chats()) == 2


async def test_over_the_wire_a_wrong_key_is_tried_once(openrouter_standin):
    async with new_client() as client:
        models = [model_of(openrouter_standin, client, api_key="wrong") for _ in range(3)]
        error = await error_of(FallbackModel(models))
    assert error.code == "rejected"
    assert len(openrouter_standin.chats()) == 1
