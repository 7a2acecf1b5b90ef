"""Answers whose process is gone, or only seems to be, as another one meets them through Redis."""

import asyncio
import shutil
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio

from chat.events import Delta, Error, Stage
from chat.journal.entries import BEYOND, Entry
from chat.journal.shared import SharedJournal
from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline
from chat.processes import this_process
from chat.running import Running
from documents.threads import in_database_thread
from tests.background import RedisServer
from tests.chat.turns import new_turn

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")
TOLD = [Entry(1, Stage("writing")), Entry(2, Delta("Once "))]


@pytest.fixture
def redis(tmp_path, settings, monkeypatch):
    monkeypatch.setattr("chat.exchange.SAY_SO", 0.1)
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        yield server


@pytest_asyncio.fixture
async def here(redis, corpus):
    """The process that meets them."""
    running = Running()
    yield running
    await running.close()


@pytest_asyncio.fixture
async def journal(redis):
    opened = SharedJournal(redis.url, keep=60)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def turn(corpus):
    """Of a process that said nothing of itself."""
    begun = await new_turn(corpus, "How often does the lamp turn?")
    await in_database_thread(Message.objects.open_turn)(
        begun.conversation, begun.question, answer_id=begun.id, process="other"
    )
    return begun.id


async def status_of(turn) -> str:
    return (await Message.objects.aget(pk=turn)).status


async def test_it_is_interrupted_with_what_was_shown(here, journal, turn):
    await journal.write({turn: TOLD}, "other")

    await here.end_abandoned()
    entries = [entry async for entry in here.follow(turn)]

    assert entries[:2] == TOLD
    assert (entries[2].event.status, entries[2].event.text) == ("interrupted", "Once ")
    assert await status_of(turn) == "interrupted"


async def test_who_was_shown_more_than_redis_has_hears_the_end_too(here, journal, turn):
    await journal.write({turn: TOLD}, "other")

    await here.end_abandoned()
    ((number, end),) = [entry async for entry in here.follow(turn, after=4)]

    assert (number, end.status) == (2 + BEYOND, "interrupted")


async def test_a_process_that_says_again_that_it_lives_is_not_dead(here, journal, turn):
    await journal.write({turn: TOLD}, "other")  # and Redis has forgotten that it lives

    asking = asyncio.create_task(here.end_abandoned())
    await asyncio.sleep(0.1)
    await journal.live("other")
    await asking

    assert await status_of(turn) == "streaming"


async def test_whoever_polls_now_and_then_is_told_its_end(here, journal, turn):
    await journal.write({turn: TOLD}, "other")

    assert await here.read(turn) == TOLD
    assert await here.read(turn, after=2) == []
    await asyncio.sleep(0.6)
    (last,) = await here.read(turn, after=2)

    assert last.event.status == "interrupted"


async def test_an_end_that_was_saved_and_never_told_is_told(here, journal, turn, monkeypatch):
    monkeypatch.setattr("chat.exchange.QUIET", 0.2)
    await journal.write({turn: TOLD}, "other")
    saved = {"text": "Once in twelve.", "status": "complete"}
    await in_database_thread(Message.objects.close_turn)(turn, saved, [], [])

    entries = await asyncio.wait_for(_all(here.follow(turn)), 5)
    polled = await here.read(turn, after=2)

    assert (entries[-1].event.status, entries[-1].event.text) == ("complete", "Once in twelve.")
    assert polled == entries[-1:] and await status_of(turn) == "complete"


async def test_an_end_that_redis_lost_is_told_though_its_process_lives(
    here, journal, turn, monkeypatch
):
    monkeypatch.setattr("chat.exchange.QUIET", 0.2)
    await journal.write({turn: TOLD}, "other")
    await journal.live("other")
    saved = {"text": "Once in twelve.", "status": "complete"}
    await in_database_thread(Message.objects.close_turn)(turn, saved, [], [])

    entries = await asyncio.wait_for(_all(here.follow(turn)), 5)

    assert (entries[-1].event.status, entries[-1].event.text) == ("complete", "Once in twelve.")


async def test_whoever_still_holds_its_lock_is_not_dead_whatever_redis_says(
    here, journal, turn, monkeypatch
):
    monkeypatch.setattr("chat.exchange.QUIET", 0.2)
    monkeypatch.setattr("chat.exchange.lives", lambda process: True)
    await journal.write({turn: TOLD}, "other")  # and nothing says that it lives

    following = asyncio.create_task(_all(here.follow(turn)))
    await asyncio.sleep(1.0)
    following.cancel()

    assert await status_of(turn) == "streaming"


@pytest.mark.usefixtures("without_redis")
async def test_one_of_ours_whose_end_could_not_be_saved_ends_when_its_events_are_gone(corpus):
    begun = await new_turn(corpus, "How often does the lamp turn?")
    await in_database_thread(Message.objects.open_turn)(
        begun.conversation, begun.question, answer_id=begun.id, process=this_process()
    )

    entries = await asyncio.wait_for(_all(Running().follow(begun.id)), 5)

    assert [entry.event.status for entry in entries] == ["interrupted"]


@pytest.mark.usefixtures("without_redis")
async def test_polling_without_redis_is_told_its_end(corpus, turn):
    (last,) = await Running().read(turn, after=7)

    assert (last.number, last.event.status) == (8, "interrupted")


async def test_what_redis_lost_with_its_process_is_kept_by_who_read_it(redis, here, journal, turn):
    await journal.write({turn: TOLD}, "other")
    following = asyncio.create_task(_all(here.follow(turn)))
    await asyncio.sleep(0.3)
    redis.client.flushall()

    await here.read(turn, after=2)
    entries = await asyncio.wait_for(following, 5)

    assert (entries[-1].event.status, entries[-1].event.text) == ("interrupted", "Once ")


async def test_a_process_killed_just_now_is_believed_to_live_for_a_while(
    redis, here, journal, turn, monkeypatch
):
    monkeypatch.setattr("chat.running.BELIEVED", 1.2)
    await journal.live("other")
    redis.client.expire("ragsite:process:other", 1)

    here.clear_up()
    await asyncio.sleep(0.3)
    at_first = await status_of(turn)
    await asyncio.sleep(1.6)

    assert (at_first, await status_of(turn)) == ("streaming", "interrupted")


async def test_one_that_was_killed_on_this_machine_is_known_to_be_dead(
    here, journal, turn, settings, monkeypatch, tmp_path
):
    monkeypatch.setattr("chat.exchange.SAY_SO", 60)
    settings.VAR_DIR = tmp_path
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "other").touch()  # nobody holds it any more
    await journal.write({turn: TOLD}, "other")
    await journal.live("other")  # as Redis believes for a while

    await asyncio.wait_for(here.end_abandoned(), 5)

    assert await status_of(turn) == "interrupted"


async def test_a_reader_elsewhere_counts_though_redis_forgot_it(
    redis, here, journal, corpus, settings, monkeypatch
):
    monkeypatch.setattr("chat.running.LOOK", 0.1)
    settings.UNWATCHED_SECONDS = 2
    model = ScriptedModel(["Once in ", asyncio.Event()])
    pipeline = replace(AnswerPipeline.from_settings(), model=model)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    turn = await new_turn(corpus, "How often does the lamp turn?")
    here.start(turn)
    async with aclosing(here.follow(turn.id)) as entries:
        while not isinstance((await anext(entries)).event, Delta):
            pass
    await journal.watch([turn.id], 9)
    await asyncio.sleep(2.5)

    redis.client.flushall()
    await asyncio.sleep(0.5)
    await journal.watch([turn.id], 9)  # as its process says again and again
    await asyncio.sleep(2)

    assert await status_of(turn.id) == "streaming"
    await here.drain(0)


async def _all(entries) -> list[Entry]:
    return [entry async for entry in entries]


async def test_who_comes_while_redis_is_away_reads_on_once_it_is_back(
    redis, here, journal, turn, monkeypatch
):
    monkeypatch.setattr("chat.running.LOOK", 0.2)
    monkeypatch.setattr("chat.running.lives", lambda process: True)
    redis.kill()
    following = asyncio.create_task(_all(here.follow(turn)))
    await asyncio.sleep(0.5)

    await asyncio.to_thread(redis.start)
    await journal.write({turn: [*TOLD, Entry(3, Error("internal", "It ended.", 500))]}, "other")
    entries = await asyncio.wait_for(following, 10)

    assert [number for number, _event in entries] == [1, 2, 3]
