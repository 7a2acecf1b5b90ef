"""What is tried again, and what is not. Named by `ENGINE` in the settings.

Connecting is: psycopg's pool tries again with pauses that grow, and a caller waits for one of its
attempts, but not for long. A query outside of a transaction is: it changed nothing. Anything else
may have been committed before the connection broke, and is up to the caller.
"""

import re
from collections.abc import Callable
from time import monotonic
from typing import Any, Self

import psycopg
from django.db import OperationalError
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg_pool import PoolTimeout

from documents.outages import first_line, postgresql

PATIENCE = 7.0  # seconds for a connection: Neon wakes up in less
TRUSTED = 1.0  # seconds for which a connection in hand is thought to be alive
REFUSAL_PAUSE = 30.0  # seconds
# Neon's words: they come without a code that says as much.
QUOTA = re.compile(r"exceeded .*\bquota|project size limit", re.IGNORECASE)
REFUSALS = re.compile(
    r"authentication failed|(role|database) .* does not exist|no such (user|database)|no pg_hba"
    r"|endpoint ID is not|endpoint could not be found|startup parameter|certificate"
    r"|does not match host name|SSL (was )?required|connection is insecure",
    re.IGNORECASE,
)
READS = re.compile(r"\s*SELECT\b", re.IGNORECASE)


def will_not_pass(error: Exception) -> bool:
    """A refusal that stays one however often somebody asks."""
    return bool(QUOTA.search(str(error)) or REFUSALS.search(str(error)))


class Connection(psycopg.Connection[Any]):
    """One whose making is told to the log when it fails, in words for the operator."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        refusal = postgresql.error
        if refusal is not None and will_not_pass(refusal) and not postgresql.may_be_asked():
            raise psycopg.OperationalError(str(refusal))
        try:
            connection = super().connect(conninfo, **options)
        except psycopg.OperationalError as error:
            if will_not_pass(error):
                postgresql.began(explained(error), REFUSAL_PAUSE)
            else:
                postgresql.began(error)
            raise
        postgresql.over()
        return connection


def explained(error: psycopg.OperationalError) -> psycopg.OperationalError:
    if not QUOTA.search(str(error)):
        return error
    return psycopg.OperationalError(
        "The quota of the database's plan is used up; only a larger plan or the next month helps. "
        f"It says: {first_line(error)}"
    )


class Errors(DatabaseErrorWrapper):
    """A connection that broke is an OperationalError, also where psycopg has another name for it.

    It has none of the server's codes for what it cannot follow: a pooler says twice that the server
    is gone. 25P03: the server ended a transaction that was silent for too long.
    """

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, psycopg.InternalError) and error.sqlstate in (None, "25P03"):
            kind, error = psycopg.OperationalError, psycopg.OperationalError(*error.args)
        super().__exit__(kind, error, trace)


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if pool := self.settings_dict["OPTIONS"].get("pool"):
            pool.setdefault("connection_class", Connection)
        self.execute_wrappers.append(self._read_again)
        self._used_at = monotonic()

    @cached_property
    def wrap_database_errors(self) -> Errors:
        return Errors(self)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """The pool's own limit is short: a refusal is told soon to all who wait, and nobody waits
        for long when the server has been away for some time: threads are few."""
        began = monotonic() if postgresql.error is None else postgresql.since
        while True:
            try:
                connection = super().get_new_connection(conn_params)
                postgresql.over()  # the pool has just asked it
                return connection
            except PoolTimeout as error:
                reason = postgresql.error
                if reason is not None and will_not_pass(reason):
                    raise psycopg.OperationalError(str(reason)) from reason
                if monotonic() >= began + PATIENCE:
                    raise psycopg.OperationalError("There was no connection in time") from (
                        reason or error
                    )

    def close_if_health_check_failed(self) -> None:
        """The pool asks a connection once, when it is fetched. A run holds it for minutes."""
        silent, self._used_at = monotonic() - self._used_at, monotonic()
        if self.connection is None or not self.autocommit or self.in_atomic_block:
            return  # within a transaction, or at its end
        if self.connection.closed or (silent > TRUSTED and not self.is_usable()):
            self.close()

    def _read_again(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """A query that met a dead connection is asked on another, if it is no part of more."""
        try:
            return execute(sql, params, many, context)
        except OperationalError:
            lost = self.connection is not None and self.connection.closed
            alone = self.autocommit and not self.in_atomic_block
            if not (lost and alone and READS.match(sql)):
                raise
        self.close()
        context["cursor"].cursor = self.cursor().cursor
        return execute(sql, params, many, context)
