"""The threads of a worker process: each waits for a message, or for the moment of the next look."""

import logging
from contextlib import suppress
from typing import Any

from django.conf import settings
from huey import consumer
from huey.contrib.djhuey import HUEY

from documents.stopping import at_work, stopping
from ingestion.tasks import work

logger = logging.getLogger(__name__)

SIGN_SECONDS = 30.0  # between two signs of life
PAUSE = 2.0  # seconds before a queue that does not answer is asked again


class Waiting(consumer.Worker):
    """A thread that works when it is woken up."""

    in_doubt = True  # it may have missed something: it has just begun, or the queue was away
    away = False

    def loop(self, now: Any = None) -> None:
        try:
            look = self.huey.look_is_due() or self.in_doubt
            message = None if look else self.huey.dequeue()
            if message is not None:
                self.huey.execute(message)
        except ValueError as error:  # whoever sent it may have wanted something all the same
            logger.warning("A message that was not signed with our SECRET_KEY: %s", error)
            self.in_doubt = True
        except Exception as error:  # whatever the queue's client raises
            self._wait_for_the_queue(error)
        else:
            if self.away:
                logger.warning("The queue answers again.")
            self.away = self.in_doubt = False
            if look:
                work.call()
            if look or message is not None:
                self.delay = self.default_delay
            elif not self.huey.storage.blocking:
                self.sleep()

    def _wait_for_the_queue(self, error: Exception) -> None:
        if not self.away:
            logger.warning("The queue does not answer: %s", error)
        self.away = self.in_doubt = True
        self.stop_flag.wait(PAUSE)


class SignOfLife(consumer.Scheduler):
    """Nothing is delayed in the queue itself, so this thread only says that the process is there,
    also while all others are at work."""

    def loop(self, now: Any = None) -> None:
        with suppress(Exception):  # whatever the queue's client raises; the others tell of it
            self.huey.leave_sign()
        self.stop_flag.wait(SIGN_SECONDS)


class Consumer(consumer.Consumer):
    """In a server, or in a process of its own; either has its own handlers for signals."""

    worker_class = Waiting
    scheduler_class = SignOfLife

    def __init__(self, **options: Any) -> None:
        from_settings: Any = settings.HUEY["consumer"]
        super().__init__(HUEY, **{**from_settings, **options})

    def start(self) -> None:
        stopping.clear()
        super().start()

    def end(self, seconds: float) -> bool:
        """Runs stop at their next document and are handed back; False if one took longer.

        Nobody waits for idle threads: they hear nothing while they wait for Redis.
        """
        stopping.set()
        self.stop()
        return at_work.wait_until_none(seconds)

    def _set_signal_handlers(self) -> None:
        pass
