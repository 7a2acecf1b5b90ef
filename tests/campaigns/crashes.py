"""kill -9 at random moments and at every failpoint; afterwards nothing is lost, nothing is left.

    python -m tests.campaigns.crashes --kills 500 --per-failpoint 5 --seed 1

The database is a SQLite file of its own, or DATABASE_URL's (its rows are deleted!); the index is
embedded, or with `--wire` a stand-in for Qdrant behind a socket, on Qdrant's engine. The same seed
gives the same pages and the same moments; what the scheduler makes of them is its own. `--without
GUARD` is the positive control: it must end with violations.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.standins.qdrant_process import QdrantProcess


def main(arguments: list[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--per-failpoint", type=int, default=1)
    parser.add_argument("--without", default="", metavar="GUARD")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place, parts(Path(place), wire=options.wire):
        campaign = Campaign(Path(place), options.seed, options.without, options.log)
        campaign.random_kills(options.kills)
        campaign.kills_at_failpoints(options.per_failpoint)
        report = campaign.report()
    print(json.dumps(report, indent=2))
    return 0 if report["clean"] else 1


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """With what every campaign has."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0] if doc else "")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--wire", action="store_true", help="Qdrant behind a socket")
    parser.add_argument("--log", type=Path, help="a JSON line for each trial")
    return parser


@contextmanager
def parts(place: Path, *, wire: bool) -> Iterator[QdrantProcess | None]:
    """Settings for a trial in `place`; the stand-in for Qdrant if there shall be one."""
    if not wire:
        prepare_settings(place)
        yield None
        return
    with tempfile.TemporaryDirectory() as of_qdrant, QdrantProcess(Path(of_qdrant)) as qdrant:
        os.environ |= {"QDRANT_URL": qdrant.url, "QDRANT_API_KEY": qdrant.api_key}
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
        prepare_settings(place)
        import documents.index.qdrant  # noqa: F401 - once, as below

        yield qdrant


def prepare_settings(place: Path) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    os.environ.setdefault("SECRET_KEY", "only-for-campaigns-" + "x" * 40)
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{place / 'db.sqlite3'}")
    os.environ |= {"VAR_DIR": str(place / "var"), "WORKER": "none", "REDIS_URL": "",
                   "LOG_LEVEL": "ERROR", "EMBEDDER": "none"}  # fmt: skip
    import django

    django.setup()
    # Once, in the parent: a child that is killed while it imports teaches nothing.
    import ingestion.loaders.files
    import ingestion.parsing.markdown
    import ingestion.schedule
    import ingestion.tasks  # noqa: F401


class Campaign:
    def __init__(self, place: Path, seed: int, without: str, log: Path | None) -> None:
        from tests.campaigns import installation
        from tests.campaigns.processes import Child, in_child
        from tests.campaigns.world import Verdict, World

        self.seed, self.without = seed, without
        self.log = log.open("w") if log else None
        self.dice = random.Random(seed)
        self.world = World(place / "pages", random.Random(seed + 1))
        self.worlds = [self.world]
        self.total = Verdict()
        self.trials: Counter[str] = Counter()
        self.phases: Counter[str] = Counter()
        self.begun = time.monotonic()
        in_child(clean_database)
        in_child(lambda: installation.install(str(self.world.folder)))
        self.world.populate(12)
        in_child(installation.queue)
        in_child(self._work)
        self.judge("an undisturbed run")
        self._change()
        undisturbed = Child(self._work).end()
        self.usual, self.usually_passed = undisturbed.seconds, undisturbed.passed

    def random_kills(self, count: int) -> None:
        for number in range(count):
            self._change()
            first = self._killed_somewhere()
            # Sometimes the one that recovers is killed, too.
            if self.dice.random() < 0.3:
                self._killed_somewhere()
            self._recover(f"random {number}", killed=first)

    def kills_at_failpoints(self, times: int) -> None:
        from documents.failpoints import FAILPOINTS

        for name in FAILPOINTS:
            if not name.startswith(INGESTION):
                continue
            for number in range(times):
                self._change()
                if not self._killed_at(f"{name}:{self.dice.randint(1, 3)}"):
                    # It was not passed that often: once, then, with something new to do.
                    self._change()
                    if not self._killed_at(name):
                        self.trials[f"not reached: {name}"] += 1
                self._recover(f"{name} {number}", killed=True)

    def _change(self) -> None:
        from tests.campaigns import installation
        from tests.campaigns.processes import in_child

        self.world.change()
        in_child(installation.queue)

    def _killed_somewhere(self) -> bool:
        """By the clock, most kills meet the slow step, embedding; so every other one is counted
        from a step, and meets what comes soon after it."""
        from tests.campaigns.processes import Child, Moment

        if self.dice.random() < 0.5:
            moment = Moment(0, self.dice.uniform(0, self.usual))
        else:
            passed = self.dice.randint(1, self.usually_passed)
            moment = Moment(passed, self.dice.expovariate(1 / SOON))
        return self._note(Child(self._work, dies=moment).end())

    def _killed_at(self, failpoint: str) -> bool:
        from tests.campaigns.processes import Child

        return self._note(Child(self._work, failpoint).end())

    def _note(self, ended: Any) -> bool:
        if ended.killed:
            self.phases[ended.last_passed or "before the first"] += 1
        elif ended.failed:
            self.trials["failed"] += 1
        return bool(ended.killed)

    def _work(self) -> int:
        from tests.campaigns import installation

        with installation.without_guard(self.without):
            return installation.work()

    def _recover(self, trial: str, *, killed: bool) -> None:
        from tests.campaigns.processes import in_child

        in_child(self._work)
        self.trials["killed" if killed else "came to its end before"] += 1
        self.judge(trial)

    def judge(self, trial: str) -> None:
        from tests.campaigns import installation
        from tests.campaigns.processes import in_child
        from tests.campaigns.world import Verdict

        verdict = Verdict(**in_child(lambda: vars(installation.verdict(*self.worlds))))
        self.total += verdict
        if self.log:
            self.log.write(json.dumps({"trial": trial, **vars(verdict)}) + "\n")
            self.log.flush()
        if not verdict.clean:
            self.trials["violated"] += 1
            print(f"{trial}: {verdict}", file=sys.stderr)

    def report(self) -> dict[str, Any]:
        from django.conf import settings
        from django.db import connection

        return {
            "seed": self.seed,
            "commit": commit(),
            "database": connection.vendor,
            "index": "wire" if settings.QDRANT_URL else "embedded",
            "without": self.without,
            "trials": dict(self.trials),
            "phases": dict(sorted(self.phases.items())),
            "distinct_phases": len(self.phases),
            "lost": self.total.lost, "ghost": self.total.ghost,
            "duplicate": self.total.duplicate, "stuck": self.total.stuck,
            "wrong": self.total.wrong,
            "seconds": round(time.monotonic() - self.begun),
            "clean": self.total.clean and not self.trials["failed"],
        }  # fmt: skip


def commit() -> str:
    """Of the code that is on trial."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


SOON = 0.004  # seconds; about what one statement takes

# Failpoints on the path of a run; the others have trials of their own (tests/campaigns/deeds.py).
INGESTION = ("run.", "lease.", "batch.", "publish.", "drain.", "verify.", "items.", "remove.")


def clean_database() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
