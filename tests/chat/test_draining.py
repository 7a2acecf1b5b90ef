"""A process that ends: its own answers end or are finished, those of others are read elsewhere."""

import asyncio
import shutil

import pytest
import pytest_asyncio

from chat.events import Delta
from chat.journal.entries import Entry
from chat.running import Running
from chat.views.answers import in_events, in_one
from tests.background import RedisServer
from tests.chat.test_running import held_open  # noqa: F401
from tests.chat.turns import new_turn

LAMP = "How often does the lamp turn?"
needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest_asyncio.fixture
async def two(redis, settings):
    """Processes: one that answers, and one that ends."""
    settings.REDIS_URL = redis.url
    both = Running(), Running()
    yield both
    for one in both:
        await one.drain(0)
        await one.close()


async def read(process: Running, turn, told: list[Entry]) -> None:
    async for entry in process.follow(turn.id):
        told.append(entry)  # noqa: PERF401 - seen while it grows


async def until_text(process: Running, turn) -> None:
    async for _number, event in process.follow(turn.id):
        if isinstance(event, Delta):
            return


@needs_redis
async def test_readers_of_answers_of_others_are_let_go(two, held_open, corpus):  # noqa: F811
    here, ends = two
    turn, told = await new_turn(corpus, LAMP), list[Entry]()
    here.start(turn)
    await until_text(here, turn)
    await asyncio.sleep(0.2)  # Redis hears of it a little later
    reading = asyncio.create_task(read(ends, turn, told))
    await asyncio.wait_for(until_text(ends, turn), 5)

    await ends.drain(20)
    await asyncio.wait_for(reading, 1)
    late = list[Entry]()
    await asyncio.wait_for(read(ends, turn, late), 1)
    held_open.set()
    rest = [entry async for entry in here.follow(turn.id, told[-1].number)]

    assert not told[-1].is_last and not any(entry.is_last for entry in late)
    assert rest[-1].event.text == "Once in twelve seconds [1]."


@pytest.mark.usefixtures("without_redis")
async def test_a_reader_of_a_turn_that_no_journal_knows_is_let_go_too(
    held_open,  # noqa: F811
    corpus,
    monkeypatch,
):
    here, ends = Running(), Running()
    monkeypatch.setattr("chat.running.this_process", lambda: "that of whoever ends")
    turn, told = await new_turn(corpus, LAMP), list[Entry]()
    here.start(turn)
    await until_text(here, turn)
    reading = asyncio.create_task(read(ends, turn, told))
    await asyncio.sleep(0.1)

    await ends.drain(20)
    await asyncio.wait_for(reading, 3)

    assert told == []
    await here.drain(0)


async def test_who_asked_for_one_answer_is_told_to_come_again():
    async def nothing():
        return
        yield

    for form in (in_one, in_events):
        reply = await form(nothing())
        assert (reply.status_code, reply["Retry-After"]) == (503, "5")


async def test_the_second_drain_does_not_wait_once_more(corpus, monkeypatch):
    monkeypatch.setattr("chat.running.SAVING", 0.5)
    ends, began = Running(), asyncio.get_running_loop().time()

    async def stubborn() -> None:
        while asyncio.get_running_loop().time() < began + 3:
            try:
                await asyncio.sleep(3)
            except asyncio.CancelledError:
                continue

    ends._tasks[(await new_turn(corpus, LAMP)).id] = task = asyncio.create_task(stubborn())
    first = asyncio.create_task(ends.drain(0.5))
    await asyncio.sleep(0.1)

    await ends.drain(20)

    assert asyncio.get_running_loop().time() - began < 2
    await first
    await task
