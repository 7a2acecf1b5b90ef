"""`manage.py run_huey`: a worker process. Any number of them may run, on any machine."""

import signal
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingestion.consumer import Consumer

LAST_SECONDS = 20.0


class Command(BaseCommand):
    help = "Do the runs that are due, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, help="runs at a time; WORKER_THREADS by default")

    def handle(self, *, workers: int | None, **options: Any) -> None:
        if settings.WORKER == "none":
            raise CommandError("WORKER=none: set it to auto or external to work in the background.")
        if workers is not None and workers < 1:
            raise CommandError("--workers must be 1 or more.")
        stop = Event()

        def told_to_stop(number: int, frame: object) -> None:
            stop.set()
            signal.signal(number, signal.SIG_DFL)  # the second time, at once

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, told_to_stop)
        consumer = Consumer(**({"workers": workers} if workers else {}))
        consumer.start()
        self.say("Waiting for work. Stop with Ctrl-C.")
        stop.wait()
        self.say("Stopping: a run ends at its next document and is handed back.")
        if not consumer.end(LAST_SECONDS):
            self.say("A run did not stop in time; it is taken up again when its lease is over.")

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
