"""A throw-away installation inside this process: its own database and cache, nothing in the
background, the embedded index. What the operator has is neither read nor written meanwhile.

Keys of providers still count: their embedding, reranker and models are what is measured then.
"""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.db import connections
from django.utils.connection import BaseConnectionHandler

import chat.providers
import documents.providers
from chat.evaluation.cases import BadCases

DATABASE = "evaluation.sqlite3"
ALONE = {"QDRANT_URL": "", "REDIS_URL": "", "WORKER": "none"}
SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF;",  # nothing has to last
}


@contextmanager
def throw_away_installation(keep: Path | None = None) -> Iterator[None]:
    """`keep`: a folder that stays, with the vectors of texts that were embedded before."""
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        place = keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        with _alone_in(place), _settings(ALONE), _cache(), _database(place / DATABASE):
            call_command("migrate", verbosity=0)
            _empty()
            yield


@contextmanager
def _alone_in(place: Path) -> Iterator[None]:
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadCases(
                f"{place} is in use by another evaluation. Wait for it, or take another --keep."
            ) from error
        yield


def _empty() -> None:
    """Everything but vectors: chunks that come back find theirs under the same id."""
    from documents.models import Chunk, Corpus

    # Without the signals and cascades that would take the vectors along.
    Chunk.objects.all()._raw_delete(using="default")
    Corpus.objects.all().delete()


@contextmanager
def _settings(others: dict[str, Any]) -> Iterator[None]:
    before = {name: getattr(settings, name) for name in others}
    for name, value in others.items():
        setattr(settings, name, value)
    _forget_providers()
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)
        _forget_providers()


def _forget_providers() -> None:
    documents.providers.get_index.cache_clear()
    documents.providers.get_embedder.cache_clear()  # it may hold a cache that is not ours
    chat.providers.reset()


@contextmanager
def _cache() -> Iterator[None]:
    before = caches.settings["default"]
    caches.settings["default"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                                  "LOCATION": "evaluation"}  # fmt: skip
    _forget(caches)
    try:
        yield
    finally:
        caches["default"].clear()
        caches.settings["default"] = before
        _forget(caches)


@contextmanager
def _database(path: Path) -> Iterator[None]:
    databases = connections.settings
    before = databases["default"]
    connections.close_all()
    databases["default"] = {
        **connections.configure_settings({"default": {}})["default"],
        "ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": SQLITE,
    }  # fmt: skip
    _forget(connections)
    try:
        yield
    finally:
        connections.close_all()
        databases["default"] = before
        _forget(connections)


def _forget(handler: BaseConnectionHandler) -> None:
    """The next use builds it from the settings as they are then."""
    with suppress(AttributeError):  # it was not used yet
        del handler["default"]
