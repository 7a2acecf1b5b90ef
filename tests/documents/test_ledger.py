"""The ledger: counted at once, written a moment later, by nobody who waits."""

import os
import threading
import time
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import DatabaseError, connections

from documents import ledger as ledgers
from documents.ledger import Ledger
from documents.models import ProviderUsage
from documents.upstream.metering import Spent
from tests.documents.metering import Calendar
from tests.processes import manage, same_database

EMBEDDED = Spent(inputs=96, tokens_in=9600)
FAILED = Spent(failed=True)


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def ledger(calendar: Calendar) -> Ledger:
    return Ledger(pause=None, now=calendar)


def count(ledger: Ledger, spent: Spent = EMBEDDED, *, key: str = "key", model: str = "v4") -> None:
    ledger.count("cohere", key, "embed", model, spent)


def rows() -> list[tuple[object, ...]]:
    return list(ProviderUsage.objects.order_by("pk").values_list("day", "model", "calls"))


def away(*_arguments: object) -> None:
    raise DatabaseError("the database is away")


def eventually(condition, within: float = 10.0) -> None:
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.django_db
def test_calls_of_a_day_are_one_row_that_grows(ledger):
    count(ledger)
    count(ledger, FAILED)
    ledger.flush()
    count(ledger, Spent(tokens_in=5, tokens_out=7, cost=0.00041))
    ledger.flush()

    (row,) = ProviderUsage.objects.all()
    assert (row.calls, row.failed, row.inputs, row.tokens_in, row.tokens_out) == (3, 1, 96, 9605, 7)
    assert (row.cost, row.day) == (Decimal("0.00041000"), date(2026, 11, 30))


@pytest.mark.django_db
@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0, 1e300])
def test_nonsense_of_a_reply_spoils_no_count(ledger, cost):
    count(ledger, Spent(tokens_in=-5, cost=cost))
    assert ledger.flush()
    row = ProviderUsage.objects.get()
    assert (row.calls, row.tokens_in, row.cost) == (1, 0, 0)


@pytest.mark.django_db
def test_days_keys_and_models_are_counted_apart(ledger, calendar):
    count(ledger)
    count(ledger, key="another")
    count(ledger, model="v5")
    calendar.pass_by(hours=12)
    count(ledger)
    ledger.flush()

    assert sorted(rows()) == [
        (date(2026, 11, 30), "v4", 1),
        (date(2026, 11, 30), "v4", 1),
        (date(2026, 11, 30), "v5", 1),
        (date(2026, 12, 1), "v4", 1),
    ]


@pytest.mark.django_db
def test_what_a_database_that_is_away_missed_is_written_later(ledger, monkeypatch):
    count(ledger)
    with monkeypatch.context() as patched:
        patched.setattr(ledgers, "_write", away)
        assert not ledger.flush()
        count(ledger)
    assert ledger.flush()

    assert rows() == [(date(2026, 11, 30), "v4", 2)]


@pytest.mark.django_db
def test_a_half_written_page_is_not_written_twice(ledger, monkeypatch):
    count(ledger, model="a")
    count(ledger, model="b")
    add_to = ProviderUsage.objects.add_to

    def fails_at_b(row, counts):
        if row["model"] == "b":
            away()
        add_to(row, counts)

    with monkeypatch.context() as patched:
        patched.setattr(ProviderUsage.objects, "add_to", fails_at_b)
        assert not ledger.flush()
    ledger.flush()

    assert [calls for _day, _model, calls in rows()] == [1, 1]


@pytest.mark.django_db
def test_while_nothing_is_called_nothing_is_asked(ledger, django_assert_num_queries):
    with django_assert_num_queries(0):
        ledger.flush()


def test_many_threads_and_processes_lose_no_count(transactional_db):
    processes = [Ledger(pause=0.01) for _ in range(4)]

    def work(ledger: Ledger) -> None:
        for _ in range(100):
            count(ledger)
            time.sleep(0.001)

    threads = [threading.Thread(target=work, args=[ledger]) for ledger in processes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: sum(ProviderUsage.objects.values_list("calls", flat=True)) == 800)


def test_its_thread_writes_by_itself_and_gives_its_connection_back(transactional_db, monkeypatch):
    used, write = [], ledgers._write

    def watched(pages: object) -> None:
        write(pages)
        used.append(connections["default"])  # that of the thread

    monkeypatch.setattr(ledgers, "_write", watched)
    ledger = Ledger(pause=0.05)
    count(ledger)
    eventually(ProviderUsage.objects.exists)
    eventually(lambda: not [t for t in threading.enumerate() if t.name == ledgers.THREAD])
    assert [one.connection for one in used] == [None]


def test_while_the_database_is_away_it_tries_again_ever_more_rarely(monkeypatch):
    tried: list[float] = []
    ledger = Ledger(pause=0.02)

    def fails(_pages: object) -> None:
        tried.append(time.monotonic())
        away()

    monkeypatch.setattr(ledgers, "_write", fails)
    count(ledger)
    eventually(lambda: len(tried) >= 4)
    ledger.pause = None
    ledger.forget()

    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps[1] > 1.5 * 0.02
    assert gaps[2] > 3 * 0.02


def test_counting_never_fails_and_never_waits_for_the_database(monkeypatch):
    writing = threading.Event()
    monkeypatch.setattr(ledgers, "_write", lambda _pages: writing.wait(5))
    ledger = Ledger(pause=0.0)
    count(ledger)
    time.sleep(0.05)  # its thread hangs in the database now
    started = time.monotonic()
    for _ in range(1000):
        count(ledger)
    took = time.monotonic() - started
    ledger.pause = None
    ledger.forget()
    writing.set()
    assert took < 2


def test_the_end_of_a_process_writes_what_is_left(transactional_db):
    program = (
        "from documents.providers import meter\n"
        "from documents.upstream.metering import Spent\n"
        "meter('cohere').record('embed', 'v4', Spent(inputs=3))\n"
    )
    done = manage("shell", "--no-imports", "-c", program, env=same_database())
    assert done.returncode == 0, done.stderr
    assert ProviderUsage.objects.get().inputs == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked off here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_is_forked_off_does_not_count_its_parents_calls(ledger):
    count(ledgers.this_process)
    child = os.fork()
    if not child:
        os._exit(1 if ledgers.this_process.unwritten else 0)
    _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert ledgers.this_process.unwritten


@pytest.mark.django_db
def test_beyond_a_soft_budget_the_log_says_so_once_a_day(ledger, calendar, settings, caplog):
    settings.BUDGETS, settings.COHERE_CALLS_A_MONTH = "soft", 2
    for hours in (0, 0, 12):  # the last one tomorrow, in another month
        calendar.pass_by(hours=hours)
        for _ in range(3):
            count(ledger)
            ledger.flush()

    said = [record.getMessage() for record in caplog.records if "used up" in record.getMessage()]
    assert said == ["cohere: 2 calls a month are used up (COHERE_CALLS_A_MONTH)"] * 2
