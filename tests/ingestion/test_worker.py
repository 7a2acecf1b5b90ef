"""Real servers and workers: queued by one process, done by another, whichever of them dies.

On SQLite the queue is a file; with TEST_REDIS_URL a Redis of the test's own is emptied and killed.
"""

import shutil
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from documents.embedding.bundled import lean_graph
from documents.models import Chunk, Corpus, Document, Source
from ingestion import watching
from ingestion.models import IngestionItem, IngestionRun, Lease
from ingestion.queue import redis_queue, sqlite_queue
from ingestion.watching import why_nothing_happens
from ingestion.worker import queue_run, tell_workers
from tests.background import (
    RedisServer,
    Server,
    SlowCohere,
    Worker,
    free_port,
    until,
)
from tests.chat.clients import token_of
from tests.processes import manage, same_database

pytestmark = pytest.mark.django_db(transaction=True)
Status = IngestionRun.Status
PAGES, SECTIONS = 8, 48  # four calls to the embedder for each source
ON_REDIS = bool(settings.REDIS_URL)
with_redis = pytest.mark.skipif(
    not ON_REDIS or not shutil.which("redis-server"), reason="needs a redis-server of its own"
)


def page(number):
    sections = (
        f"## Watch {section}\n\nIn watch {section} of day {number} the sea was calm and the keeper "
        f"counted {number * section} ships.\n"
        for section in range(SECTIONS)
    )
    return f"# Day {number}\n\n" + "\n".join(sections)


@pytest.fixture
def folder(write_pages):
    return write_pages({f"{number:02}.md": page(number) for number in range(PAGES)})


@pytest.fixture
def cohere():
    with SlowCohere(seconds=0.5) as stand_in:
        yield stand_in


@pytest.fixture
def redis(tmp_path):
    if not ON_REDIS:
        yield None
        return
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def env(tmp_path, cohere, redis):
    """Of an installation of its own, on the database of the test."""
    lean_graph(settings.MODEL_DIR)
    var = tmp_path / "var"
    var.mkdir()
    (var / "models").symlink_to(settings.MODEL_DIR)
    return {
        **same_database(), **cohere.env, "VAR_DIR": str(var), "LOG_LEVEL": "INFO",
        "WORKER": "external", "REDIS_URL": redis.url if redis else "", "WORKER_THREADS": "2",
        "INGEST_LEASE_SECONDS": "20",
    }  # fmt: skip


@pytest.fixture
def processes():
    """Of the test: all of them are gone after it."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(processes, env, tmp_path):
    """Start a server or a worker that says so once it is ready."""
    ready = {Worker: "Waiting for work.", Server: "Application startup complete."}

    def start(kind, name, *, wait=True, **variables):
        process = kind({**env, **variables}, tmp_path / f"{name}.log")
        processes.enter_context(process)
        return process.says(ready[kind]) if wait else process

    return start


@pytest.fixture
def sources(folder):
    corpus = Corpus.objects.create(slug="log", name="Log", is_public=True)
    return [
        Source.objects.create(corpus=corpus, slug=f"log-{n}", location=f"{folder}{'/.' * n}")
        for n in range(4)
    ]


@pytest.fixture
def source(sources):
    return sources[0]


@pytest.fixture
def queue(env, settings, monkeypatch):
    """As a web process does: put runs on record, tell the workers."""
    settings.VAR_DIR, settings.REDIS_URL = Path(env["VAR_DIR"]), env["REDIS_URL"]
    settings.WORKER = "external"
    opened = (redis_queue if env["REDIS_URL"] else sqlite_queue)("ragsite")
    monkeypatch.setattr(HUEY, "storage", opened.storage)

    def queue(*sources):
        return [queue_run(source, trigger=IngestionRun.Trigger.API) for source in sources]

    yield queue
    opened.storage.close()


def queue_and_be_gone(env, source):
    """From a process that tells the workers once, and then is no more."""
    code = (
        "from documents.models import Source; from ingestion.worker import queue_run; "
        f"queue_run(Source.objects.get(slug='{source.slug}'), trigger='api')"
    )
    done = manage("shell", "--verbosity=0", "-c", code, env=env)
    assert done.returncode == 0, done.stderr
    return source.runs.get()


def state(run):
    run.refresh_from_db()
    return run.status


def finished(*runs, within=60.0):
    until(lambda: all(state(run) not in IngestionRun.UNFINISHED for run in runs), within)
    assert {run.status: run.error for run in runs} == {Status.SUCCEEDED: ""}
    for run in runs:
        assert_complete(run.source)


def assert_complete(source):
    """Every page once, every chunk of it found in the index, and nobody holds it any more."""
    documents = Document.objects.filter(source=source).exclude(space="")
    keys = Counter(documents.values_list("key", flat=True))
    assert keys == {f"{number:02}.md": 1 for number in range(PAGES)}
    assert Chunk.objects.filter(document__source=source).count() == PAGES * SECTIONS
    until(lambda: Lease.objects.get(source=source).holder == "")


def in_the_middle(run, cohere, after=0):
    """Some pages are published, and the next ones on their way to the embedder."""
    until(lambda: run.source.documents.count() > after and cohere.is_at_work)
    assert state(run) == Status.RUNNING


def assert_no_answer_was_thrown_away(cohere):
    """What had been stored when the process died was not embedded again."""
    again = [text for text, times in Counter(cohere.texts).items() if times > 1]
    assert len(again) <= 96, "more than the one call that was on its way"


def worker_of(source):
    return Lease.objects.get(source=source).process


# The server does the work itself


@pytest.fixture
def embedded(env):
    if ON_REDIS:
        pytest.skip("a server works where there is no Redis")
    env["WORKER"] = "auto"


def ask(server, question):
    with httpx.Client(base_url=f"{server.url}/api/v1/conversations/", timeout=20) as client:
        conversation = client.post("", json={"corpus": "log"}).json()
        address, token = f"{conversation['id']}/messages/", token_of(conversation)
        answer = client.post(address, json={"question": question}, headers=token)
        assert answer.status_code == 201, answer.text
        return answer.json()


def test_the_server_does_what_another_process_queued_and_answers_meanwhile(
    embedded, env, start, source, cohere
):
    server = start(Server, "server")
    run = queue_and_be_gone(env, source)
    in_the_middle(run, cohere)
    answer = ask(server, "How many ships did the keeper count?")
    assert state(run) == Status.RUNNING
    assert answer["status"] == "complete"
    finished(run)
    assert (run.attempts, worker_of(source)) == (1, server.pid)


def test_of_two_servers_one_works_and_the_other_takes_over_when_it_is_killed(
    embedded, start, queue, source, cohere
):
    servers = [start(Server, "one", wait=False), start(Server, "two")]
    works = "This process works in the background."
    until(lambda: any(works in server.output for server in servers))
    (run,) = queue(source)
    in_the_middle(run, cohere)
    worker, other = sorted(servers, key=lambda server: works not in server.output)
    assert works not in other.output
    worker.kill()
    other.says(works)
    finished(run)
    assert (run.attempts, worker_of(source)) == (2, other.pid)
    assert_no_answer_was_thrown_away(cohere)


def test_a_server_finishes_what_was_cut_short_by_a_kill_and_by_a_stop(
    embedded, start, queue, source, cohere
):
    server = start(Server, "killed")
    (run,) = queue(source)
    in_the_middle(run, cohere)
    server.kill()
    assert state(run) == Status.RUNNING
    published = source.documents.count()

    server = start(Server, "stopped")
    in_the_middle(run, cohere, after=published)
    assert server.stop() < 10
    assert state(run) == Status.WAITING
    assert run.error == "The process that worked on it was stopped."
    assert Lease.objects.get(source=source).holder == ""

    start(Server, "left alone")
    finished(run)
    assert run.attempts == 2  # being stopped does not count
    assert_no_answer_was_thrown_away(cohere)


# Workers of their own


def test_two_workers_share_what_is_due(start, queue, sources, redis):
    workers = [start(Worker, "one", wait=False), start(Worker, "two")]
    workers[0].says("Waiting for work.")
    runs = queue(*sources)
    finished(*runs)
    assert {run.attempts for run in runs} == {1}
    assert {worker_of(source) for source in sources} == {worker.pid for worker in workers}
    if redis:  # nothing is left but the moment of the next look, and that of the last sign of life
        until(lambda: redis.client.keys() == [b"huey.results.ragsite"])
        left = redis.client.hkeys("huey.results.ragsite")
        assert sorted(left) == [b"next look", b"worker seen"]


def test_a_worker_is_seen_until_it_is_killed(start, queue, source, monkeypatch):
    """By another process, which has no more than the queue in common with it."""
    (run,) = queue(source)
    IngestionRun.objects.update(created_at=timezone.now() - timedelta(minutes=9))
    run.refresh_from_db()
    assert why_nothing_happens(run).startswith("No worker has been seen for about 9 minutes.")
    worker = start(Worker, "one")
    until(lambda: why_nothing_happens(run) == "")
    worker.kill()
    monkeypatch.setattr(watching, "SILENCE", 1)
    assert until(lambda: why_nothing_happens(run)).endswith("Start `manage.py run_huey`.")


@pytest.fixture
def two_workers(start, queue, source, cohere):
    """The one that is in the middle of a run, the other one, and the run."""
    workers = [start(Worker, "one", wait=False), start(Worker, "two")]
    workers[0].says("Waiting for work.")
    (run,) = queue(source)
    in_the_middle(run, cohere)
    return *sorted(workers, key=lambda worker: worker.pid != worker_of(source)), run


def test_when_a_worker_is_killed_another_one_takes_over(two_workers, source, cohere):
    worker, other, run = two_workers
    worker.kill()
    finished(run, within=20 + 10)  # a lease, and ten seconds
    assert (run.attempts, worker_of(source)) == (2, other.pid)
    assert_no_answer_was_thrown_away(cohere)


def test_a_worker_that_is_stopped_hands_its_run_to_another_one(two_workers, source, cohere):
    worker, other, run = two_workers
    assert worker.stop() < 10
    assert worker.process.returncode == 0, worker.output
    finished(run)
    assert (run.attempts, worker_of(source)) == (1, other.pid)
    assert len(cohere.texts) == len(set(cohere.texts))


def test_a_worker_reads_a_source_again_when_its_time_has_come(start, queue, source):
    start(Worker, "one")
    source.sync_hours, source.next_sync_at = 1, timezone.now() + timedelta(seconds=3)
    source.save()
    tell_workers()
    run = until(lambda: source.runs.first())
    assert source.next_sync_at <= run.created_at
    assert run.trigger == IngestionRun.Trigger.SCHEDULE
    finished(run)
    moment = source.next_sync_at
    source.refresh_from_db()
    assert source.next_sync_at >= moment + timedelta(hours=1)
    assert source.runs.count() == 1


def test_an_idle_worker_stops_at_once(start, redis):
    worker = start(Worker, "one", INGEST_LEASE_SECONDS="60")
    if redis:  # which it waits for, half a minute at a time, and hears nothing else
        until(lambda: "brpop" in [client["cmd"] for client in redis.client.client_list()])
    assert worker.stop() < 10
    assert worker.process.returncode == 0


@pytest.fixture
def short_lease(env):
    env["INGEST_LEASE_SECONDS"] = "3"


def test_a_worker_that_was_frozen_past_its_lease_changes_nothing(short_lease, two_workers, source):
    frozen, other, run = two_workers
    frozen.freeze()
    finished(run)
    assert (run.attempts, worker_of(source)) == (2, other.pid)
    before = stored(run)
    frozen.thaw()
    frozen.says("is left to another process")
    assert stored(run) == before
    assert frozen.stop() < 10


def stored(run):
    """All that a worker could change."""
    return [
        list(rows.order_by("pk").values())
        for rows in (
            IngestionRun.objects.filter(pk=run.pk), IngestionItem.objects.filter(run=run),
            Document.objects.all(), Chunk.objects.all(), Lease.objects.all(),
        )
    ]  # fmt: skip


# Redis goes and comes


@with_redis
def test_emptying_redis_loses_nothing(start, queue, sources, cohere, redis):
    worker = start(Worker, "one", INGEST_LEASE_SECONDS="4")
    (first,) = queue(sources[0])
    in_the_middle(first, cohere)
    redis.client.flushall()
    finished(first)

    worker.freeze()  # so that the message is there when Redis is emptied
    (second,) = queue(sources[1])
    assert redis.client.flushall()
    worker.thaw()
    finished(second)
    assert {first.attempts, second.attempts} == {1}


@with_redis
def test_a_redis_that_dies_stops_nothing_and_comes_back_empty(start, queue, sources, cohere, redis):
    worker = start(Worker, "one")
    first, second = queue(*sources[:2])
    in_the_middle(first, cohere)
    redis.kill()
    finished(first, second)
    worker.says("The queue does not answer")
    redis.start()
    worker.says("The queue answers again")
    (third,) = queue(sources[2])
    finished(third)
    assert {run.attempts for run in (first, second, third)} == {1}
    assert "Traceback" not in worker.output
    assert worker.output.count("The queue does not answer") == 1


@with_redis
def test_what_is_queued_while_redis_is_away_is_done_when_it_is_back(env, start, source, redis):
    start(Worker, "one")
    redis.kill()
    run = queue_and_be_gone(env, source)
    assert state(run) == Status.QUEUED
    redis.start()
    finished(run)


@with_redis
def test_an_idle_worker_hardly_speaks_to_redis(start, redis):
    start(Worker, "one", WORKER_THREADS="2", INGEST_LEASE_SECONDS="60")
    until(lambda: redis.commands().get("brpop"))
    time.sleep(1)
    before = redis.commands()
    time.sleep(5)
    since = Counter(redis.commands()) - Counter(before)
    assert sum(since.values()) - since["info"] <= 2, since


def test_without_redis_a_worker_goes_on_waiting_for_it(env, start):
    worker = start(Worker, "one", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    worker.says("The queue does not answer")
    assert worker.stop() < 10
    assert "Traceback" not in worker.output
