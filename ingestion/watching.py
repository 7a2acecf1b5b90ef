"""What somebody who watches a run is told: from the cache alone while it is at work."""

import logging
from math import inf
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.timezone import localtime, now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ingestion.models import IngestionRun
from ingestion.progress import Progress, progress_of, watched_progress
from ingestion.worker import worker_seen_at

logger = logging.getLogger(__name__)

SALT = "ingestion.progress"
TOKEN_SECONDS = 600
COUNTED = ("new", "changed", "unchanged", "removed", "skipped", "waiting", "failed")
Status = IngestionRun.Status
# Seconds to the next look: a run that waits need not be asked for often.
AT_WORK, NOT_BEGUN, LONGEST = 1.5, 2.0, 300.0
SILENCE = 120.0  # seconds: four signs of life of a worker are missing


def token_for(run_id: int) -> str:
    """Lets its holder watch this run for some minutes, without a session that is looked up."""
    return signing.dumps(run_id, salt=SALT)


def run_id_of(token: str) -> int | None:
    try:
        run_id = signing.loads(token, salt=SALT, max_age=TOKEN_SECONDS)
    except signing.BadSignature:
        return None
    return run_id if isinstance(run_id, int) else None


def sight_of(run_id: int) -> dict[str, Any] | None:
    """For the page that watches; None when there is no such run."""
    progress = watched_progress(run_id)
    if progress is not None:
        return sight(progress)
    run = IngestionRun.objects.filter(pk=run_id).first()
    return None if run is None else sight_of_row(run)


def sight_of_row(run: IngestionRun) -> dict[str, Any]:
    shown = sight(progress_of(run, run.counts))
    if run.next_attempt_at is not None:
        when = f"{localtime(run.next_attempt_at):%H:%M:%S}"
        shown["texts"]["state"] += _(" Next attempt at %s UTC.") % when
        seconds = (run.next_attempt_at - now()).total_seconds()
        shown["again_in"] = min(max(seconds, NOT_BEGUN), LONGEST)
    if run.cancel_requested and not run.is_finished:
        shown["texts"]["state"] += _(" It was asked to stop, and does so at its next document.")
    if trouble := why_nothing_happens(run):
        shown["texts"]["state"] += f" {trouble}"
    return shown


def why_nothing_happens(run: IngestionRun) -> str:
    """In words, if it is because nobody is there to do it. Asks the queue, and no database."""
    if run.is_finished:
        return ""
    try:
        seen = worker_seen_at()
    except Exception as error:  # whatever the queue's client raises
        logger.info("It is not known whether a worker is there: %s", error)
        if run.status == Status.RUNNING:
            return ""
        return _("The queue does not answer; workers go on when it does.")
    moments = (seen or run.created_at, run.heartbeat_at, run.next_attempt_at)
    silence = (now() - max(filter(None, moments))).total_seconds()
    if silence < SILENCE:
        return ""
    if settings.WORKER == "none":
        return _("Nobody works in the background: WORKER is none.")
    if settings.WORKER == "auto" and not settings.REDIS_URL:
        remedy = _("Start the server as `make run` does, or `manage.py run_huey`.")
    else:
        remedy = _("Start `manage.py run_huey`.")
    return _("No worker has been seen for %s.") % duration(silence) + f" {remedy}"


def sight(progress: Progress) -> dict[str, Any]:
    counts = {name: progress.counts.get(name, 0) for name in COUNTED}
    return {
        "status": progress.status,
        "finished": progress.status not in IngestionRun.UNFINISHED,
        "done": progress.done,
        "total": progress.total,
        "troubled": counts["failed"] + counts["waiting"],
        "again_in": AT_WORK if progress.status == Status.RUNNING else NOT_BEGUN,
        "texts": {
            **{name: str(number) for name, number in counts.items()},
            "state": in_words(progress.status),
            "done": _("%(done)s of %(total)s") % {"done": progress.done, "total": progress.total}
            if progress.total is not None
            else str(progress.done),
            "rate": _("%.1f a second") % progress.per_second if progress.per_second else "–",
            "left": duration(progress.seconds_left),
            "current": progress.current or "–",
        },
    }


def in_words(status: str) -> str:
    return {
        Status.QUEUED: _("Queued: the next free worker takes it up."),
        Status.RUNNING: _("At work."),
        Status.WAITING: _("Not done yet: what did not work is tried again."),
        Status.SUCCEEDED: _("Done."),
        Status.INCOMPLETE: _("Done, but some documents failed."),
        Status.FAILED: _("Failed: it ended before it was done."),
        Status.CANCELLED: _("Cancelled. What was published until then stays."),
    }[Status(status)]


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for unit, limit, names in (
        (1, 90, ("%d second", "%d seconds")),
        (60, 90 * 60, ("%d minute", "%d minutes")),
        (3600, inf, ("%d hour", "%d hours")),
    ):
        if seconds < limit:
            number = max(1, round(seconds / unit))
            return _("about %s") % (ngettext(*names, number) % number)
    raise AssertionError("unreachable")
