"""One pace for all that call the same provider."""

from django.core.cache import cache

from documents.embedding.pacing import Pace
from documents.upstream.moments import Memory
from tests.clocks import SleepingClock


def pace(clock, store=cache, provider="cohere"):
    return Pace(provider, store, sleep=clock.sleep, now=clock.now)


def test_nobody_waits_as_long_as_nobody_was_told_to():
    clock = SleepingClock()
    pace(clock).wait()
    assert clock.waits == []


def test_what_one_worker_was_told_holds_for_the_others():
    clock = SleepingClock()
    pace(clock).slow_down(30)
    pace(clock).wait()
    assert clock.waits == [30]


def test_another_provider_is_not_slowed_down():
    clock = SleepingClock()
    pace(clock).slow_down(30)
    pace(clock, provider="other").wait()
    assert clock.waits == []


def test_of_two_that_are_told_to_wait_at_once_the_longer_wait_counts():
    clock = SleepingClock()

    class Overtaken(Memory):
        """While one process writes, another one writes too, and first."""

        def set(self, key, value, timeout):
            if not self.overtaken:
                self.overtaken = True
                first.slow_down(30)
            super().set(key, value, timeout)

        overtaken = False

        def get_many(self, keys):
            return {key: value for key in keys if (value := self.get(key)) is not None}

    store = Overtaken()
    first, second, third = (pace(clock, store) for _ in range(3))
    first._own, second._own = first._keys[:2]  # two processes
    second.slow_down(5)

    third.wait()

    assert sum(clock.waits) == 30


def test_a_shorter_wait_does_not_end_a_longer_one():
    clock = SleepingClock()
    pace(clock).slow_down(30)
    pace(clock).slow_down(5)
    pace(clock).wait()
    assert sum(clock.waits) == 30


def test_whoever_waits_looks_again_before_it_calls():
    clock = SleepingClock()
    waiting, other = pace(clock), pace(clock)
    waiting.slow_down(10)
    sleep = clock.sleep

    def told_meanwhile(seconds):
        sleep(seconds)
        if len(clock.waits) == 1:
            other.slow_down(20)

    waiting.sleep = told_meanwhile
    waiting.wait()
    assert clock.waits == [10, 20]


def test_without_a_shared_store_a_process_keeps_its_own_pace():
    clock = SleepingClock()
    alone = pace(clock, store=None)
    alone.slow_down(8)
    alone.wait()
    assert clock.waits == [8]


class Away:
    def get(self, key, default):
        raise OSError("away")

    def set(self, key, value, timeout):
        raise OSError("away")


def test_so_it_does_while_the_store_is_away():
    clock = SleepingClock()
    alone = pace(clock, store=Away())
    alone.slow_down(8)
    alone.wait()
    assert clock.waits == [8]
