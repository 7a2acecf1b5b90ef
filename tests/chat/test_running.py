"""A turn belongs to the server: who hangs up, cancels, or never comes, ends nothing by accident."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from chat.abandoned import interrupt
from chat.events import Delta, Done, Error, Stage
from chat.journal.entries import Entry
from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline
from chat.places import places
from chat.running import Running, running, told
from documents.threads import in_database_thread
from tests.chat.turns import new_turn

LAMP = "How often does the lamp turn?"
WHOLE = "Once in twelve seconds [1]."


@pytest.fixture
def held_open(corpus, monkeypatch):
    """A model that stops in the middle of its answer until the gate opens."""
    gate = asyncio.Event()
    model = ScriptedModel(["Once in ", gate, "twelve seconds [{marker:1}]."])
    pipeline = replace(AnswerPipeline.from_settings(), model=model)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    return gate


async def until_text(turn) -> int:
    """The number of the first piece of text."""
    async with aclosing(running().follow(turn.id)) as entries:
        async for number, event in entries:
            if isinstance(event, Delta):
                return number
    raise AssertionError("it ended without a word")


async def rest_of(turn, after: int = 0) -> list:
    return [event async for _number, event in running().follow(turn.id, after)]


async def test_a_turn_ends_once_and_is_saved_as_it_was_told(corpus):
    turn = await new_turn(corpus, LAMP)

    events = [event async for _number, event in told(turn)]

    ends = [event for event in events if isinstance(event, (Done, Error))]
    assert ends == [events[-1]]
    message = await Message.objects.aget(pk=turn.id)
    assert (message.text, message.status) == (events[-1].text, "complete")


async def test_a_reader_that_comes_back_hears_the_rest(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    after = await until_text(turn)  # and hangs up

    held_open.set()
    rest = await rest_of(turn, after)

    text = "".join(event.text for event in rest if isinstance(event, Delta))
    assert "Once in " + text == rest[-1].text == WHOLE


async def test_two_readers_hear_the_same(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)
    held_open.set()

    one, other = await asyncio.gather(rest_of(turn), rest_of(turn))

    assert one[-1] == other[-1]


async def test_a_stop_keeps_what_was_shown(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)

    await running().stop(turn.id)
    end = (await rest_of(turn))[-1]

    message = await Message.objects.aget(pk=turn.id)
    assert (end.status, end.text) == ("cancelled", "Once in ")
    assert (message.status, message.text) == ("cancelled", "Once in ")


async def test_two_stops_are_one(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)

    await asyncio.gather(running().stop(turn.id), running().stop(turn.id))
    events = await rest_of(turn)

    assert [event.status for event in events if isinstance(event, Done)] == ["cancelled"]


async def test_what_nobody_reads_is_stopped(held_open, corpus, settings):
    settings.UNWATCHED_SECONDS = 0.05
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)

    await asyncio.sleep(1.5)  # without anybody

    assert (await Message.objects.aget(pk=turn.id)).status == "cancelled"


async def test_what_somebody_reads_is_not(held_open, corpus, settings):
    settings.UNWATCHED_SECONDS = 0.05
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    reading = asyncio.create_task(rest_of(turn))

    await asyncio.sleep(1.5)
    held_open.set()

    assert (await reading)[-1].status == "complete"


async def test_polling_counts_as_reading(held_open, corpus, settings):
    settings.UNWATCHED_SECONDS = 1.0
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    for _ in range(8):
        await asyncio.sleep(0.3)
        await running().read(turn.id)
    held_open.set()

    assert (await rest_of(turn))[-1].status == "complete"


async def test_a_process_that_ends_interrupts_what_is_not_done(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)
    reading = asyncio.create_task(rest_of(turn))
    await asyncio.sleep(0)

    await running().drain(0.05)
    end = (await reading)[-1]

    assert (end.status, end.text) == ("interrupted", "Once in ")
    assert (await Message.objects.aget(pk=turn.id)).status == "interrupted"


async def test_a_process_that_ends_lets_finish_what_is_nearly_done(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)
    asyncio.get_running_loop().call_later(0.2, held_open.set)

    await running().drain(10)

    assert (await Message.objects.aget(pk=turn.id)).status == "complete"


async def test_a_process_that_ends_refuses_new_questions(corpus):
    await running().drain(0)

    ((_number, refusal),) = [entry async for entry in told(await new_turn(corpus, LAMP))]

    assert (refusal.code, refusal.status) == ("overloaded", 503)
    assert not await in_database_thread(Message.objects.exists)()


async def test_whoever_waits_hears_where_in_the_queue(held_open, corpus, settings):
    settings.TURNS_AT_ONCE = 1
    first, second = await new_turn(corpus, LAMP), await new_turn(corpus, LAMP)
    running().start(first)
    await until_text(first)
    running().start(second)
    reading = asyncio.create_task(rest_of(second))
    await asyncio.sleep(0.05)
    saved_while_waiting = await Message.objects.filter(pk=second.id).aexists()
    held_open.set()

    events = await reading

    assert events[0] == Stage("queued", position=1)
    assert isinstance(events[-1], Done) and not saved_while_waiting


async def test_a_stop_in_the_queue_leaves_nothing_behind(held_open, corpus, settings):
    settings.TURNS_AT_ONCE = 1
    first, second = await new_turn(corpus, LAMP), await new_turn(corpus, LAMP)
    running().start(first)
    await until_text(first)
    running().start(second)
    await asyncio.sleep(0.05)

    await running().stop(second.id)
    end = (await rest_of(second))[-1]

    assert end.code == "cancelled"
    assert not await Message.objects.filter(pk=second.id).aexists()
    assert not places()._queue


async def test_what_waits_leaves_with_its_reader(held_open, corpus, settings):
    settings.TURNS_AT_ONCE = 1
    first, second = await new_turn(corpus, LAMP), await new_turn(corpus, LAMP)
    running().start(first)
    await until_text(first)
    running().start(second)
    async with aclosing(running().follow(second.id)) as entries:
        await anext(entries)  # its position; then the reader hangs up

    await asyncio.sleep(2.5)

    assert not places()._queue and len(places()._taken) == 1


async def test_what_waits_while_the_server_ends_is_told_to_try_again(held_open, corpus, settings):
    settings.TURNS_AT_ONCE = 1
    first, second = await new_turn(corpus, LAMP), await new_turn(corpus, LAMP)
    running().start(first)
    await until_text(first)
    running().start(second)
    await asyncio.sleep(0.05)

    await running().drain(0.05)
    end = (await rest_of(second))[-1]

    assert (end.code, end.status) == ("overloaded", 503)
    assert end.retry_after


@pytest.mark.usefixtures("without_redis")
async def test_an_answer_without_its_journal_is_told_as_it_was_saved(corpus):
    turn = await new_turn(corpus, LAMP)
    done = [event async for _number, event in told(turn)][-1]

    ((number, retold),) = [entry async for entry in Running().follow(turn.id, after=3)]

    assert number == 4
    assert replace(retold, usage=done.usage, timings=done.timings) == done


@pytest.mark.usefixtures("without_redis")
async def test_the_sections_nearest_to_an_abstention_are_told_again(corpus):
    turn = await new_turn(corpus, "Who won the football cup in Brazil?")
    done = [event async for _number, event in told(turn)][-1]

    ((_number, retold),) = [entry async for entry in Running().follow(turn.id)]

    assert done.nearest and retold.nearest == done.nearest


async def test_a_turn_that_nobody_knows_ends_with_an_error(corpus):
    turn = await new_turn(corpus, LAMP)

    ((_number, end),) = [entry async for entry in running().follow(turn.id)]

    assert end.code == "not_begun"


@pytest.mark.usefixtures("without_redis")
async def test_the_answer_of_a_process_that_died_is_interrupted_by_whoever_waits(corpus):
    turn = await new_turn(corpus, LAMP)
    _ = [entry async for entry in told(turn)]
    await Message.objects.aupdate(status="streaming", finished_at=None, process="one that died")

    ((_number, end),) = [entry async for entry in Running().follow(turn.id)]

    assert end.status == "interrupted"


@pytest.mark.usefixtures("without_redis")
async def test_the_answer_of_a_process_that_lives_is_waited_for(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)
    elsewhere = asyncio.create_task(anext(Running().follow(turn.id)))
    await asyncio.sleep(1.2)
    waits = not elsewhere.done()

    held_open.set()

    assert waits and (await elsewhere).event.text == WHOLE


async def test_recordings_that_have_ended_are_not_kept_without_end(corpus, monkeypatch):
    monkeypatch.setattr("chat.running.KEPT", 2)
    for _ in range(4):
        _ = [entry async for entry in told(await new_turn(corpus, LAMP))]

    assert len(running()._recordings) == 2


async def test_a_process_that_was_taken_for_dead_tells_the_end_that_was_saved(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)
    await interrupt(turn.id, [Entry(1, Delta("Once"))])  # by another process, meanwhile

    held_open.set()
    events = await rest_of(turn)

    ends = [event for event in events if isinstance(event, (Done, Error))]
    assert [(end.status, end.text) for end in ends] == [("interrupted", "Once")]


async def test_an_answer_whose_conversation_was_deleted_is_told_all_the_same(held_open, corpus):
    turn = await new_turn(corpus, LAMP)
    running().start(turn)
    await until_text(turn)
    await in_database_thread(turn.conversation.delete)()

    held_open.set()

    assert (await rest_of(turn))[-1].text == WHOLE


async def test_a_turn_may_end_while_somebody_looks_whether_it_is_read(
    held_open, corpus, settings, monkeypatch
):
    settings.UNWATCHED_SECONDS = 0.05
    monkeypatch.setattr("chat.running.LOOK", 0.1)
    here = running()

    class Slow:
        async def is_watched(self, turn) -> bool:
            held_open.set()
            await asyncio.sleep(0.5)  # it ends meanwhile
            return False

    turn = await new_turn(corpus, LAMP)
    here.start(turn)
    await until_text(turn)
    here._exchange = Slow()
    await here._looking  # ends when nothing runs any more
    here._exchange = None

    assert (await Message.objects.aget(pk=turn.id)).status == "complete"
