"""When a key was last used: to within a few minutes, and written while nobody waits for it.

Whoever shows a key has just had the database look for it: what is written then wakes no database
that sleeps. A thread writes, as on SQLite a writer may have to wait for others, and what fails is
left out: the next use writes it.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import DatabaseError, connections
from django.db.models import Q
from django.utils import timezone

from chat.models import ApiKey

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
_later = ThreadPoolExecutor(1, thread_name_prefix="last-used").submit  # starts when it is used
_waiting: set[str] = set()  # prefixes of the keys that it has still to write


def used(key: ApiKey) -> None:
    now = timezone.now()
    if key.prefix in _waiting or (key.last_used_at and now - key.last_used_at < EVERY):
        return
    _waiting.add(key.prefix)
    _later(_write, key.prefix)


def _write(prefix: str) -> None:
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - EVERY)  # another process was faster
    try:
        ApiKey.objects.filter(stale, prefix=prefix).update(last_used_at=now)
    except DatabaseError as error:
        logger.warning("The last use of a key is not written: %s", type(error).__name__)
    finally:
        _waiting.discard(prefix)
        connections.close_all()
