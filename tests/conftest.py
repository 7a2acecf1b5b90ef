"""Fixtures that every test may use. No test opens a socket beyond this machine."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.core.management import call_command
from django.db import connections

import chat.providers
import documents.providers
from chat import limits, running
from chat.auth import jwks, last_used, origins
from documents import ledger, outages
from documents.models import Corpus
from tests.databases import SERVER, THROUGH_POOLER, emptied_past_its_guard, reached_at
from tests.live import running_server
from tests.standins.fixtures import *  # noqa: F403
from tests.standins.pgbouncer import PgBouncer
from tests.standins.proxy import FaultProxy

PAGES = {
    "index.md": "# Lighthouse\n\nLighthouse keeps a log of every ship that passes the coast.\n",
    "guide/install.md": (
        "# Install\n\nHow to get Lighthouse running.\n\n## Requirements\n\n"
        "Lighthouse needs Python 3.11 and 40 megabytes of disk space.\n\n"
        "## Steps\n\nInstall Lighthouse with one command:\n\n"
        "```bash\npip install lighthouse\n```\n\n"
        "After the installation, the lamp must be lit once by hand.\n"
    ),
    "guide/lamp.md": (
        "# The lamp\n\n## Colours\n\nThe lamp shines white towards the open sea and red over the "
        "rocks.\n\n## Timing\n\nThe lamp turns once in twelve seconds. A full turn shows three "
        "flashes.\n"
    ),
    "operate/backup.md": (
        "# Backups\n\nThe log is written to a second disk every night at three o'clock.\n\n"
        "## Restore\n\nTo restore a backup, stop the lamp and run `lighthouse restore`.\n"
    ),
}


running.FLUSH = 0.2  # seconds: where Redis is away in a test, it does not come back
A_TEST_TAKES = 10.0  # seconds, at most


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """With TEST_PGBOUNCER=1 the database is made directly, and then reached through the pooler.

    Five connections: tests with many threads get along with them. The pooler ends first, as its
    connections would keep the database from being dropped.
    """
    if not THROUGH_POOLER:
        yield
        return
    with PgBouncer(*SERVER, size=5, wait=10) as pooler, reached_at("127.0.0.1", pooler.port):
        yield


@pytest.fixture(scope="session", autouse=True)
def a_test_may_empty_the_audit_log() -> Iterator[None]:
    """Tests that commit are cleaned up after by emptying all tables, which the log forbids."""
    with emptied_past_its_guard():
        yield


@pytest.fixture(scope="session")
def shared_qdrant() -> Iterator[Any]:
    """With TEST_QDRANT=1 every test has its index there, over a socket."""
    from tests.standins.qdrant import QdrantStandIn

    with QdrantStandIn(remember=False) as server:
        yield server


@pytest.fixture(autouse=True)
def index_over_a_socket(request: pytest.FixtureRequest) -> None:
    if os.environ.get("TEST_QDRANT") == "1":
        server = request.getfixturevalue("shared_qdrant")
        server.forget()
        chosen = request.getfixturevalue("settings")
        chosen.QDRANT_URL, chosen.QDRANT_API_KEY = server.url, server.api_key
        chosen.QDRANT_TIMEOUT, chosen.QDRANT_SEARCH_DEADLINE_MS = 20, 10_000  # a busy machine


@pytest.fixture(autouse=True)
def fresh_providers(index_over_a_socket: None) -> Iterator[None]:
    """Limits, caches and the private index replica of one test are not those of the next."""
    outages.redis.error = outages.postgresql.error = None
    cache.clear()
    limits._limiter.cache_clear()
    for built in ("get_index", "breaker", "meter", "_moments", "_rates"):
        getattr(documents.providers, built).cache_clear()
    chat.providers.reset()
    # Written when a test asks for it: no thread may meet the lock that a test's transaction holds.
    ledger.this_process.pause = None
    ledger.this_process.forget()
    origins._known = origins.NOTHING
    jwks._ring.cache_clear()
    jwks.outage.error = None
    last_used._later, last_used._waiting = lambda *work: None, set()
    yield
    if (client := getattr(_made(documents.providers.get_index), "client", None)) is not None:
        client.close()  # of Qdrant
    ledger.this_process.forget()  # the end of the process would write it into another database
    documents.providers.get_index.cache_clear()
    connections.close_all()
    if hasattr(connections["default"], "close_pool"):
        # Django's test clients leave the connection of each request's thread open.
        connections["default"].close_pool()


def _made(provider: Any) -> Any:
    """What it has made; nothing is made for that."""
    return provider() if provider.cache_info().currsize else None


@pytest_asyncio.fixture(autouse=True)
async def close_worker_thread_connections() -> AsyncIterator[None]:
    yield
    # Answers that the test left behind: they would be saved into another test's database.
    if (left := running._running.pop(asyncio.get_running_loop(), None)) is not None:
        await left.drain(0)
        await left.close()
    await sync_to_async(connections.close_all)()


@pytest.fixture
def without_redis(settings: Any) -> None:
    """Answers have no journal but the memory of their process. A loop of Django's synchronous test
    client, too, ends with its request, before it has told Redis."""
    settings.REDIS_URL = ""


@pytest.fixture
def early_in_a_minute() -> None:
    """Budgets are counted by minutes of the clock (a sliding window weighs the one before): a test
    that uses one up must not meet the turn of a minute."""
    left = 60 - time.time() % 60
    if left < A_TEST_TAKES:
        time.sleep(left + 0.1)


@pytest.fixture
def write_pages(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Write pages into a folder named "site" and return it; None removes one."""
    folder = tmp_path / "site"

    def write(pages: dict[str, str | None]) -> Path:
        for name, text in pages.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def site(write_pages: Callable[[dict[str, str]], Path]) -> Path:
    """A small documentation site on disk."""
    return write_pages(PAGES)


@pytest.fixture
def corpus(transactional_db: None, site: Path) -> Corpus:
    """The small site, ingested into the public corpus "lighthouse"."""
    call_command(
        "ingest", str(site), corpus="lighthouse", public=True, base_url="https://docs.example.org",
        json=True,
    )  # fmt: skip
    return Corpus.objects.get(slug="lighthouse")


@pytest.fixture
def server(transactional_db: None) -> Iterator[str]:
    """Address of the real server, running on the test's database."""
    with running_server() as address:
        yield address


@pytest.fixture
def network(server: str) -> Iterator[FaultProxy]:
    """Between that server and clients that lose their connections when a test says so."""
    with FaultProxy("127.0.0.1", int(server.rsplit(":", 1)[1])) as proxy:
        yield proxy
