"""PostgreSQL as the tests reach it: past a pooler, through one, through a proxy that fails."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management.commands import flush
from django.db import connections

ADDRESS = urlsplit(os.environ.get("TEST_DATABASE_URL", ""))
SERVER = (ADDRESS.hostname or "127.0.0.1", ADDRESS.port or 5432)
# Everything goes through a pooler then, but for what makes and drops the test's database.
THROUGH_POOLER = bool(ADDRESS.hostname) and os.environ.get("TEST_PGBOUNCER") == "1"
NAMES = re.compile(r'"([^"]+)"')
FILLED_IN = {"django_content_type", "auth_permission"}
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


@contextmanager
def emptied_past_its_guard() -> Iterator[None]:
    """Let `flush` empty the audit log, which is guarded at any other time.

    What the migrations themselves have filled in stays, so nobody fills it in again: that takes
    longer than most tests.
    """
    audit_log = import_module("documents.migrations.0007_audit_log_and_retention")
    operations = type(connections["default"].ops)
    empty, fill_in = operations.execute_sql_flush, flush.emit_post_migrate_signal

    def unguarded(self: Any, sql_list: list[str]) -> Any:
        if self.connection.vendor == "postgresql":
            # To TRUNCATE so many tables takes ten times as long, whatever is in them.
            tables = {name for statement in sql_list for name in NAMES.findall(statement)}
            emptied = [f'DELETE FROM "{name}"' for name in sorted(tables - FILLED_IN)]
            around = ["SET LOCAL session_replication_role = replica; " + "; ".join(emptied)]
        else:
            drop = [f"DROP TRIGGER IF EXISTS {name}" for name in audit_log.SQLITE_NAMES]
            emptied = [one for one in sql_list if FILLED_IN.isdisjoint(NAMES.findall(one))]
            around = [*drop, *emptied, *audit_log.SQLITE]
        return empty(self, around)

    operations.execute_sql_flush = unguarded
    flush.emit_post_migrate_signal = lambda *arguments, **options: None
    try:
        yield
    finally:
        operations.execute_sql_flush, flush.emit_post_migrate_signal = empty, fill_in


def end_backends(limit: int | None = None) -> int:
    """As Neon does when it sleeps, restarts or scales: all of them, or some at random."""
    with operator() as connection:
        ended = connection.execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OTHERS}"
            " ORDER BY random() LIMIT %s", [limit],
        )  # fmt: skip
        return len(ended.fetchall())
