"""So many at once, a short queue, and then a refusal."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from chat.auth.principal import Principal
from chat.limits import TooManyQuestions
from chat.places import Overloaded, Places

READERS = [Principal("user", str(number), frozenset()) for number in range(10)]


@pytest.fixture(autouse=True)
def two_places(settings):
    settings.TURNS_AT_ONCE, settings.TURNS_QUEUED, settings.TURNS_AT_ONCE_EACH = 2, 2, 2


async def positions(place) -> list[int]:
    return [position async for position in place]


async def test_whoever_finds_a_place_does_not_wait():
    async with Places().take(READERS[0]) as place:
        assert await positions(place) == []


async def test_the_queue_moves_when_a_place_is_free():
    places, heard = Places(), []

    async def wait(reader: Principal) -> None:
        async with places.take(reader) as place:
            heard.extend([(reader.id, position) async for position in place])

    async with AsyncExitStack() as second:
        async with AsyncExitStack() as first:
            await first.enter_async_context(places.take(READERS[0]))
            await second.enter_async_context(places.take(READERS[1]))
            waiting = [asyncio.create_task(wait(reader)) for reader in READERS[2:4]]
            await asyncio.sleep(0.01)
        await asyncio.gather(*waiting)

    assert heard[0] == ("2", 1)
    assert heard[1] == ("3", 2)


async def test_a_full_queue_refuses_at_once_and_says_when_to_try_again():
    places = Places()
    async with AsyncExitStack() as taken:
        for reader in READERS[:4]:
            await taken.enter_async_context(places.take(reader))

        with pytest.raises(Overloaded) as refused:
            async with places.take(READERS[4]):
                pass

    assert refused.value.retry_after > 0


async def test_nobody_waits_longer_than_the_queue_allows(settings):
    settings.QUEUE_SECONDS = 0.05
    places = Places()
    async with AsyncExitStack() as taken:
        for reader in READERS[:2]:
            await taken.enter_async_context(places.take(reader))

        with pytest.raises(Overloaded):
            async with places.take(READERS[2]) as place:
                await positions(place)


async def test_one_reader_may_not_have_all_places():
    places = Places()
    async with AsyncExitStack() as taken:
        for _ in range(2):
            await taken.enter_async_context(places.take(READERS[0]))

        with pytest.raises(TooManyQuestions):
            async with places.take(READERS[0]):
                pass
        async with places.take(READERS[1]):
            pass  # waits like anybody


async def test_whoever_leaves_the_queue_makes_room_in_it():
    places = Places()
    async with AsyncExitStack() as taken:
        for reader in READERS[:3]:
            await taken.enter_async_context(places.take(reader))
        async with places.take(READERS[3]) as place:
            assert places.position_of(place) == 2

        async with places.take(READERS[4]) as place:
            assert places.position_of(place) == 2


async def test_a_process_that_ends_begins_nothing():
    places = Places()
    places.closed = True

    with pytest.raises(Overloaded):
        async with places.take(READERS[0]):
            pass


async def test_the_visitors_of_a_key_have_its_plan_together(settings):
    settings.TURNS_AT_ONCE, settings.RATE_PLANS = 9, {"small": (100, 3)}
    visitors = [
        Principal("visitor", str(n), frozenset(), f"192.0.{n}.1", key="widget", plan_name="small")
        for n in range(5)
    ]
    places = Places()
    async with AsyncExitStack() as taken:
        for visitor in visitors[:3]:
            await taken.enter_async_context(places.take(visitor))

        with pytest.raises(TooManyQuestions):
            async with places.take(visitors[3]):
                pass
        async with places.take(READERS[0]):
            pass

    async with places.take(visitors[4]):
        pass


async def test_what_was_left_is_not_remembered():
    places = Places()
    async with places.take(Principal("visitor", "1", frozenset(), "192.0.2.1", key="widget")):
        pass

    assert not places._each
