"""One writer at a time for each source, and no word from one that was thought dead.

A lease is held by whoever raised its token last and expires unless it is renewed; times are the
database's own. The token is checked inside every transaction that publishes or removes, so a
process that was frozen past its lease and thaws changes nothing (fencing token: Kleppmann, "How to
do distributed locking", 2016). Row locks only: a pooled connection may change between transactions.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Now

from documents.failpoints import failpoint
from documents.models import Source
from ingestion.models import Lease

logger = logging.getLogger(__name__)

RENEWALS = 6  # in the time after which a lease expires


class SourceBusy(Exception):
    """Somebody else is writing to the source; the message says who."""


class LeaseLost(Exception):
    """The source belongs to somebody else by now. Nothing may be written any more."""


@dataclass(frozen=True)
class HeldLease:
    source: Source
    token: int

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The transaction for every change to the source's documents; raises LeaseLost.

        The lock on the source's row makes changes wait for each other: a deletion in the admin
        and a run that is about to publish the same document.
        """
        with transaction.atomic():
            _end_when_frozen()
            still_there = Source.objects.select_for_update().filter(pk=self.source.pk).exists()
            if not still_there or not self._mine().exists():
                raise LeaseLost(f"The source {self.source} was taken over by another process.")
            yield

    def renew(self) -> bool:
        return bool(self._mine().update(expires_at=_from_now(settings.INGEST_LEASE_SECONDS)))

    def release(self) -> None:
        self._mine().update(holder="", expires_at=Now())

    def _mine(self) -> QuerySet[Lease]:
        return Lease.objects.filter(source_id=self.source.pk, token=self.token)


@contextmanager
def leased(
    source: Source, holder: str, *, each_beat: Callable[[], None] = lambda: None
) -> Iterator[HeldLease]:
    """Hold the source for the block, renewed from a thread; raises SourceBusy.

    `each_beat` is called in that thread with every renewal.
    """
    lease = acquire(source, holder)
    failpoint("lease.taken")
    stop = threading.Event()
    thread = threading.Thread(
        target=_keep, args=(lease, stop, each_beat), name=f"lease {source}", daemon=True
    )
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        thread.join()
        lease.release()
        failpoint("lease.released")


def acquire(source: Source, holder: str) -> HeldLease:
    """Raises SourceBusy while somebody else's lease lasts."""
    Lease.objects.get_or_create(source=source, defaults={"expires_at": Now()})
    name = f"{holder} ({socket.gethostname()}, process {os.getpid()})"[:100]
    with transaction.atomic():
        lease = Lease.objects.select_for_update().get(source=source)
        row = Lease.objects.filter(source=source)
        free = row if holder_is_dead(lease) else row.filter(Q(holder="") | Q(expires_at__lt=Now()))
        taken = free.update(
            holder=name, place=_place(), process=os.getpid(), token=F("token") + 1,
            expires_at=_from_now(settings.INGEST_LEASE_SECONDS),
        )  # fmt: skip
    if not taken:
        raise SourceBusy(
            f"{lease.holder} is at work on it. Wait until it is done, or cancel it in the admin. "
            f"If that process is dead, its lease ends at {lease.expires_at:%H:%M:%S} UTC."
        )
    return HeldLease(source, lease.token + 1)


def holder_is_dead(lease: Lease) -> bool:
    """True only if its process was here and is gone: nobody has to wait for the lease to run out.

    A mistake would cost that process its work, never the data: its token is an old one then.
    """
    if not lease.process or not holder_is_near(lease):
        return False
    try:
        os.kill(lease.process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is somebody else's process
    return False


def holder_is_near(lease: Lease) -> bool:
    """Its process, if it dies, can be seen to be dead from here."""
    return bool(lease.process) and lease.place == _place()


@cache
def _place() -> str:
    """Two containers may share a name, and each count its processes from 1."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _keep(lease: HeldLease, stop: threading.Event, each_beat: Callable[[], None]) -> None:
    try:
        while not stop.wait(settings.INGEST_LEASE_SECONDS / RENEWALS):
            try:
                if not lease.renew():
                    return  # the next transaction will find out
                each_beat()
            except DatabaseError as error:
                # Tried again with the next beat; if none succeeds, the lease runs out.
                logger.warning("The lease on %s could not be renewed: %s", lease.source, error)
                connection.close()
    finally:
        connection.close()


def _end_when_frozen() -> None:
    """A process that stops inside its transaction must not keep the row's lock from its successor:
    the server ends the transaction of a client that says nothing for as long as a lease lasts."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, true)",
                [str(round(settings.INGEST_LEASE_SECONDS * 1000))],
            )


def _from_now(seconds: float) -> ExpressionWrapper:
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
