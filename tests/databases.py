"""PostgreSQL as the tests reach it: past a pooler, through one, through a proxy that fails."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections

ADDRESS = urlsplit(os.environ.get("TEST_DATABASE_URL", ""))
SERVER = (ADDRESS.hostname or "127.0.0.1", ADDRESS.port or 5432)
# Everything goes through a pooler then, but for what makes and drops the test's database.
THROUGH_POOLER = bool(ADDRESS.hostname) and os.environ.get("TEST_PGBOUNCER") == "1"
OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"

on_postgresql = pytest.mark.skipif(not ADDRESS.hostname, reason="needs TEST_DATABASE_URL")


@contextmanager
def reached_at(host: str, port: int, **pool: Any) -> Iterator[None]:
    """The database of this test, by another way; `pool` are options of psycopg's."""
    database = connections["default"].settings_dict
    options = database["OPTIONS"]
    before = (database["HOST"], database["PORT"], options["pool"])
    try:
        _go((host, port, {**options["pool"], **pool}))
        yield
    finally:
        _go(before)


def _go(way: tuple[str, int, dict[str, Any]]) -> None:
    connections.close_all()
    ours: Any = connections["default"]
    ours.close_pool()
    database = ours.settings_dict
    database["HOST"], database["PORT"], database["OPTIONS"]["pool"] = way


@contextmanager
def operator() -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else's, straight to the server."""
    database = connections["default"].settings_dict
    with psycopg.connect(
        host=SERVER[0], port=SERVER[1], user=database["USER"], password=database["PASSWORD"],
        dbname=database["NAME"], autocommit=True,
    ) as connection:  # fmt: skip
        yield connection


def end_backends(limit: int | None = None) -> int:
    """As Neon does when it sleeps, restarts or scales: all of them, or some at random."""
    with operator() as connection:
        ended = connection.execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OTHERS}"
            " ORDER BY random() LIMIT %s", [limit],
        )  # fmt: skip
        return len(ended.fetchall())
