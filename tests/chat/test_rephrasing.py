"""An answer that copies is put into other words once, and no reader sees old and new joined."""

import asyncio
import io
from contextlib import aclosing
from dataclasses import replace

import pytest
from django.core.management import call_command
from django.test import AsyncClient

from chat.events import Cited, Claims, Delta, Restart, Stage
from chat.llm.base import ChatModelError, Completion
from chat.llm.fallback import FallbackModel
from chat.llm.scripted import ScriptedModel
from chat.models import Citation, Message
from chat.pipeline import AnswerPipeline
from tests.chat.clients import Socket, ask_sse, sse_events, start_conversation
from tests.chat.turns import events_of, new_turn

ASKED = "When is the log written to a second disk?"
COPY = ["The log is written to a second disk every night ", "at three o'clock [{marker:1}]."]
OWN = ["Every night at three, ", "the log goes to a second disk [{marker:1}]."]
SAID = "Every night at three, the log goes to a second disk [1]."
KEPT = "The log is written to a second disk every night at three o'clock [1]."


def pipeline_of(*scripts) -> AnswerPipeline:
    return replace(AnswerPipeline.from_settings(), model=ScriptedModel(*scripts))


@pytest.fixture
def copying(corpus, monkeypatch):
    """Every transport's pipeline: its model copies first, and does better when asked to."""
    pipeline = pipeline_of(COPY, OWN)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    return pipeline


def shown(events) -> str:
    """What a reader sees at the end, who forgets at each restart."""
    text = ""
    for event in events:
        text = "" if event["type"] == "restart" else text + event.get("text", "")
        if event["type"] == "claims":
            return text
    raise AssertionError("no claims")


async def test_a_copy_gives_way_to_an_answer_in_other_words(corpus):
    turn = await new_turn(corpus, ASKED)

    events = await events_of(turn, pipeline_of(COPY, OWN))

    at = events.index(Restart("copied"))
    after = "".join(event.text for event in events[at:] if isinstance(event, Delta))
    message = await Message.objects.aget(pk=turn.message_id)
    assert after == message.text == events[-1].text == SAID
    assert events[-1].copied == []
    assert message.outcome == "answered"


async def test_claims_and_citations_are_those_of_the_second_answer(corpus):
    turn = await new_turn(corpus, ASKED)

    events = await events_of(turn, pipeline_of(COPY, OWN))

    [claims] = [event for event in events if isinstance(event, Claims)]
    assert claims.claims[-1]["end"] == len(SAID)
    assert isinstance(events[events.index(Restart("copied")) + 3], (Cited, Delta))
    stored = [c.number async for c in Citation.objects.filter(message_id=turn.message_id)]
    assert stored == [c["number"] for c in events[-1].citations] == [1]


@pytest.mark.parametrize(
    "second",
    [
        COPY,
        [""],
        ["[none]"],
        ["The log is never written anywhere [{marker:1}]."],
        ["Every night at three, the log goes to a second disk."],
        [ChatModelError("down")],
        ["Every night ", ChatModelError("down")],
        ["Every night at three", Completion(model="m", finish_reason="length")],
    ],
    ids=["copies", "empty", "nothing found", "wrong", "uncited", "down", "broken off", "too long"],
)
async def test_a_second_answer_that_is_no_better_is_never_seen(corpus, second):
    turn = await new_turn(corpus, ASKED)

    events = await events_of(turn, pipeline_of(COPY, second))

    assert not any(isinstance(event, Restart) for event in events)
    assert events[-1].text == KEPT
    assert events[-1].copied
    assert turn.trace["rewriting"]["kept"] == "first"


async def test_it_is_rewritten_once_and_both_calls_are_counted(corpus):
    pipeline, turn = pipeline_of(COPY, COPY), await new_turn(corpus, ASKED)

    await events_of(turn, pipeline)

    assert len(pipeline.model.prompts) == 2
    assert turn.usage["completion_tokens"] == 2 * sum(len(part.split()) for part in COPY)


async def test_the_model_is_shown_its_answer_with_its_own_markers(corpus):
    pipeline = pipeline_of(COPY, OWN)

    await events_of(await new_turn(corpus, ASKED), pipeline)

    first, second = pipeline.model.prompts
    assert f"[{first.passages[0].marker}]" in second.messages[2].content
    assert "at three o'clock" in second.messages[-1].content


@pytest.mark.parametrize("text", [SAID.replace("[1]", "[{marker:1}]"), "[none]"])
async def test_an_answer_that_copies_nothing_costs_one_call(corpus, text):
    pipeline = pipeline_of([text])

    events = await events_of(await new_turn(corpus, ASKED), pipeline)

    assert len(pipeline.model.prompts) == 1
    assert "rewriting" not in [event.stage for event in events if isinstance(event, Stage)]


async def test_it_can_be_switched_off(corpus, settings):
    settings.REWRITE_COPIES = False
    pipeline = pipeline_of(COPY, OWN)

    events = await events_of(await new_turn(corpus, ASKED), pipeline)

    assert len(pipeline.model.prompts) == 1
    assert events[-1].copied


async def test_a_turn_never_makes_more_than_three_calls(corpus):
    down = [ScriptedModel([ChatModelError("down")], name=f"down{n}") for n in (1, 2)]
    model = FallbackModel([*down, ScriptedModel(COPY, OWN, name="last")])
    turn = await new_turn(corpus, ASKED)

    await events_of(turn, replace(AnswerPipeline.from_settings(), model=model))

    assert sum(len(one.prompts) for one in model.models) == 3
    assert turn.text == KEPT


async def test_a_second_call_goes_to_one_model_only(corpus):
    flaky = ScriptedModel(COPY, [ChatModelError("down")], name="flaky")
    other = ScriptedModel(OWN, name="other")
    pipeline = replace(AnswerPipeline.from_settings(), model=FallbackModel([flaky, other]))

    await events_of(await new_turn(corpus, ASKED), pipeline)

    assert (len(flaky.prompts), len(other.prompts)) == (2, 0)


async def test_a_reader_who_leaves_meanwhile_leaves_the_first_answer(corpus):
    never = asyncio.Event()
    turn = await new_turn(corpus, ASKED)

    async with aclosing(pipeline_of(COPY, [never]).answer(turn)) as events:
        async for event in events:
            if isinstance(event, Stage) and event.stage == "rewriting":
                break

    message = await Message.objects.aget(pk=turn.message_id)
    assert (message.status, message.text) == ("interrupted", KEPT)


async def test_a_reader_who_leaves_after_the_restart_leaves_what_was_shown(corpus):
    turn, seen = await new_turn(corpus, ASKED), ""

    async with aclosing(pipeline_of(COPY, OWN).answer(turn)) as events:
        async for event in events:
            seen = "" if isinstance(event, Restart) else seen
            if isinstance(event, Delta):
                seen += event.text
                if seen == OWN[0]:
                    break

    message = await Message.objects.aget(pk=turn.message_id)
    assert (message.status, message.text, message.outcome) == ("interrupted", seen, "")


async def test_server_sent_events_say_that_it_begins_anew(copying):
    client = AsyncClient()

    events = await sse_events(await ask_sse(client, await start_conversation(client), ASKED))

    assert [event["reason"] for event in events if event["type"] == "restart"] == ["copied"]
    assert shown(events) == events[-1]["text"] == SAID


async def test_a_socket_says_that_it_begins_anew(copying):
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=ASKED)
        frames = await socket.until_the_end()

    assert [frame["reason"] for frame in frames if frame["type"] == "restart"] == ["copied"]
    assert shown(frames) == frames[-1]["text"] == SAID


async def test_stop_during_the_second_call_keeps_the_first_answer(corpus, monkeypatch):
    pipeline = pipeline_of(COPY, [asyncio.Event()])
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    async with Socket() as socket:
        await socket.send("ask", corpus="lighthouse", question=ASKED)
        while (frame := await socket.receive()).get("stage") != "rewriting":
            pass
        await socket.send("stop")
        frames = await socket.until_the_end()

    assert frame["type"] == "stage"
    assert (frames[-1]["status"], frames[-1]["text"]) == ("cancelled", KEPT)


def test_the_terminal_shows_where_it_begins_anew(copying):
    out = io.StringIO()

    call_command("ask", ASKED, stdout=out)

    assert "in other words" in out.getvalue().rpartition(KEPT)[2].partition(SAID)[0]


def test_the_last_event_is_the_whole_second_answer(copying):
    out = io.StringIO()

    call_command("ask", ASKED, "--json", stdout=out)

    assert f'"text": "{SAID}"' in out.getvalue().splitlines()[-1]
