"""PostgreSQL or SQLite: reached how, migrated, how full."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from documents.diagnosis.base import Finding, Visits
from documents.quotas import database_size

OLDEST_POSTGRESQL = 150000
LOCAL = ("", "localhost", "127.0.0.1", "::1")
DIRECT_PATIENCE = 4  # seconds, whole ones
NEARLY = 0.9  # of what the plan allows


def probe(visits: Visits) -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        # The driver's text names host and user, and never the password.
        says = str(error).strip().splitlines()[0]
        yield Finding("failed", f"does not answer: {says}", "Check DATABASE_URL.")
        return
    yield from _postgresql() if connection.vendor == "postgresql" else _sqlite()
    yield _migrations()
    yield from _size()


def _postgresql() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int,"
            " pg_backend_pid(), current_setting('max_connections')"
        )
        version, number, backend, connections = cursor.fetchone()
    driver: Any = connection.connection
    # A transaction pooler makes up the process id that a client is greeted with.
    pooled = driver.info.backend_pid != backend
    host = str(connection.settings_dict["HOST"])
    way = "through a pooler" if pooled else f"directly (of {connections} connections)"
    status = "ok" if number >= OLDEST_POSTGRESQL else "failed"
    yield Finding(status, f"PostgreSQL {version}, {way}", "" if status == "ok" else "15 or newer.")  # type: ignore[arg-type]
    if driver.pgconn.ssl_in_use:
        yield Finding("ok", "TLS")
    elif host in LOCAL or host.startswith("/"):
        yield Finding("ok", "no TLS, on this machine")
    else:
        hint = "Add ?sslmode=require to DATABASE_URL."
        yield Finding("warning", "no TLS: passwords and texts travel in the clear", hint)
    yield _session_features(pooled)
    yield from _direct(pooled)


def _direct(pooled: bool) -> Iterator[Finding]:
    """The way that migrations take."""
    import psycopg

    if not settings.DATABASE_DIRECT_URL:
        if pooled:
            hint = "Set DATABASE_DIRECT_URL to the same database without its pooler."
            yield Finding("warning", "migrations have to pass the pooler", hint)
        return
    try:
        with psycopg.connect(
            settings.DATABASE_DIRECT_URL, connect_timeout=DIRECT_PATIENCE, autocommit=True
        ) as direct:
            row = direct.execute("SELECT pg_backend_pid()").fetchone()
            greeted_by = direct.info.backend_pid
    except psycopg.Error as error:
        says = f"DATABASE_DIRECT_URL cannot be used ({type(error).__name__})"
        yield Finding("failed", says, "Check it: migrations take this way.")
        return
    if row == (greeted_by,):
        yield Finding("ok", "DATABASE_DIRECT_URL leads past the pooler")
    else:
        yield Finding("warning", "DATABASE_DIRECT_URL leads to a pooler, too")


def _session_features(pooled: bool) -> Finding:
    """What a transaction pooler cannot keep from one transaction to the next."""
    options: dict[str, Any] = connection.settings_dict.get("OPTIONS") or {}
    prepares = options.get("prepare_threshold") is not None
    cursors = not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    kept = [
        name
        for name, is_used in (("prepared statements", prepares), ("server-side cursors", cursors))
        if is_used
    ]
    if kept and pooled:
        return Finding("warning", f"{' and '.join(kept)} may fail behind a pooler")
    return Finding("ok", f"{' and '.join(kept) or 'nothing'} kept from one transaction to the next")


def _sqlite() -> Iterator[Finding]:
    import sqlite3

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (mode,) = cursor.fetchone()
    if mode == "wal":
        yield Finding("ok", f"SQLite {sqlite3.sqlite_version}, WAL")
    else:
        hint = "VAR_DIR may be on a network drive, which SQLite cannot share."
        yield Finding("warning", f"SQLite {sqlite3.sqlite_version}, journal mode {mode}", hint)


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding("failed", f"{len(missing)} migrations to apply", "Run `manage.py migrate`.")
    return Finding("ok", "all migrations applied")


def _size() -> Iterator[Finding]:
    size = database_size()
    allowed = settings.DATABASE_BYTES if connection.vendor == "postgresql" else 0
    if not allowed:
        yield Finding("ok", f"{size / 1e6:,.1f} MB")
        return
    says = f"{size / 1e6:,.1f} of {allowed / 1e6:,.1f} MB"
    if size > NEARLY * allowed:
        yield Finding("warning", says, "Forget old content, or raise DATABASE_BYTES.")
    else:
        yield Finding("ok", says)
