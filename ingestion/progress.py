"""How far a run is, for whoever watches: in the cache, so that watching asks no database.

A cache that is away costs the watcher something, never the run.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import time

from django.core.cache import cache

from ingestion.models import IngestionRun

logger = logging.getLogger(__name__)

KEPT_SECONDS = 60  # a run that is killed does not look alive for longer
AT_MOST_EVERY = 0.5  # seconds
_published: dict[int, float] = {}


@dataclass(frozen=True)
class Progress:
    """`seconds_left` is None as long as nothing can be said."""

    status: str
    done: int
    total: int | None
    counts: Mapping[str, int]
    current: str  # the document that was finished last
    per_second: float | None
    seconds_left: float | None


def publish_progress(run: IngestionRun, counts: Mapping[str, int], current: str) -> None:
    """Cheap enough to be called for every document."""
    now = time()
    if now - _published.get(run.pk, 0.0) < AT_MOST_EVERY:
        return
    if len(_published) > 1000:
        _published.clear()
    _published[run.pk] = now
    try:
        cache.set(_key(run.pk), asdict(progress_of(run, counts, current, now)), KEPT_SECONDS)
    except Exception as error:  # whatever the cache's client raises
        logger.info("Progress of run %s could not be published: %s", run.pk, error)


def progress_of(
    run: IngestionRun, counts: Mapping[str, int], current: str = "", now: float | None = None
) -> Progress:
    """From the row alone, when nobody has published anything newer."""
    done = sum(number for name, number in counts.items() if name not in ("chunks", "embedded"))
    begun = run.started_at.timestamp() if run.started_at else None
    until = run.finished_at.timestamp() if run.finished_at else now or time()
    rate = done / (until - begun) if begun and done and until > begun else None
    left = None
    if rate and run.total and not run.is_finished:
        left = max(run.total - done, 0) / rate
    return Progress(run.status, done, run.total, dict(counts), current, rate, left)


def watched_progress(run_id: int) -> Progress | None:
    """What was published last; None: ask the row."""
    try:
        found = cache.get(_key(run_id))
    except Exception as error:  # as above
        logger.info("Progress of run %s could not be read: %s", run_id, error)
        return None
    return Progress(**found) if found else None


def forget_progress(run_id: int) -> None:
    """The row has a final state, which is what counts from now on."""
    _published.pop(run_id, None)
    try:
        cache.delete(_key(run_id))
    except Exception as error:  # as above; it is forgotten by itself in a minute
        logger.info("Progress of run %s could not be forgotten: %s", run_id, error)


def _key(run_id: int) -> str:
    return f"ingestion:run:{run_id}"
