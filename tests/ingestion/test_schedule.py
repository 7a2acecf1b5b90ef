"""What is due now, what later, and what nobody has to look for."""

import os
import subprocess
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import ingestion.schedule
from documents.models import Corpus, IndexChange, Source
from ingestion.leases import acquire
from ingestion.models import IngestionRun, Lease
from ingestion.runs import ATTEMPTS
from ingestion.schedule import take_stock

pytestmark = pytest.mark.django_db
Status = IngestionRun.Status


def seconds(number):
    return timedelta(seconds=number)


def in_seconds(number):
    return timezone.now() + seconds(number)


@pytest.fixture
def source():
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location="/pages")


def another(source):
    return Source.objects.create(corpus=source.corpus, slug="more", location="/more")


def run_of(source, status=Status.QUEUED, **fields):
    return IngestionRun.objects.create(source=source, status=status, **fields)


def leave_to(source, *, process, place=None):
    """As if that process had taken the source."""
    acquire(source, "run 1")
    lease = Lease.objects.get(source=source)
    lease.process, lease.place = process, place or lease.place
    lease.save()
    return lease


def expire(lease):
    lease.expires_at = in_seconds(-1)
    lease.save()


def assert_near(moment, expected):
    assert abs(moment - expected) < seconds(3)


# What is due


def test_without_work_nothing_is_due_now_or_later(source):
    stock = take_stock()
    assert (stock.runs, stock.index_owes, stock.next_look_at) == ([], False, None)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.WAITING])
def test_an_unfinished_run_is_due_while_nobody_holds_its_source(source, status):
    run = run_of(source, status)
    assert take_stock().runs == [run.pk]


@pytest.mark.parametrize("status", sorted(set(Status) - set(IngestionRun.UNFINISHED)))
def test_a_finished_run_is_not(source, status):
    run_of(source, status)
    stock = take_stock()
    assert (stock.runs, stock.next_look_at) == ([], None)


def test_a_run_that_waits_is_due_at_its_next_attempt(source):
    run = run_of(source, Status.WAITING, next_attempt_at=in_seconds(600))
    stock = take_stock()
    assert (stock.runs, stock.next_look_at) == ([], run.next_attempt_at)

    IngestionRun.objects.update(next_attempt_at=in_seconds(-1))
    assert take_stock().runs == [run.pk]


def test_a_run_that_waits_keeps_no_other_run_of_its_source_waiting(source):
    run_of(source, Status.WAITING, next_attempt_at=in_seconds(600))
    other = run_of(source)
    assert take_stock().runs == [other.pk]


def test_of_two_runs_over_one_source_the_older_one_is_due(source):
    first, _second = run_of(source), run_of(source)
    elsewhere = run_of(another(source))
    assert take_stock().runs == [first.pk, elsewhere.pk]


def test_what_the_index_owes_is_due(source, monkeypatch):
    class Owing:
        def owed(self):
            return IndexChange.objects.count() + 1

    monkeypatch.setattr(ingestion.schedule, "get_index", Owing)
    assert take_stock().index_owes


# Leases


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.WAITING])
def test_nothing_is_due_for_a_source_that_somebody_is_at_work_on(source, status):
    run_of(source, status)
    leave_to(source, process=os.getpid())
    assert take_stock().runs == []


def test_a_death_on_this_machine_is_looked_for_before_the_lease_is_over(source):
    run_of(source, Status.RUNNING)
    leave_to(source, process=os.getpid())
    assert_near(take_stock().next_look_at, in_seconds(5))


def test_a_death_elsewhere_shows_when_the_lease_is_over(source):
    run_of(source, Status.RUNNING)
    lease = leave_to(source, process=os.getpid(), place="another machine")
    assert take_stock().next_look_at == lease.expires_at + seconds(1)


def test_a_lease_that_is_over_is_no_hindrance(source):
    run = run_of(source, Status.RUNNING)
    expire(leave_to(source, process=os.getpid(), place="another machine"))
    assert take_stock().runs == [run.pk]


def test_nor_is_one_whose_process_is_dead(source):
    run = run_of(source, Status.RUNNING)
    ended = subprocess.Popen(["true"])
    ended.wait()
    leave_to(source, process=ended.pid)
    assert take_stock().runs == [run.pk]


def test_nor_one_that_was_given_back(source):
    run = run_of(source)
    acquire(source, "run 1").release()
    assert take_stock().runs == [run.pk]


# Runs that take their process with them


def test_a_run_whose_process_died_too_often_is_given_up_and_says_so(source):
    run = run_of(source, Status.RUNNING, attempts=ATTEMPTS)
    assert take_stock().runs == []
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert run.error.startswith(f"Its process died {ATTEMPTS} times.")


def test_it_makes_way_for_the_next_one_at_once(source):
    run_of(source, Status.RUNNING, attempts=ATTEMPTS)
    following = run_of(source)
    assert take_stock().runs == [following.pk]


def test_it_is_not_given_up_while_it_is_at_work(source):
    run = run_of(source, Status.RUNNING, attempts=ATTEMPTS)
    leave_to(source, process=os.getpid())
    take_stock()
    run.refresh_from_db()
    assert run.status == Status.RUNNING


# Syncs


@pytest.fixture
def synced(source):
    source.sync_hours = 6
    source.save()
    return source


def test_a_source_with_an_interval_is_read_at_once_and_then_after_each_interval(synced):
    (run,) = take_stock().runs
    assert IngestionRun.objects.get(pk=run).trigger == IngestionRun.Trigger.SCHEDULE
    synced.refresh_from_db()
    assert_near(synced.next_sync_at, in_seconds(6 * 3600))

    IngestionRun.objects.update(status=Status.SUCCEEDED)
    stock = take_stock()
    assert (stock.runs, stock.next_look_at) == ([], synced.next_sync_at)

    Source.objects.update(next_sync_at=in_seconds(-1))
    assert len(take_stock().runs) == 1
    assert IngestionRun.objects.count() == 2


def test_no_run_is_added_while_one_is_unfinished(synced):
    run_of(synced, Status.WAITING, next_attempt_at=in_seconds(60))
    take_stock()
    assert IngestionRun.objects.count() == 1
    synced.refresh_from_db()
    assert_near(synced.next_sync_at, in_seconds(6 * 3600))


def test_the_soonest_of_several_moments_counts(synced):
    Source.objects.update(next_sync_at=in_seconds(500))
    other = another(synced)
    run_of(other, Status.WAITING, next_attempt_at=in_seconds(300))
    assert_near(take_stock().next_look_at, in_seconds(300))

    IngestionRun.objects.update(next_attempt_at=in_seconds(900))
    assert_near(take_stock().next_look_at, in_seconds(500))


def test_a_source_without_an_interval_is_never_read_by_itself(source):
    Source.objects.update(next_sync_at=in_seconds(-1))
    stock = take_stock()
    assert (stock.runs, stock.next_look_at) == ([], None)


# What it costs


def test_a_look_at_any_number_of_runs_is_four_queries_and_writes_nothing(source):
    for number in range(20):
        corpus = source.corpus
        run_of(Source.objects.create(corpus=corpus, slug=f"s{number}", location=f"/{number}"))
    with CaptureQueriesContext(connection) as captured:
        assert len(take_stock().runs) == 20
    queries = [query["sql"] for query in captured]
    assert len(queries) <= 4
    assert all(query.startswith("SELECT") for query in queries)
