"""The daily purge, by a process that has just used the database anyway.

Nothing waits for a clock: a timer would wake a database that sleeps. What is overdue while nobody
comes is overdue a little longer, and goes with the next reader; `manage.py purge` from cron does
not wait for one.
"""

import logging
import threading
from time import monotonic

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection

from chat.retention import purge

logger = logging.getLogger("ragsite")
AN_HOUR = 3600.0
_next: float | None = None  # None: not since this process began


def after_activity() -> None:
    """Costs nothing but once in PURGE_HOURS."""
    global _next
    if settings.PURGE_HOURS <= 0 or (_next is not None and monotonic() < _next):
        return
    _next = monotonic() + settings.PURGE_HOURS * AN_HOUR
    threading.Thread(target=keep_house, name="purge", daemon=True).start()


def keep_house() -> None:
    """Unless another process has done it, as far as the cache knows."""
    if not cache.add("purge", 1, settings.PURGE_HOURS * AN_HOUR - 60):
        return
    try:
        counts = purge()
    except DatabaseError as error:
        logger.warning("The purge was put off: %s", type(error).__name__)
    else:
        if any(counts.values()):
            logger.info("Purged: %s", ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    finally:
        connection.close()
