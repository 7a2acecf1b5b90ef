"""Named places where a crash test may stop the process: the steps that must survive it.

`FAILPOINT=publish.committed` kills the process with SIGKILL where that name is reached;
`publish.committed:3` the third time; `publish.committed=freeze` stops it with SIGSTOP, to be
thawed by the test. tests/test_failpoints.py holds this list against the code: a step that writes
has a failpoint, and a failpoint that nobody passes does not stay on the list.
"""

import os
import signal
import threading

from django.conf import settings

FAILPOINTS = {
    "run.superseded": "inside the transaction that closes the runs of the dead and starts this one",
    "run.started": "the run is marked as running, nothing was read yet",
    "lease.taken": "the source belongs to this run, which does not know it yet",
    "batch.embedded": "vectors were paid for and are held in memory alone",
    "batch.upserted": "points are stored, no row makes them visible",
    "publish.writing": "inside the transaction that replaces the rows of one document",
    "publish.committed": "new rows are live, the index still owes payloads and deletions",
    "drain.deleted": "points without rows are gone, payloads are not written yet",
    "drain.written": "the index is right, the outbox does not know it",
    "drain.forgotten": "the outbox is shorter, more may be waiting",
    "verify.read": "all points were found, the document is not marked as indexed",
    "verify.marked": "the document is marked, its item is not on record",
    "items.written": "items are on record, the run goes on",
    "remove.writing": "inside the transaction that deletes a document",
    "remove.committed": "the document is invisible, its points may still be there",
    "remove.verified": "the points are gone, the item is not on record",
    "run.finishing": "all is done, the run is still marked as running",
    "run.finished": "the run is marked as done, the lease is still held",
    "lease.released": "the source is free, the next run was not looked for",
    "upload.stored": "files are stored, no row names them",
    "upload.recorded": "files, their rows and their run are there, and so are those they replaced",
    "queue.recorded": "a run is on record, the queue was not told",
    "delete.writing": "inside the transaction of a deletion that somebody asked for",
    "delete.committed": "deleted documents are invisible; points and files are still there",
    "delete.drained": "points are gone, files are still there",
    "delete.purged": "everything is gone, the receipt was not given",
    "reindex.created": "the second collection is there, empty",
    "reindex.copied": "a part of the chunks is in the second collection",
    "reindex.verified": "the second collection is complete, the alias points to the first",
    "reindex.flipped": "the alias points to the second collection",
    "reconcile.repaired": "some differences are repaired, others not yet",
}

_passed: dict[str, int] = {}
_lock = threading.Lock()


def failpoint(name: str) -> None:
    """Nothing, unless the settings name this place."""
    if settings.FAILPOINT:
        _stop_at(name)


def _stop_at(name: str) -> None:
    wanted, _, action = settings.FAILPOINT.partition("=")
    wanted, _, time = wanted.partition(":")
    if name != wanted:
        return
    with _lock:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] != int(time or 1):
            return
    # Not an exception: no `finally`, no rollback by us, exactly as when the machine takes the
    # process away.
    os.kill(os.getpid(), signal.SIGSTOP if action == "freeze" else signal.SIGKILL)
