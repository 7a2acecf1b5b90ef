"""How a server begins and ends."""

import pytest

from documents import ledger
from documents.models import ProviderUsage
from documents.upstream.metering import Spent
from ingestion import worker
from ragsite import asgi


@pytest.fixture
def told(monkeypatch):
    """What the worker of the server is told."""
    told = []
    monkeypatch.setattr(worker, "begin", lambda: told.append("begin"))
    monkeypatch.setattr(worker, "end", lambda: told.append("end"))
    return told


async def live_and_die():
    received, sent = ["lifespan.startup", "lifespan.shutdown"], []

    async def receive():
        return {"type": received.pop(0)}

    async def send(message):
        sent.append(message["type"])

    await asgi.lifespan({}, receive, send)
    return sent


async def test_it_works_from_its_start_to_its_end(told, monkeypatch):
    monkeypatch.setattr(asgi, "start", lambda: told.append("start"))
    assert await live_and_die() == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert told == ["start", "begin", "end"]


async def test_it_works_although_its_database_was_away_when_it_started(told, monkeypatch, caplog):
    def fail():
        raise OSError("away")

    monkeypatch.setattr(asgi, "start", fail)
    await live_and_die()
    assert told == ["begin", "end"]
    assert "Starting went wrong" in caplog.text


async def test_what_calls_used_is_written_before_it_stops(transactional_db, told, monkeypatch):
    monkeypatch.setattr(asgi, "start", lambda: None)
    ledger.this_process.count("cohere", "key", "embed", "m", Spent())
    await live_and_die()
    assert await ProviderUsage.objects.acount() == 1
