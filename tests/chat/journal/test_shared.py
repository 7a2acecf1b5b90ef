"""The copy of a recording in Redis: there once, in order, and readable by every process."""

import asyncio
import shutil
from uuid import uuid4

import pytest
import pytest_asyncio

from chat.events import Delta, Error, Stage
from chat.exchange import Exchange
from chat.journal.entries import Entry
from chat.journal.recording import Recording
from chat.journal.shared import RedisError, SharedJournal
from tests.background import RedisServer

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")
END = Error("internal", "It ended.", 500)
ENTRIES = [Entry(1, Stage("searching")), Entry(2, Delta("Once ")), Entry(3, END)]


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest_asyncio.fixture
async def journal(redis):
    redis.client.flushall()
    opened = SharedJournal(redis.url, keep=60)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def processes(redis):
    """Two of them, on one Redis."""
    redis.client.flushall()
    both = [Exchange(SharedJournal(redis.url, keep=60), name) for name in ("one", "two")]
    yield both
    for exchange in both:
        await exchange.flush(0)


async def test_what_is_written_can_be_read_after_any_number(journal):
    turn = uuid4()
    await journal.write({turn: ENTRIES}, "one")

    assert (await journal.read({turn: 0}))[turn] == ENTRIES
    assert (await journal.read({turn: 2}))[turn] == ENTRIES[2:]
    assert await journal.read({turn: 3}) == {}


async def test_entries_that_are_written_twice_are_there_once(journal):
    turn = uuid4()
    await journal.write({turn: ENTRIES[:2]}, "one")
    await journal.write({turn: ENTRIES}, "one")

    assert (await journal.read({turn: 0}))[turn] == ENTRIES


async def test_events_of_a_newer_version_are_passed_over(redis, journal):
    turn = uuid4()
    await journal.write({turn: ENTRIES[:1]}, "one")
    for number, told in ((2, '{"type": "unheard of"}'), (3, '{"type": "delta"}'), (4, "{")):
        redis.client.xadd(f"ragsite:turn:{turn}", {"event": told}, id=f"{number}-0")
    only_new = await journal.read({turn: 1})
    await journal.write({turn: [Entry(5, END)]}, "one")

    assert only_new == {}
    assert (await journal.read({turn: 0}))[turn] == [ENTRIES[0], Entry(5, END)]


async def test_it_is_forgotten_after_its_time(redis, journal):
    turn = uuid4()
    await journal.write({turn: ENTRIES}, "one")

    assert 0 < redis.client.ttl(f"ragsite:turn:{turn}") <= 60


async def test_a_turn_that_was_never_written_has_no_process(journal):
    assert await journal.process_of(uuid4()) is None


async def test_a_redis_that_is_away_is_an_error_for_its_caller():
    journal = SharedJournal("redis://127.0.0.1:1/0", keep=60)

    with pytest.raises(RedisError):
        await journal.write({uuid4(): ENTRIES}, "one")


async def test_another_process_reads_along(processes):
    one, two = processes
    turn, recording = uuid4(), Recording()
    one.publish(turn, recording)
    recording.add(Stage("searching"))
    await asyncio.sleep(0.2)
    mirror = await two.mirror(turn)
    reading = asyncio.create_task(_read_all(mirror))

    for word in ("Once ", "in ", "twelve."):
        recording.add(Delta(word))
        await asyncio.sleep(0.06)
    recording.add(END)

    events = [event for _number, event in await asyncio.wait_for(reading, 5)]
    assert (events[0], events[-1]) == (Stage("searching"), END)
    assert "".join(e.text for e in events if isinstance(e, Delta)) == "Once in twelve."


async def test_a_turn_that_no_process_knows_has_no_mirror(processes):
    assert await processes[0].mirror(uuid4()) is None


async def test_whoever_reads_elsewhere_is_known_to_the_process_that_answers(processes):
    one, two = processes
    turn, recording = uuid4(), Recording()
    one.publish(turn, recording)
    recording.add(Stage("searching"))
    await asyncio.sleep(0.2)
    before = await one.is_watched(turn)

    reading = asyncio.create_task(_read_all(await two.mirror(turn)))
    await asyncio.sleep(0.3)

    assert (before, await one.is_watched(turn)) == (False, True)
    reading.cancel()


async def test_what_redis_missed_is_written_when_it_is_back(tmp_path):
    with RedisServer(tmp_path) as server:
        one, two = (Exchange(SharedJournal(server.url, keep=60), name) for name in ("a", "b"))
        turn, recording = uuid4(), Recording()
        one.publish(turn, recording)
        recording.add(Stage("searching"))
        await asyncio.sleep(0.2)
        server.kill()
        recording.add(Delta("Once "))
        await asyncio.sleep(0.3)
        recording.add(END)
        await asyncio.to_thread(server.start)

        await asyncio.sleep(2.5)
        events = [event for _number, event in await _read_all(await two.mirror(turn))]

        assert events == [Stage("searching"), Delta("Once "), END]
        await one.flush(0)
        await two.flush(0)


async def _read_all(recording: Recording) -> list[Entry]:
    return [entry async for entry in recording.follow()]


async def test_a_redis_that_was_emptied_unnoticed_is_told_everything_again(redis, processes):
    one, two = processes
    turn, recording = uuid4(), Recording()
    one.publish(turn, recording)
    recording.add(Stage("searching"))
    await asyncio.sleep(0.2)
    redis.client.flushall()
    recording.add(Delta("Once "))
    recording.add(END)

    await asyncio.sleep(0.3)
    events = [event for _number, event in await _read_all(await two.mirror(turn))]

    assert events == [Stage("searching"), Delta("Once "), END]


async def test_a_redis_that_is_away_for_long_costs_no_memory(monkeypatch):
    monkeypatch.setattr("chat.exchange.KEPT", 2)
    exchange = Exchange(SharedJournal("redis://127.0.0.1:1/0", keep=60), "one")
    for _ in range(5):
        recording = Recording()
        recording.add(END)
        exchange.publish(uuid4(), recording)
    running = Recording()
    exchange.publish(uuid4(), running)

    await asyncio.sleep(0.3)

    assert len(exchange._own) == 3 and running in exchange._own.values()
    await exchange.flush(0)
