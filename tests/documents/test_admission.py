"""Who may call a provider: budgets of a month and a day, limits of a minute."""

import threading
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DatabaseError, connections
from pytest_django import Settings

from documents.budgets import key_hash
from documents.models import Allowance, ProviderUsage
from documents.quotas import quotas_of
from documents.upstream.metering import BudgetExhausted, Spent
from tests.documents.metering import Calendar, meter_of

FREE = "vendor/model:free"


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


def spend(meter, operation="embed", model="m", **spent) -> None:
    meter.admit(operation, model=model)
    meter.record(operation, model, Spent(**spent))
    meter.ledger.flush()


def admitted(meter, operation="embed", *, model="m", of: int) -> int:
    """How many of so many calls are let through."""
    count = 0
    for _ in range(of):
        try:
            spend(meter, operation, model)
        except BudgetExhausted:
            continue
        count += 1
    return count


# Months and days


@pytest.mark.django_db
def test_a_hard_budget_ends_the_calls(settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 3
    meter = meter_of("cohere", calendar)
    assert admitted(meter, of=5) == 3
    with pytest.raises(BudgetExhausted, match=r"3 calls a month .*COHERE_CALLS_A_MONTH") as refused:
        meter.admit("rerank", model="another")
    assert "2026-12-01 00:00 UTC" in str(refused.value)
    assert refused.value.retry_after == 12 * 3600


async def test_a_reader_is_refused_just_the_same(settings, calendar, transactional_db):
    settings.COHERE_CALLS_A_MONTH = 1
    meter = meter_of("cohere", calendar)
    await meter.admit_soon("embed", model="m")
    with pytest.raises(BudgetExhausted):
        await meter.admit_soon("rerank", model="r")


@pytest.mark.django_db
def test_a_new_month_has_a_budget_of_its_own(settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 2
    meter = meter_of("cohere", calendar)
    assert admitted(meter, of=3) == 2
    calendar.pass_by(hours=12)
    assert admitted(meter, of=3) == 2


@pytest.mark.django_db
def test_what_was_used_before_there_was_a_budget_counts(settings, calendar):
    assert admitted(meter_of("cohere", calendar), of=4) == 4
    settings.COHERE_CALLS_A_MONTH = 5
    assert admitted(meter_of("cohere", calendar), of=4) == 1


@pytest.mark.django_db
def test_failed_calls_count_too(settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 2
    meter = meter_of("cohere", calendar)
    for _ in range(2):
        spend(meter, failed=True)
    assert admitted(meter, of=1) == 0


@pytest.mark.django_db
def test_another_key_has_a_budget_of_its_own(settings, calendar):
    settings.COHERE_CALLS_A_MONTH, settings.COHERE_API_KEY = 1, "one"
    assert admitted(meter_of("cohere", calendar), of=2) == 1
    settings.COHERE_API_KEY = "other"
    assert admitted(meter_of("cohere", calendar), of=2) == 1


@pytest.mark.django_db
def test_free_models_share_one_budget_a_day_and_others_have_none(settings, calendar):
    settings.OPENROUTER_FREE_CALLS_A_DAY = 2
    settings.OPENROUTER_CALLS_A_MINUTE = 0
    meter = meter_of("openrouter", calendar)
    models = [FREE, "openrouter/free", "other/model:free", "vendor/model", "vendor/model"]
    let_through = [admitted(meter, "chat", model=model, of=1) for model in models]
    assert let_through == [1, 1, 0, 1, 1]
    calendar.pass_by(days=1)
    assert admitted(meter, "chat", model=FREE, of=1) == 1


@pytest.mark.django_db
def test_without_a_budget_a_call_costs_no_query(settings, django_assert_num_queries):
    settings.COHERE_CALLS_A_MONTH = 0
    meter = meter_of("cohere")
    with django_assert_num_queries(0):
        meter.admit("embed", model="m", inputs=96)
        meter.record("embed", "m", Spent(inputs=96))


@pytest.mark.django_db
def test_beyond_a_soft_budget_calls_are_made(settings, django_assert_num_queries):
    settings.BUDGETS, settings.COHERE_CALLS_A_MONTH = "soft", 1
    meter = meter_of("cohere")
    assert admitted(meter, of=3) == 3
    with django_assert_num_queries(0):
        meter.admit("embed", model="m")


@pytest.mark.django_db
def test_while_the_database_is_away_nothing_is_spent_from_a_budget(settings, monkeypatch):
    settings.COHERE_CALLS_A_MONTH = 10

    def away(*_arguments):
        raise DatabaseError("away")

    monkeypatch.setattr(Allowance.objects, "ensure", away)
    with pytest.raises(BudgetExhausted, match="database") as refused:
        meter_of("cohere").admit("embed", model="m")
    assert refused.value.retry_after == 10


def parallel(work, count: int) -> Counter[str]:
    """Each in a thread of its own, all at once."""
    ready, seen = threading.Barrier(count), Counter()

    def run() -> None:
        ready.wait()
        try:
            work()
        except BudgetExhausted:
            seen["refused"] += 1
        else:
            seen["admitted"] += 1
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def test_a_hundred_callers_at_once_never_overspend(transactional_db, settings: Settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 37
    processes = [meter_of("cohere", calendar) for _ in range(4)]
    turns = iter(processes * 25)
    turn = threading.Lock()

    def call() -> None:
        with turn:
            meter = next(turns)
        meter.admit("embed", model="m")

    assert parallel(call, 100) == {"admitted": 37, "refused": 63}
    assert Allowance.objects.get().taken == 37


def test_a_hundred_callers_at_once_never_overspend_dollars(transactional_db, settings, calendar):
    settings.OPENROUTER_DOLLARS_A_DAY, settings.OPENROUTER_DOLLARS_A_MONTH = 0.25, 100
    meter = meter_of("openrouter", calendar)

    def call() -> None:
        meter.admit("chat", model="vendor/model")
        meter.record("chat", "vendor/model", Spent(cost=0.01))

    assert parallel(call, 100) == {"admitted": 25, "refused": 75}
    meter.ledger.flush()
    assert ProviderUsage.objects.get().cost == Decimal("0.25")


@pytest.mark.django_db
def test_dollars_are_reserved_as_the_dearest_call_took_and_put_right_afterwards(settings, calendar):
    settings.OPENROUTER_DOLLARS_A_DAY = 0.1
    meter = meter_of("openrouter", calendar)
    for cost in (0.04, 0.03):
        spend(meter, "chat", cost=cost)
    assert Allowance.objects.get().taken == 0.07 * 10**9
    with pytest.raises(BudgetExhausted, match=r"0\.1 dollars a day"):
        meter.admit("chat", model="m")  # 0.04 more could be too much


@pytest.mark.django_db
def test_a_failed_call_gives_its_dollars_back(settings, calendar):
    settings.OPENROUTER_DOLLARS_A_DAY = 0.01
    meter = meter_of("openrouter", calendar)
    for _ in range(3):
        spend(meter, "chat", failed=True)
    assert Allowance.objects.get().taken == 0


@pytest.mark.django_db
def test_a_call_whose_price_nobody_told_costs_what_was_reserved(settings, calendar):
    settings.OPENROUTER_DOLLARS_A_DAY = 0.05
    meter = meter_of("openrouter", calendar)
    spend(meter, "chat", cost=0.02)
    spend(meter, "chat")  # its reader left before the end
    assert Allowance.objects.get().taken == 0.04 * 10**9
    with pytest.raises(BudgetExhausted):
        meter.admit("chat", model="m")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "calls",
    [
        [("a", "b", 0.003), ("b", "a", 0.001)],  # asked for, answered, paid
        [("a", FREE, 0), ("a", "a", 0.002), (FREE, "a", 0.002)],
        [(FREE, FREE, 0), ("a", "a", 0.004)],
    ],
)
def test_whichever_model_answers_the_sum_is_right(settings, calendar, calls):
    settings.OPENROUTER_DOLLARS_A_DAY, settings.OPENROUTER_CALLS_A_MINUTE = 1, 0
    meter = meter_of("openrouter", calendar)
    for asked, _answered, _paid in calls:
        meter.admit("chat", model=asked)
    for _asked, answered, paid in calls:
        meter.record("chat", answered, Spent(cost=paid))
    meter.ledger.flush()
    assert Allowance.objects.get().taken == 0.004 * 10**9


# The provider's own word


@pytest.mark.django_db
def test_when_the_provider_says_that_all_is_used_one_call_an_hour_tries_again(settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 100
    meter = meter_of("cohere", calendar)
    spend(meter, failed=True)
    meter.used_up("embed", model="m")
    meter.ledger.flush()

    another = meter_of("cohere", calendar)
    with pytest.raises(BudgetExhausted, match="cohere says that its calls of this month"):
        another.admit("rerank", model="r")
    calendar.pass_by(hours=1)
    assert admitted(another, of=1) == 1


@pytest.mark.django_db
def test_only_one_process_tries_and_its_success_opens_the_calls_to_all(settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 100
    one, other = meter_of("cohere", calendar), meter_of("cohere", calendar)
    spend(one, failed=True)
    one.used_up("embed", model="m")
    one.ledger.flush()
    calendar.pass_by(hours=1)

    other.admit("embed", model="m")
    with pytest.raises(BudgetExhausted):
        one.admit("embed", model="m")
    other.record("embed", "m", Spent())
    other.ledger.flush()
    one.admit("embed", model="m")


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_without_a_hard_budget_any_success_shows_that_calls_are_left(settings, calendar, mode):
    settings.BUDGETS, settings.COHERE_CALLS_A_MONTH = mode, 0 if mode == "hard" else 100
    meter = meter_of("cohere", calendar)
    meter.used_up("embed", model="m")
    meter.ledger.flush()
    assert quotas_of("cohere", calendar.moment)[0].is_used_up

    later = meter_of("cohere", calendar)  # of a process that was started since
    spend(later, "check")
    assert quotas_of("cohere", calendar.moment)[0].is_used_up
    spend(later)

    assert not quotas_of("cohere", calendar.moment)[0].is_used_up


@pytest.mark.django_db
def test_the_next_month_knows_nothing_of_it(settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 100
    meter = meter_of("cohere", calendar)
    meter.used_up("embed", model="m")
    meter.ledger.flush()
    calendar.pass_by(hours=12)
    meter.admit("embed", model="m")


# Minutes


def test_a_minute_has_room_for_so_many_reranks(settings):
    settings.COHERE_RERANKS_A_MINUTE = 10
    meter = meter_of("cohere")
    for _ in range(9):
        meter.admit("rerank", model="r")
    with pytest.raises(BudgetExhausted, match="10 a minute") as refused:
        meter.admit("rerank", model="r")  # the last one is for readers
    assert 0 < refused.value.retry_after <= 60


async def test_readers_may_have_the_whole_minute(settings):
    settings.COHERE_RERANKS_A_MINUTE = 10
    meter = meter_of("cohere")
    for _ in range(10):
        await meter.admit_soon("rerank", model="r")
    with pytest.raises(BudgetExhausted):
        await meter.admit_soon("rerank", model="r")
    await meter.admit_soon("embed", model="m", inputs=1)


async def test_embedding_is_limited_by_texts_and_leaves_some_to_readers(settings):
    settings.COHERE_INPUTS_A_MINUTE = 200
    meter = meter_of("cohere")
    meter.admit("embed", model="m", inputs=96)
    with pytest.raises(BudgetExhausted):
        meter.admit("embed", model="m", inputs=96)
    for _ in range(104):
        await meter.admit_soon("embed", model="m", inputs=1)
    with pytest.raises(BudgetExhausted):
        await meter.admit_soon("embed", model="m", inputs=1)


def test_a_batch_larger_than_a_minute_is_not_refused_for_ever(settings):
    settings.COHERE_INPUTS_A_MINUTE = 50
    meter_of("cohere").admit("embed", model="m", inputs=96)


async def test_only_calls_to_free_models_are_counted_by_the_minute(settings):
    settings.OPENROUTER_CALLS_A_MINUTE = 1
    meter = meter_of("openrouter")
    for model in ("vendor/model", "vendor/model", FREE):
        await meter.admit_soon("chat", model=model)
    with pytest.raises(BudgetExhausted):
        await meter.admit_soon("chat", model=FREE)


# What is told of it


@pytest.mark.django_db
def test_a_quota_says_what_is_left_and_until_when(settings, calendar):
    settings.COHERE_CALLS_A_MONTH = 10
    spend(meter_of("cohere", calendar))
    (quota,) = quotas_of("cohere", calendar.moment)
    assert (quota.used, quota.remaining) == (1, 9)
    assert quota.resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_the_hash_of_a_key_holds_no_part_of_it(settings):
    settings.COHERE_API_KEY = "0123456789abcdef" * 4
    made = key_hash("cohere")
    assert len(made) == 12
    assert made not in settings.COHERE_API_KEY
    settings.COHERE_API_KEY += "x"
    assert key_hash("cohere") != made
