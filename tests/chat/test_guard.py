"""Guard: which of a provider's models are asked now, and what each call teaches about them."""

import time
from collections.abc import Callable

import pytest

from chat.llm.base import ChatModelError, Completion
from chat.llm.guard import REFUSED_REST, Guard
from documents.upstream.breaker import FAILURES, REST
from documents.upstream.metering import BudgetExhausted, Spent, Unmetered

MODELS = ["v/one", "v/two:free", "v/three:free"]
SERVED = Completion("v/one", "stop", prompt_tokens=10, completion_tokens=4, cost=0.5)


class Books(Unmetered):
    """Notes what it is told; `spent` out of its budget it refuses."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Spent]] = []
        self.exhausted = False

    async def admit_soon(self, operation, *, model="", inputs=0):
        if self.exhausted:
            raise BudgetExhausted("Today's calls are used up.", retry_after=3600)

    def record(self, operation, model, spent):
        self.told.append((model, spent))


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def guard(books) -> Guard:
    return Guard("openrouter.ai", MODELS, meter=books)


async def refusal_of(guard: Guard) -> ChatModelError:
    with pytest.raises(ChatModelError) as refused:
        await guard.admitted()
    return refused.value


async def fail(guard: Guard, times: int = 1, served: str | None = None, **how) -> None:
    for _ in range(times):
        guard.failed(await guard.admitted(), ChatModelError("it failed", **how), served)


async def test_at_first_all_are_asked(guard):
    assert await guard.admitted() == MODELS


async def test_one_that_keeps_dying_in_its_stream_is_left_out(guard):
    await fail(guard, FAILURES, served="v/one", code="incomplete")
    assert await guard.admitted() == MODELS[1:]


async def test_a_call_that_another_served_is_a_failure_of_those_before_it(guard):
    for _ in range(FAILURES):
        asked = await guard.admitted()
        guard.answered(asked, Completion("v/two-2026-01-01:free", "stop"))
    assert await guard.admitted() == MODELS[1:]


async def test_when_all_keep_failing_nobody_is_called_and_it_is_known_until_when(guard):
    await fail(guard, FAILURES)
    error = await refusal_of(guard)
    assert (error.code, error.called) == ("unavailable", False)
    assert 0 < error.retry_after <= REST


async def test_a_refused_key_stops_all_calls_to_the_provider(guard):
    await fail(guard, code="rejected", reach="provider")
    assert REFUSED_REST - 1 < (await refusal_of(guard)).retry_after <= REFUSED_REST


async def test_the_limit_of_free_models_leaves_the_others(guard):
    await fail(guard, code="rate_limited", reach="free", retry_after=3600.0)
    assert await guard.admitted() == ["v/one"]


async def test_a_model_that_names_a_time_is_not_asked_before_it(guard):
    await fail(guard, served="v/one", code="rate_limited", retry_after=30.0)
    assert await guard.admitted() == MODELS[1:]


@pytest.mark.parametrize("code", ["overlong", "refused", "rejected"])
async def test_what_is_the_questions_fault_is_held_against_nobody(guard, code):
    await fail(guard, FAILURES, code=code)
    assert await guard.admitted() == MODELS


async def test_each_call_is_counted_with_what_it_used(guard, books):
    guard.answered(await guard.admitted(), SERVED)
    await fail(guard, served="v/two:free")
    guard.cancelled(await guard.admitted(), "v/one")

    assert books.told == [
        ("v/one", Spent(tokens_in=10, tokens_out=4, cost=0.5)),
        ("v/two:free", Spent(failed=True)),
        ("v/one", Spent()),
    ]


async def test_without_budget_nobody_is_called(guard, books):
    books.exhausted = True
    error = await refusal_of(guard)
    assert (error.code, error.retry_after, error.called) == ("rate_limited", 3600, False)
    assert books.told == []


@pytest.mark.parametrize(
    ("asked", "named", "served"),
    [
        (["v/one", "v/one-mini"], "v/one-mini", "v/one-mini"),
        (["v/one", "v/one-mini"], "v/one-mini-2026-01-01", "v/one-mini"),
        (["v/one:free", "v/one"], "v/one", "v/one"),
        (["v/one:free", "v/one"], "v/one-2026-01-01", "v/one"),
        (["v/one", "v/one:free"], "v/one-2026-01-01:free", "v/one:free"),
        (["v/one", "v/two"], "nobody/asked-for", "v/one"),
    ],
)
async def test_of_models_with_similar_names_the_right_one_served(asked, named, served, books):
    Guard("openrouter.ai", asked, meter=books).answered(asked, Completion(named, "stop"))
    assert [model for model, _spent in books.told] == [served]


async def test_a_trial_of_free_models_that_came_to_no_call_is_given_back(monkeypatch):
    guard = Guard("openrouter.ai", ["v/two:free"])
    guard.free.failed(rest=10.0)
    guard.circuits["v/two:free"].failed(rest=3600.0)
    monkeypatch.setattr(guard.free, "now", lambda: time.time() + 11.0)

    assert not (await refusal_of(guard)).called
    assert guard.free.allows()


@pytest.mark.parametrize("end", ["cancelled", "answered", "failed"])
async def test_a_trial_ends_with_its_call(guard, monkeypatch, end):
    await fail(guard, FAILURES)
    at: Callable[[], float] = guard.circuits["v/one"].now
    for circuit in guard.circuits.values():
        monkeypatch.setattr(circuit, "now", lambda: at() + REST)
    asked = await guard.admitted()
    assert asked == MODELS
    if end == "cancelled":
        guard.cancelled(asked, "v/one")
    elif end == "answered":
        guard.answered(asked, SERVED)
    else:
        guard.failed(asked, ChatModelError("again"), "v/one")

    assert await guard.admitted() == (MODELS[1:] if end == "failed" else MODELS)
