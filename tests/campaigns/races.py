"""What happens at the same time: two workers, a frozen one, deletions, parts that go away.

    python -m tests.campaigns.races --times 10 --seed 1 [--only frozen]

Like tests.campaigns.crashes; DATABASE_URL and `--wire` choose the parts.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.campaigns.crashes import INGESTION, Campaign, parser_of, parts
from tests.standins.qdrant_process import QdrantProcess

LEASE_SECONDS = 1.5
# A frozen process keeps a SQLite file locked for everybody: nothing can be done about that.
INSIDE_A_TRANSACTION = ("run.superseded", "publish.writing", "remove.writing")


def main(arguments: list[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--only", choices=TRIALS, action="append")
    parser.add_argument("--without", default="", metavar="GUARD")
    options = parser.parse_args(arguments)
    os.environ["INGEST_LEASE_SECONDS"] = str(LEASE_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with small_disk(place) as small, parts(place, wire=options.wire) as qdrant:
            races = Races(place, options.seed, options.without, options.log)
            races.qdrant = qdrant
            for name in options.only or TRIALS:
                if name == "disk" and not small:
                    races.trials["no small disk could be mounted"] += 1
                    continue
                getattr(races, name)(options.times)
            report = races.report()
    print(json.dumps(report, indent=2))
    return 0 if report["clean"] else 1


class Races(Campaign):
    qdrant: QdrantProcess | None = None

    def two_workers(self, times: int) -> None:
        """Both take whatever is due; each source belongs to one of them at a time."""
        from tests.campaigns.processes import Child, Moment

        for number in range(times):
            self._change()
            moment = Moment(0, self.dice.uniform(0, self.usual))
            dies = moment if self.dice.random() < 0.5 else None
            workers = [Child(self._work, dies=dies), Child(self._work)]
            for worker in workers:
                self._note(worker.end())
            self._recover(f"two workers {number}", killed=False)

    def frozen(self, times: int) -> None:
        """Stopped at each step for longer than its lease; thawed when another has done the work."""
        from django.db import connection

        from documents.failpoints import FAILPOINTS
        from tests.campaigns.processes import Child

        for name in FAILPOINTS:
            alone = connection.vendor == "sqlite" and name in INSIDE_A_TRANSACTION
            if not name.startswith(INGESTION) or alone:
                continue
            for number in range(times):
                self._change()
                frozen = Child(self._work, f"{name}=freeze", may_fail=True)
                if not frozen.wait_until_stopped():
                    self.trials[f"not reached: {name}"] += 1
                    frozen.end()
                    self._recover(f"{name} {number}", killed=False)
                    continue
                time.sleep(LEASE_SECONDS + 0.2)
                self._recover(f"frozen at {name} {number}", killed=False)
                frozen.signal(signal.SIGCONT)
                frozen.end()  # it may say that its transaction was ended, or that it lost the lease
                self.trials["thawed"] += 1
                self.judge(f"thawed at {name} {number}")

    def deletions(self, times: int) -> None:
        """Somebody deletes a page while a run is about to publish it."""
        from tests.campaigns import installation
        from tests.campaigns.processes import Child, in_child

        for number in range(times):
            before = set(self.world.pages)
            self._change()
            page = self.dice.choice(sorted(before & self.world.pages.keys()))  # it is stored
            worker = Child(self._work)
            time.sleep(self.dice.uniform(0, self.usual))
            in_child(lambda page=page: installation.delete_page(page))
            del self.world.pages[page]  # the file stays: it must not bring the page back
            self._note(worker.end())
            self._recover(f"deleted {number}", killed=False)
            in_child(installation.queue)
            self._recover(f"read again after deletion {number}", killed=False)
            (self.world.folder / page).unlink()

    def database(self, times: int) -> None:
        """PostgreSQL ends the connections of the worker in the middle of its work."""
        from django.db import connection

        if connection.vendor != "postgresql":
            self.trials["no PostgreSQL: connections were not cut"] += 1
            return
        from tests.campaigns.processes import Child, in_child

        for number in range(times):
            self._change()
            worker = Child(self._work, may_fail=True)
            time.sleep(self.dice.uniform(0, self.usual))
            in_child(cut_connections)
            ended = worker.end()
            self.trials["cut"] += 1
            self.phases[ended.last_passed or "before the first"] += 1
            time.sleep(LEASE_SECONDS + 0.2)  # what it could not give back
            self._recover(f"cut {number}", killed=False)

    def index_killed(self, times: int) -> None:
        """kill -9 for Qdrant in the middle of a run; it comes back with what it acknowledged."""
        for number in range(times):
            with self._index_in_trouble(f"index killed {number}") as qdrant:
                time.sleep(self.dice.uniform(0, self.usual))
                if qdrant:
                    qdrant.kill()
                    time.sleep(self.dice.uniform(0, 0.5))
                    qdrant.start()

    def answers_lost(self, times: int) -> None:
        """Qdrant does what it was asked to, and nobody hears of it; or it does it too late."""
        for number in range(times):
            with self._index_in_trouble(f"answers lost {number}") as qdrant:
                if qdrant:
                    fault = self.dice.choice(["lose", "truncate", "empty", "null", "status"])
                    every = self.dice.randint(2, 5)
                    late = {"fault": "late", "on": "upsert", "seconds": 0.2, "every": 3}
                    qdrant.fail({"fault": fault, "every": every}, late)
                    self.trials[f"answers: {fault}"] += 1
                    time.sleep(self.usual)

    @contextmanager
    def _index_in_trouble(self, trial: str) -> Iterator[QdrantProcess | None]:
        """A worker works while the block goes on; afterwards the index is well, and the source is
        read once more, as on its next interval."""
        from tests.campaigns import installation
        from tests.campaigns.processes import Child, in_child

        if self.qdrant is None:
            self.trials["no --wire: the index was left alone"] += 1
            yield None
            return
        self._change()
        worker = Child(self._work, may_fail=True)
        yield self.qdrant
        ended = worker.end()
        self.trials["index in trouble"] += 1
        self.trials["failed on it"] += ended.failed
        self.trials["attempts after the first"] += (ended.value or 1) - 1
        self.qdrant.fail()
        in_child(installation.queue)
        self._recover(trial, killed=False)

    def disk(self, times: int) -> None:
        """The disk with the database is full; later somebody frees it."""
        from django.db import connection

        if connection.vendor != "sqlite":
            self.trials["no SQLite: the disk was not filled"] += 1
            return
        from tests.campaigns.processes import Child

        place = Path(connection.settings_dict["NAME"]).parent
        for number in range(times):
            self._change()
            ballast = place / "ballast"
            fill(ballast, leave=self.dice.choice([0, 4096, 65536]))
            ended = Child(self._work, may_fail=True).end()
            self.trials["out of space" if ended.failed else "had space enough"] += 1
            ballast.unlink()
            time.sleep(LEASE_SECONDS + 0.2)
            self._recover(f"disk full {number}", killed=False)


TRIALS = (
    "two_workers", "frozen", "deletions", "database", "index_killed", "answers_lost", "disk",
)  # fmt: skip


def cut_connections() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A disk of a few megabytes in which the trial lives, where that may be mounted."""
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True
        ).returncode
        == 0
        if os.geteuid() == 0
        else False
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=False)


def fill(ballast: Path, *, leave: int) -> None:
    free = os.statvfs(ballast.parent)
    size = free.f_bavail * free.f_frsize - leave
    with ballast.open("wb") as file:
        file.write(b"\0" * max(size, 0))


if __name__ == "__main__":
    sys.exit(main())
