"""Runs are queued once, workers are woken up, and what the queue loses or is sent does no harm."""

import pickle
import socket
import threading
from datetime import timedelta
from math import inf
from time import monotonic, time
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from huey.contrib.djhuey import HUEY
from huey.storage import SqliteStorage

from documents.models import Corpus, Document, Source
from documents.stopping import at_work, stopping
from ingestion import tasks, worker
from ingestion.consumer import Consumer
from ingestion.models import IngestionRun
from ingestion.pipeline import IngestionPipeline
from ingestion.queue import ENOUGH, REDIS_SECONDS, WaitingStorage
from ingestion.schedule import Stock
from ingestion.worker import queue_run, tell_workers, worker_seen_at
from tests.background import free_port, until
from tests.ingestion.pipelines import pipeline_with

pytestmark = pytest.mark.django_db(transaction=True)
Status, Trigger = IngestionRun.Status, IngestionRun.Trigger
DONE = 5  # pages of the source


@pytest.fixture(autouse=True)
def queue(tmp_path, settings, monkeypatch):
    """The real one, empty; nobody takes anything off it."""
    settings.WORKER = "external"
    settings.QDRANT_URL = ""  # as the pipeline of these tests has it
    storage = new_storage(tmp_path)
    monkeypatch.setattr(HUEY, "storage", storage)
    monkeypatch.setattr(tasks, "_patience", tasks._Patience())
    monkeypatch.setattr(IngestionPipeline, "from_settings", classmethod(lambda _: pipeline_with()))
    yield HUEY
    stopping.clear()
    storage.flush_all()
    storage.close()


def new_storage(folder):
    if configured.REDIS_URL:
        return WaitingStorage(uuid4().hex, url=configured.REDIS_URL)
    return SqliteStorage("ragsite", filename=str(folder / "queue.sqlite3"))


class Away:
    """A queue whose store does not answer."""

    blocking = True

    def __getattr__(self, name):
        def fail(*arguments, **options):
            raise OSError("away")

        return fail


@pytest.fixture
def source(write_pages):
    folder = write_pages({f"page-{n}.md": f"# Page {n}\n\nText of {n}.\n" for n in range(DONE)})
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location=str(folder))


def another(source, number=2):
    """With the same pages."""
    location = f"{source.location}{'/.' * number}"
    slug = f"pages-{number}"
    return Source.objects.create(corpus=source.corpus, slug=slug, location=location)


def queued(source, only=(), **options):
    return queue_run(source, trigger=Trigger.API, only=only, **options)


def status_of(run):
    return IngestionRun.objects.get(pk=run.pk).status


# Queueing


def test_a_worker_is_told_once_the_run_is_committed(source, queue):
    with transaction.atomic():
        run = queued(source)
        assert queue.storage.queue_size() == 0
    assert queue.storage.queue_size() == 1
    assert (run.status, run.trigger, run.only) == (Status.QUEUED, Trigger.API, [])


def test_nobody_is_told_of_what_was_rolled_back(source, queue):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        queued(source)
        raise ZeroDivisionError
    assert queue.storage.queue_size() == 0
    assert not IngestionRun.objects.exists()


def test_a_run_that_has_not_begun_is_used_again(source):
    first = queued(source, ["b.md"])
    assert queued(source, ["a.md", "b.md"]).pk == first.pk
    first.refresh_from_db()
    assert first.only == ["a.md", "b.md"]


def test_with_a_whole_run_it_becomes_a_whole_run_and_stays_one(source):
    run = queued(source, ["a.md"])
    queued(source)
    queued(source, ["b.md"])
    run.refresh_from_db()
    assert (IngestionRun.objects.count(), run.only) == (1, [])


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.QUEUED}))
def test_a_run_that_has_begun_is_not(source, status):
    IngestionRun.objects.create(source=source, status=status)
    assert queued(source).status == Status.QUEUED
    assert IngestionRun.objects.count() == 2


def test_leave_to_delete_much_is_not_given_to_a_run_that_did_not_ask_for_it(source):
    queued(source)
    assert queued(source, allow_mass_delete=True).allow_mass_delete
    assert IngestionRun.objects.filter(allow_mass_delete=False).exists()


def test_sources_do_not_share_runs(source):
    assert queued(source).pk != queued(another(source)).pk


def test_of_many_that_queue_at_once_none_is_forgotten(source):
    ready, failures = threading.Barrier(20), []

    def ask(number):
        ready.wait()
        try:
            queued(source, [f"{number:02}.md"])
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert IngestionRun.objects.get().only == [f"{number:02}.md" for number in range(20)]


# Telling


def test_a_worker_that_is_not_there_is_not_told_for_ever(queue):
    for _ in range(ENOUGH + 20):
        tell_workers()
    assert queue.storage.queue_size() == ENOUGH


def test_without_workers_nobody_is_told(source, queue, settings):
    settings.WORKER = "none"
    queued(source)
    assert queue.storage.queue_size() == 0


def test_a_queue_that_is_away_is_told_later_by_one_thread(source, queue, monkeypatch, caplog):
    monkeypatch.setattr(worker, "TELL_AGAIN", 0.05)
    storage = queue.storage
    monkeypatch.setattr(queue, "storage", Away())
    runs = {queued(source).pk for _ in range(5)}
    assert status_of(IngestionRun.objects.get(pk=runs.pop())) == Status.QUEUED
    assert "The queue could not be told: away" in caplog.text
    until(lambda: [t.name for t in threading.enumerate()].count("telling workers") == 1)
    monkeypatch.setattr(queue, "storage", storage)
    until(storage.queue_size)
    until(lambda: "telling workers" not in [t.name for t in threading.enumerate()])
    assert storage.queue_size() == 1


def test_a_redis_that_never_answers_is_not_waited_for(source, queue, monkeypatch):
    """A firewall that drops packets, a Redis that hangs: the request must come to its end."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        monkeypatch.setattr(queue, "storage", WaitingStorage("ragsite", url=address))
        stopping.set()  # no second attempt by the thread
        started = monotonic()
        assert queued(source).status == Status.QUEUED
        assert monotonic() - started < 1.7 * REDIS_SECONDS


# Waiting for something to do


@pytest.fixture
def looks(monkeypatch):
    """How often the rows were looked at; nothing is due."""
    seen = []

    def look():
        seen.append(time())
        return Stock()

    monkeypatch.setattr(tasks, "take_stock", look)
    return seen


@pytest.fixture
def thread(monkeypatch):
    """One that waits for work, step by step."""
    thread = Consumer(workers=1).worker_threads[0][0]
    monkeypatch.setattr(thread.stop_flag, "wait", lambda seconds: None)
    monkeypatch.setattr(configured, "INGEST_LEASE_SECONDS", 0.4)  # so that Redis waits 0.2 s
    return thread


def test_a_thread_begins_with_a_look_and_then_waits(thread, looks):
    for _ in range(4):
        thread.loop()
    assert len(looks) == 1


def test_a_message_has_it_look(thread, looks):
    thread.loop()
    tell_workers()
    thread.loop()
    assert len(looks) == 2


def test_so_does_the_moment_that_the_rows_spoke_of(thread, looks, queue):
    thread.loop()
    queue.look_at(time() + 100)
    thread.loop()
    assert len(looks) == 1
    queue.look_at(time())
    thread.loop()
    thread.loop()
    assert len(looks) == 2


def test_so_does_a_queue_that_somebody_emptied(thread, looks, queue):
    thread.loop()
    tell_workers()
    queue.storage.flush_all()
    thread.loop()
    thread.loop()
    assert len(looks) == 2


def test_so_does_a_queue_that_was_away_and_its_absence_is_told_once(
    thread, looks, queue, monkeypatch, caplog
):
    thread.loop()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(queue, "storage", Away())
        for _ in range(10):
            thread.loop()
    assert len(looks) == 1
    thread.loop()
    thread.loop()
    assert len(looks) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "The queue does not answer: away", "The queue answers again.",
    ]  # fmt: skip


def test_a_queue_that_goes_away_while_a_message_is_worked_on_stops_no_thread(
    thread, queue, monkeypatch
):
    thread.loop()
    tell_workers()

    def look():
        monkeypatch.setattr(queue, "storage", Away())
        return Stock()

    monkeypatch.setattr(tasks, "take_stock", look)
    thread.loop()
    assert thread.away


# Signs of life


@pytest.fixture
def sign_of_life(monkeypatch):
    """The thread that leaves them, step by step."""
    made = Consumer(workers=1)
    monkeypatch.setattr(made.stop_flag, "wait", lambda seconds: None)
    return made._create_scheduler()


def test_a_worker_is_seen_from_its_start_on(sign_of_life, queue):
    assert worker_seen_at() is None
    sign_of_life.loop()
    assert abs(worker_seen_at() - timezone.now()) < timedelta(seconds=5)


def test_while_the_queue_is_away_none_is_left_and_nothing_happens(sign_of_life, queue, monkeypatch):
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(queue, "storage", Away())
        sign_of_life.loop()
    assert worker_seen_at() is None


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("signature", [b"", b":" + b"0" * 40])
def test_a_message_of_somebody_without_the_key_is_refused(
    thread, looks, queue, tmp_path, caplog, signature
):
    thread.loop()
    queue.storage.enqueue(pickle.dumps(Evil(tmp_path / "evil")) + signature)
    thread.loop()
    assert not (tmp_path / "evil").exists()
    assert "not signed with our SECRET_KEY" in caplog.text
    tell_workers()
    thread.loop()
    thread.loop()
    assert len(looks) == 3  # the sender may have been a web process with another key


def test_a_moment_that_is_no_number_is_now(queue):
    queue.storage.put_data("next look", b"\x80\x04nonsense")
    assert queue.next_look() == 0


def test_nothing_of_a_message_is_kept_once_it_was_delivered(thread, looks, queue):
    for _ in range(5):
        tell_workers()
    for _ in range(6):
        thread.loop()
    assert queue.storage.queue_size() == 0
    assert [key if isinstance(key, str) else key.decode() for key in queue.all_results()] == [
        "next look"
    ]


# Working


def test_it_does_what_is_due_and_says_that_nothing_is_left(source, queue):
    runs = [queued(source), queued(another(source))]
    tasks.work.call()
    assert {status_of(run) for run in runs} == {Status.SUCCEEDED}
    assert Document.objects.count() == 2 * DONE
    assert queue.next_look() == inf


def test_it_says_when_there_will_be_more(source, queue):
    moment = timezone.now() + timedelta(seconds=77)
    IngestionRun.objects.create(source=source, status=Status.WAITING, next_attempt_at=moment)
    tasks.work.call()
    assert queue.next_look() == pytest.approx(moment.timestamp(), abs=0.01)


def test_with_more_than_one_run_due_another_worker_is_woken_up(source, queue, monkeypatch):
    for number in range(3, 7):
        queued(another(source, number))
    queue.storage.flush_queue()
    monkeypatch.setattr(tasks, "_advance", lambda run: IngestionRun.objects.all().delete())
    tasks.work.call()
    assert queue.storage.queue_size() == 1


def test_while_it_works_others_look_soon_in_case_it_never_returns(source, queue, monkeypatch):
    seen = []
    queued(source)
    monkeypatch.setattr(tasks, "ingest_source", lambda *_: seen.append(queue.next_look() - time()))
    tasks.work.call()
    assert 3 < seen[0] <= 5


def test_what_is_told_while_it_works_is_not_forgotten(source, queue, monkeypatch):
    def meanwhile(run, pipeline):
        run.finish(Status.SUCCEEDED, {}, "")
        tell_workers()

    queued(source)
    monkeypatch.setattr(tasks, "ingest_source", meanwhile)
    tasks.work.call()
    assert queue.next_look() < time() + 6


def test_a_run_that_cannot_begin_has_failed_and_says_why(source, monkeypatch):
    def broken(_):
        raise LookupError("There is no model.")

    monkeypatch.setattr(IngestionPipeline, "from_settings", classmethod(broken))
    run = queued(source)
    tasks.work.call()
    run.refresh_from_db()
    assert (run.status, run.error) == (Status.FAILED, "It could not begin: There is no model.")


@pytest.mark.parametrize("error", [RuntimeError("surprise"), SystemExit(3), DatabaseError("gone")])
def test_a_run_that_stays_due_is_tried_once_at_each_look(source, queue, monkeypatch, error):
    tried = []

    def fail(run, pipeline):
        tried.append(run.pk)
        raise error

    run, other = queued(source), queued(another(source))
    monkeypatch.setattr(tasks, "ingest_source", fail)
    tasks.work.call()
    assert tried == [run.pk, other.pk]


def test_and_the_looks_become_rarer_until_there_is_something_else(source, queue, monkeypatch):
    due = [1]
    monkeypatch.setattr(tasks, "take_stock", lambda: Stock(runs=list(due)))
    monkeypatch.setattr(tasks, "_advance", lambda run: None)

    def next_wait():
        tasks.work.call()
        return queue.next_look() - time()

    waits = [next_wait() for _ in range(12)]
    assert waits[:4] == pytest.approx([5, 10, 20, 40], abs=1)
    assert max(waits) == pytest.approx(3600, abs=1)
    due.append(2)
    assert next_wait() == pytest.approx(5, abs=1)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DatabaseError("refused"), "The database could not be asked for work: refused"),
        (LookupError("surprise"), "Looking for work went wrong"),
    ],
)
def test_a_database_that_is_away_is_asked_less_and_less(queue, monkeypatch, caplog, error, told):
    def away():
        raise error

    monkeypatch.setattr(tasks, "take_stock", away)
    for seconds in (5, 10, 20):
        tasks.work.call()
        assert queue.next_look() - time() == pytest.approx(seconds, abs=1)
    assert told in caplog.text


def test_it_goes_on_when_the_queue_is_away(source, queue, monkeypatch):
    runs = [queued(source), queued(another(source)), queued(another(source, 3))]
    monkeypatch.setattr(queue, "storage", Away())
    tasks.work.call()
    assert {status_of(run) for run in runs} == {Status.SUCCEEDED}


def test_a_process_that_is_to_stop_begins_nothing_and_has_others_go_on(source, queue, monkeypatch):
    runs = [queued(source), queued(another(source))]

    def stopped(run, pipeline):
        stopping.set()
        run.wait(0, {}, "handed back")

    monkeypatch.setattr(tasks, "ingest_source", stopped)
    queue.storage.flush_queue()
    tasks.work.call()
    assert [status_of(run) for run in runs] == [Status.WAITING, Status.QUEUED]
    assert queue.storage.queue_size() >= 1
    assert at_work.wait_until_none(0)


def test_redis_on_a_port_where_nobody_listens_is_away_at_once():
    storage = WaitingStorage("ragsite", url=f"redis://127.0.0.1:{free_port()}/0")
    started = monotonic()
    with pytest.raises(Exception, match="refused"):
        storage.dequeue()
    assert monotonic() - started < 1
