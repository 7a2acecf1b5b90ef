"""While nothing is due, nothing goes to PostgreSQL: Neon sleeps after five quiet minutes.

Everything passes a proxy that counts. benchmarks/idle_queries.py is the long form, with
PostgreSQL's own log.
"""

import shutil
import socket
import threading
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from time import monotonic

import httpx
import pytest
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from django.urls import reverse
from django.utils import timezone

import ingestion.progress
from documents.models import Corpus, Source
from ingestion.models import IngestionRun
from ingestion.progress import publish_progress
from ingestion.watching import token_for
from tests.background import RedisServer, Server, Worker, until
from tests.processes import same_database

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not settings.REDIS_URL or not shutil.which("redis-server"), reason="needs a redis-server"
    ),
]
QUIET = 2.0  # seconds without a byte: all that had to be asked at the start was asked
SECONDS = 5.0
HEALTH = ("/api/v1/health/live/", "/api/v1/health/ready/")


class CountingProxy:
    """Forwards to PostgreSQL, and counts the bytes that clients send."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.sent, self.last = 0, monotonic()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self.listener, *self.sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self.listener.accept()
                server = socket.create_connection(self.target)
                self.sockets += (client, server)
                for source, target in ((client, server), (server, client)):
                    arguments = (source, target, source is client)
                    threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if counts:
                    self.sent, self.last = self.sent + len(data), monotonic()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy():
    database = connection.settings_dict
    proxy = CountingProxy(database["HOST"] or "127.0.0.1", int(database["PORT"] or 5432))
    yield proxy
    proxy.close()


@pytest.fixture
def run():
    """What there is to look at: a run that is done, and a sync that is not due yet."""
    corpus = Corpus.objects.create(slug="log", name="Log", is_public=True)
    later = timezone.now() + timedelta(hours=6)
    source = Source.objects.create(
        corpus=corpus, slug="log", location="/log", sync_hours=6, next_sync_at=later
    )
    return IngestionRun.objects.create(source=source, status=IngestionRun.Status.SUCCEEDED)


def test_an_idle_installation_asks_postgresql_nothing(run, proxy, tmp_path, monkeypatch):
    before, after = same_database()["DATABASE_URL"].rsplit("/", 1)
    env = {
        **same_database(), "EMBEDDER": "none", "LOG_LEVEL": "INFO",
        "DATABASE_URL": f"{before.rsplit(':', 1)[0]}:{proxy.port}/{after}",
    }  # fmt: skip
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with RedisServer(tmp_path) as redis, ExitStack() as stack:
        on_redis = env | {"VAR_DIR": str(tmp_path / "one"), "REDIS_URL": redis.url}
        works = env | {"VAR_DIR": str(tmp_path / "two"), "WORKER": "auto"}
        servers = [
            stack.enter_context(Server(on_redis, tmp_path / "one.log")),
            stack.enter_context(Server(works, tmp_path / "two.log")),
        ]
        worker = stack.enter_context(Worker(on_redis, tmp_path / "worker.log", threads=2))
        servers[0].says("Application startup complete.")
        servers[1].says("This process works in the background.")
        worker.says("Waiting for work.")
        signed_in = {"sessionid": "of somebody"}
        client = stack.enter_context(httpx.Client(timeout=10, cookies=signed_in))

        # What a run at work tells those who watch it.
        as_ours = {"OPTIONS": settings.CACHES["default"]["OPTIONS"]}
        monkeypatch.setattr(ingestion.progress, "cache", RedisCache(redis.url, as_ours))
        publish_progress(run, {"new": 3}, "lamp.md")
        watch = reverse("admin:ingestion_ingestionrun_watch", args=[token_for(run.pk)])

        def poll(*addresses):
            until_then = monotonic() + SECONDS
            while monotonic() < until_then:
                for address in addresses:
                    assert client.get(address).status_code == 200, address
                time.sleep(0.25)

        probes = [server.url + path for server in servers for path in HEALTH]
        until(lambda: proxy.sent and monotonic() - proxy.last > QUIET)
        settled = proxy.sent
        poll(*probes, servers[0].url + watch)
        assert proxy.sent == settled

        redis.kill()
        worker.says("The queue does not answer")
        poll(*probes)
        assert proxy.sent == settled

        # What does ask is seen.
        assert client.get(f"{servers[0].url}/admin/").status_code == 302
        assert proxy.sent > settled
