"""The application through a pooler in transaction mode: it needs no session, and leaves none.

pgbouncer gives every transaction whichever of three connections is free. What one caller leaves on
it the next one meets: a setting, a lock, a cursor, a prepared statement.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client

from chat.models import Message
from documents.models import Chunk, Corpus, Source
from ingestion.leases import SourceBusy, leased
from tests.chat.turns import events_of, new_turn
from tests.conftest import PAGES
from tests.databases import ADDRESS, SERVER, THROUGH_POOLER, on_postgresql, reached_at
from tests.processes import environment, manage
from tests.standins.pgbouncer import PgBouncer, is_installed

pytestmark = [
    on_postgresql,
    pytest.mark.skipif(not is_installed(), reason="needs pgbouncer"),
    pytest.mark.django_db(transaction=True),
]

SIZE = 3
# What pgbouncer knows of each client, and puts right before it lends a connection.
TRACKED = {"application_name", "client_encoding", "DateStyle", "TimeZone"}

LOCKED = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"


@pytest.fixture
def pooler(transactional_db):
    with (
        PgBouncer(*SERVER, size=SIZE, wait=10) as pooler,
        reached_at("127.0.0.1", pooler.port),
    ):
        yield pooler


def through(pooler):
    return psycopg.connect(
        host="127.0.0.1", port=pooler.port, dbname=connection.settings_dict["NAME"],
        user="postgres", prepare_threshold=None,
    )  # fmt: skip


def left_behind(pooler):
    """What is left on the connections of the pool, of which each is borrowed once."""
    found = set()
    with ExitStack() as stack:
        for _ in range(SIZE):
            borrowed = stack.enter_context(through(pooler))
            settings = borrowed.execute("SELECT name FROM pg_settings WHERE source = 'session'")
            found |= {name for (name,) in settings} - TRACKED
            found |= {
                kind
                for kind, query in {
                    "advisory lock": LOCKED,
                    "cursor": "SELECT 1 FROM pg_cursors WHERE is_holdable",
                    "prepared statement": "SELECT 1 FROM pg_prepared_statements",
                    "listener": "SELECT pg_listening_channels()",
                }.items()
                if borrowed.execute(query).fetchone()
            }
    return found


def in_thread(act):
    """In a thread of a pool, which gives its connection back."""

    def do():
        try:
            return act()
        finally:
            connections.close_all()

    return do


@pytest.mark.skipif(not THROUGH_POOLER, reason="needs TEST_PGBOUNCER=1")
def test_the_whole_suite_goes_through_one_when_it_is_told_to():
    assert connection.settings_dict["PORT"] not in ("", SERVER[1])


def test_all_paths_at_once_work_through_a_pooler_and_leave_nothing(
    pooler, corpus, site, write_pages
):
    get_user_model().objects.create_superuser("ann", password="x")

    def ask():
        async def turn():
            return await events_of(await new_turn(corpus, "How often does the lamp turn?"))

        return asyncio.run(turn())[-1].outcome

    def look():
        admin = Client()
        admin.force_login(get_user_model().objects.get(username="ann"))
        lists = ("documents/document", "documents/chunk", "ingestion/ingestionrun", "chat/message")
        return {admin.get(f"/admin/{page}/").status_code for page in lists}

    def read_again():
        text = PAGES["index.md"].replace("ship", "boat")
        write_pages({"index.md": text})
        call_command("ingest", str(site), corpus="lighthouse", json=True)
        return Chunk.objects.filter(text__contains="boat").count()

    with ThreadPoolExecutor(7) as threads:
        acts = [ask, look, ask, read_again, look, ask, ask]
        results = [threads.submit(in_thread(act)) for act in acts]
        answered, admin, *_, last = [result.result(60) for result in results]
    call_command("reconcile", check=True)

    assert (answered, admin, last) == ("answered", {200}, "answered")
    assert results[3].result() == 1
    assert not Message.objects.filter(status=Message.Status.STREAMING).exists()
    assert left_behind(pooler) == set()


def test_what_would_be_left_behind_is_seen(pooler):
    with through(pooler) as careless:
        careless.autocommit = True
        careless.execute("SET statement_timeout = '15s'")
        careless.execute("SELECT pg_advisory_lock(1)")
    assert left_behind(pooler) == {"statement_timeout", "advisory lock"}


def test_a_lease_has_one_holder_through_a_pooler(pooler, corpus):
    source = Source.objects.get()

    def take(number):
        try:
            with leased(source, f"holder {number}") as lease, lease.writing():
                return lease.token
        except SourceBusy:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        tokens = [token for token in threads.map(take, range(8)) if token is not None]
    assert tokens
    assert len(set(tokens)) == len(tokens)


def test_rows_are_read_without_cursors_of_the_server(pooler):
    """Two readers at once: a cursor of one would be looked for on the connection of the other."""
    Corpus.objects.bulk_create(Corpus(slug=f"c{n}", name="C") for n in range(50))

    def read(_number):
        try:
            return [corpus.slug for corpus in Corpus.objects.iterator(chunk_size=10)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        assert {len(slugs) for slugs in threads.map(read, range(12))} == {50}


def test_migrations_go_past_the_pooler():
    """Nothing listens where DATABASE_URL leads."""
    name = connection.settings_dict["NAME"]
    direct = ADDRESS._replace(path=f"/{name}").geturl()
    nowhere = f"postgresql://postgres@127.0.0.1:1/{name}"
    done = manage(
        "migrate", "--check", env=environment(DATABASE_URL=nowhere, DATABASE_DIRECT_URL=direct)
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "migrate uses DATABASE_DIRECT_URL.\n"
