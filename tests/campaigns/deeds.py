"""kill -9 in what people ask for: uploads, deletions, another embedding space, repairs.

    python -m tests.campaigns.deeds --kills 100 --per-failpoint 5 --seed 1

Like tests.campaigns.crashes, whose trials are of runs. What had been committed when the process
died must be done in the end, what had not must have left nothing; nobody does anything about it
but what an operator does: let a worker work, run the command again, `reconcile --repair`.
"""

import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.campaigns.crashes import INGESTION, Campaign, parser_of, parts

DIMENSIONS = {64: 96, 96: 64}
# Reached before anything is committed; what is killed there must have left nothing.
NOTHING_YET = ("delete.writing", "upload.stored")


def main(arguments: list[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--kills", type=int, default=8, help="at random moments, of each deed")
    parser.add_argument("--per-failpoint", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place, parts(Path(place), wire=options.wire):
        deeds = Deeds(Path(place), options.seed, log=options.log)
        deeds.kills_at_failpoints(options.per_failpoint)
        deeds.random_kills(options.kills)
        report = deeds.report()
    print(json.dumps(report, indent=2))
    return 0 if report["clean"] else 1


class Deeds(Campaign):
    """A folder as in the campaign of runs; beside it a shelf of uploads."""

    def __init__(self, place: Path, seed: int, *, log: Path | None) -> None:
        from tests.campaigns.processes import Child
        from tests.campaigns.world import World

        super().__init__(place, seed, "", log)
        self.shelf = World(place / "given", random.Random(seed + 2), prefix="sheet")
        self.worlds = [self.world, self.shelf]
        self.usual_of: dict[str, float] = {}
        for deed in DEEDS:  # undisturbed
            child = Child(getattr(self, f"_to_{deed}")())
            ended = child.end()
            self.done()
            self.usual_of[deed] = ended.seconds
            self._judge_all(f"an undisturbed {deed}")

    def kills_at_failpoints(self, times: int) -> None:
        from documents.failpoints import FAILPOINTS

        for name in FAILPOINTS:
            for number in range(times if not name.startswith(INGESTION) else 0):
                deed = OF_FAILPOINT[name.split(".")[0]]
                self._trial(deed, f"{name} {number}", failpoint=name)

    def random_kills(self, count: int) -> None:
        for number in range(count):
            for deed in DEEDS:
                seconds = self.dice.uniform(0, self.usual_of[deed])
                self._trial(deed, f"{deed} {number}", seconds=seconds)

    def _trial(
        self, deed: str, trial: str, *, failpoint: str = "", seconds: float | None = None
    ) -> None:
        from tests.campaigns.processes import Child, Moment, in_child

        work = getattr(self, f"_to_{deed}")()
        dies = None if seconds is None else Moment(0, seconds)
        killed = self._note(Child(work, failpoint, dies=dies).end())
        if failpoint and not killed:
            self.trials[f"not reached: {failpoint}"] += 1
        self.trials["killed" if killed else "came to its end before"] += 1
        if killed and (failpoint in NOTHING_YET):
            self.undone()
        else:
            if killed and (not failpoint or deed in ("reindex", "repair")):
                in_child(work)  # whoever asked for it gets no answer, and asks again
            self.done()
        self._judge_all(trial)

    def _judge_all(self, trial: str) -> None:
        """After a worker has worked; then that nothing is left to be repaired, or lies about."""
        from tests.campaigns import installation
        from tests.campaigns.processes import in_child

        in_child(self._work)
        self.judge(trial)
        in_child(installation.repair)
        in_child(self._work)
        left = in_child(installation.repair)
        files = in_child(lambda: sorted(installation.stored_files()))
        if left or files:
            self.trials["violated"] += 1
            self.total.ghost += len(files)
            self.total.wrong += sum(left.values())
            print(f"{trial}: left to repair {left}, files {files}", file=sys.stderr)
        self.judge(f"{trial}, repaired")

    # The deeds: each prepares, and returns what is to be done; sets what is true if it was (not)

    def _to_upload(self) -> Callable[[], Any]:
        from tests.campaigns import installation

        before = dict(self.shelf.pages)
        name = self.shelf.create() if self.dice.random() < 0.5 or not before else self._other()
        content, after = (self.shelf.folder / name).read_text(), dict(self.shelf.pages)
        self.done = lambda: self.shelf.pages.update(after)
        self.undone = lambda: self._put_back(before)
        return lambda: installation.upload(name, content)

    def _other(self) -> str:
        """Another version of a sheet that is there."""
        name = self.dice.choice(sorted(self.shelf.pages))
        self.shelf.rewrite(name)
        return name

    def _put_back(self, pages: dict[str, list[str]]) -> None:
        self.shelf.pages.clear()
        self.shelf.pages.update(pages)

    def _to_delete(self) -> Callable[[], Any]:
        from tests.campaigns import installation
        from tests.campaigns.processes import in_child

        self._change()
        in_child(self._work)
        world = self.shelf if self.shelf.pages and self.dice.random() < 0.5 else self.world
        name = self.dice.choice(sorted(world.pages))

        def done() -> None:
            del world.pages[name]
            # The file stays in its folder, and is read once more: it must not bring the page back.
            in_child(installation.queue)
            self._judge_all(f"{name} read again")
            (world.folder / name).unlink()

        self.done, self.undone = done, lambda: None
        return lambda: installation.delete_page(name)

    def _to_reindex(self) -> Callable[[], Any]:
        from tests.campaigns import installation

        self._change()  # a run waits, in whichever space it will be
        installation.dimension = DIMENSIONS[installation.dimension]
        self.done = self.undone = lambda: None
        return installation.reindex

    def _to_repair(self) -> Callable[[], Any]:
        from tests.campaigns import installation
        from tests.campaigns.processes import in_child

        in_child(self._work)
        seed = self.dice.randrange(10**9)
        in_child(lambda: installation.damage(seed))
        self.done = self.undone = lambda: None
        return installation.repair

    done: Callable[[], Any]
    undone: Callable[[], Any]


DEEDS = ("upload", "delete", "reindex", "repair")
OF_FAILPOINT = {
    "upload": "upload", "queue": "upload", "delete": "delete", "reindex": "reindex",
    "reconcile": "repair",
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
