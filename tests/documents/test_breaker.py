"""Circuit breaker: a service that keeps failing is left alone, by all processes at once."""

import threading

import pytest

from documents.upstream import moments
from documents.upstream.breaker import FAILURES, REST, TRIAL, Breaker, CircuitOpen
from documents.upstream.moments import Moments


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class Store(dict):
    """As much of a cache as is needed; `away` fails as a Redis does that is gone."""

    away = False

    def get(self, key, default=None):
        self._answer()
        return super().get(key, default)

    def set(self, key, value, timeout):
        self._answer()
        self[key] = value

    def delete(self, key):
        self._answer()
        self.pop(key, None)

    def _answer(self) -> None:
        if self.away:
            raise ConnectionError


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def make(clock, store):
    """One more process's breaker."""

    def of_a_process(name: str = "cohere") -> Breaker:
        moments = Moments(store, "breaker:", remote=False, now=clock)
        return Breaker(name, moments, now=clock)

    return of_a_process


def open_up(breaker: Breaker) -> Breaker:
    for _ in range(FAILURES):
        breaker.check()
        breaker.failed()
    return breaker


def test_several_failures_in_a_row_open_it(make):
    breaker = open_up(make())

    with pytest.raises(CircuitOpen) as refused:
        breaker.check()

    assert (breaker.state, refused.value.retry_after) == ("open", REST)


def test_a_success_between_failures_keeps_it_closed(make):
    breaker = make()
    for _ in range(FAILURES - 1):
        breaker.failed()
    breaker.succeeded()
    breaker.failed()

    assert breaker.state == "closed"


def test_one_failure_that_says_how_long_opens_it_for_that_long(make, clock):
    breaker = make()
    breaker.failed(rest=60.0)

    clock.pass_by(59)
    assert not breaker.allows()
    clock.pass_by(1)
    assert breaker.allows()


def test_after_its_rest_one_call_is_let_through_to_try(make, clock):
    breaker = open_up(make())
    clock.pass_by(REST)

    assert breaker.state == "half-open"
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_a_trial_that_succeeds_closes_it(make, clock):
    breaker = open_up(make())
    clock.pass_by(REST)
    breaker.check()
    breaker.succeeded()

    assert breaker.state == "closed"
    assert all(breaker.allows() for _ in range(3))


def test_a_trial_that_fails_opens_it_for_twice_as_long(make, clock):
    breaker = open_up(make())
    clock.pass_by(REST)
    breaker.check()
    breaker.failed()

    assert breaker.retry_after == 2 * REST


@pytest.mark.parametrize("ended", ["gave up", "never heard of again"])
def test_a_trial_that_tells_nothing_makes_room_for_another(make, clock, ended):
    breaker = open_up(make())
    clock.pass_by(REST)
    breaker.check()
    if ended == "gave up":
        breaker.gave_up()
    else:
        clock.pass_by(TRIAL)

    assert breaker.allows()


def test_what_one_process_learns_the_others_know_a_second_later(make, clock):
    one, other = make(), make()
    assert other.allows()
    open_up(one)

    clock.pass_by(1)

    assert not other.allows()
    clock.pass_by(REST)
    one.check()
    one.succeeded()
    clock.pass_by(1)
    assert other.state == "closed"


def test_circuits_of_other_services_stay_as_they_are(make):
    open_up(make("cohere"))

    assert make("openrouter").allows()


def test_without_its_store_each_process_goes_by_what_it_sees_itself(make, clock, store):
    store.away = True
    one, other = open_up(make()), make()

    assert (one.state, other.state) == ("open", "closed")
    clock.pass_by(REST)
    assert one.allows()


def test_a_success_of_a_call_from_before_does_not_shorten_what_the_service_asked_for(make, clock):
    breaker = make()
    breaker.check()  # two calls are under way
    breaker.check()
    breaker.failed(rest=60.0)
    breaker.succeeded()

    clock.pass_by(59.0)
    assert not breaker.allows()
    clock.pass_by(2.0)
    assert breaker.allows()


class Hanging(Store):
    def __init__(self) -> None:
        super().__init__()
        self.freed = threading.Event()

    def get(self, key, default=None):
        self.freed.wait(10.0)
        return super().get(key, default)


def test_a_store_that_hangs_keeps_nobody_who_looks(monkeypatch):
    monkeypatch.setattr(moments, "PATIENCE", 0.1)
    store = Hanging()
    looking = threading.Thread(target=Moments(store, "", remote=True).look, args=["cohere"])
    looking.start()
    looking.join(5.0)
    left = not looking.is_alive()
    store.freed.set()
    assert left
