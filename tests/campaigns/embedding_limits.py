"""Documents are ingested while the provider refuses every third call; some processes are killed.

    python -m tests.campaigns.embedding_limits --documents 1000 --workers 3 --seed 1

30 % of the calls to the stand-in for Cohere are answered with 429 (Retry-After as seconds, as a
date, or none), 5 % with a 5xx. Several `manage.py ingest` run at once, each over a source of its
own; all are killed with SIGKILL once a share of the texts is embedded; then they run again, and a
third time, which must embed nothing. Measured where it counts, at the stand-in, all workers
together: no call before Retry-After is over, at most six attempts at a batch, and no text whose
point was stored is ever sent again. In the end pages, rows and points are held together by content.

They share their pace through a Redis of their own (without `redis-server`, one worker works alone).
The same seed fails the same attempts at the same batches. `--hasty` shortens the wait after a 429
that names no time, which is twenty seconds. `--without GUARD` is the positive control: `waiting`
(nobody waits for Retry-After), `resuming` (what is stored is not looked up).
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from math import ceil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tests.campaigns.crashes import commit
from tests.campaigns.world import World, judge
from tests.processes import ROOT, environment
from tests.standins import CohereStandIn, html_reply
from tests.standins.base import Recorded, Reply, json_reply
from tests.standins.cohere import EMBED, error, too_many_requests
from tests.standins.qdrant_process import QdrantProcess, free_port

GUARDS = ("waiting", "resuming")
DIMENSION = 256
LIMITED, BROKEN = 0.30, 0.05  # shares of the calls
KILLED_AT = 0.4  # of the texts
MOST_ATTEMPTS = 6
# Seconds in which a call may be on its way already when somebody else is told to wait.
ON_ITS_WAY = 0.25
PATIENCE = 900.0  # seconds for a run of all workers
HASTY_WAITS = (1.0, 2.0)
PROGRAM = """
import sys
from tests.campaigns.embedding_limits import patch
patch({without!r}, {hasty!r})
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@dataclass
class Attempt:
    """A call to embed, as the stand-in met it. Moments are epoch seconds."""

    texts: tuple[str, ...]
    arrived_at: float
    phase: int
    status: int = 200
    until: float = 0.0  # nobody may call before; 0: nothing was said
    told_at: float = 0.0

    @property
    def worker(self) -> str:
        """Whose it is: pages are named after it."""
        return self.texts[0].split("-")[0]

    def told(self) -> dict[str, Any]:
        return {"worker": self.worker, "texts": len(self.texts), "phase": self.phase,
                "arrived_at": round(self.arrived_at, 3), "status": self.status,
                "until": round(self.until, 3)}  # fmt: skip


class LimitedCohere(CohereStandIn):
    """Fails by dice that depend on the batch and its attempt alone."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed, self.phase = seed, 1
        self.attempts: list[Attempt] = []
        self.tried: Counter[tuple[str, ...]] = Counter()

    def respond(self, request: Recorded) -> Reply:
        now = time.time()
        if request.path != EMBED or (refused := self._authorised(request)):
            return refused if request.path == EMBED else error(404, "not here")
        texts = tuple(request.json["texts"])
        self.tried[texts] += 1
        attempt = Attempt(texts, now, self.phase)
        self.attempts.append(attempt)
        dice = random.Random(f"{self.seed} {zlib.crc32(repr(texts).encode())} {self.tried[texts]}")
        luck = dice.random()
        if luck < LIMITED:
            return self._limited(attempt, dice)
        if luck < LIMITED + BROKEN:
            attempt.status = dice.choice([500, 503, 504])
            return dice.choice([html_reply, lambda status: error(status, "down")])(attempt.status)
        return json_reply(
            {
                "id": "1", "response_type": "embeddings_by_type", "texts": texts,
                "embeddings": {"float": [vector(text).tolist() for text in texts]},
                "meta": {"billed_units": {"input_tokens": len(texts)}},
            }
        )  # fmt: skip

    def _limited(self, attempt: Attempt, dice: random.Random) -> Reply:
        attempt.status, attempt.told_at = 429, time.time()
        match dice.choice(["seconds", "date", "none"]):
            case "seconds":
                seconds = dice.choice([1, 2])
                attempt.until = attempt.told_at + seconds
                return too_many_requests(retry_after=str(seconds))
            case "date":
                attempt.until = float(ceil(attempt.told_at + dice.uniform(0.5, 1.5)))
                return too_many_requests(retry_after=formatdate(attempt.until, usegmt=True))
        return too_many_requests()

    # What was met

    def early(self) -> list[float]:
        """Seconds by which calls came too early. Whoever was told waits from that moment on; of the
        others a call may have been on its way."""
        found = []
        for number, told in enumerate(self.attempts):
            for attempt in self.attempts[number + 1 :]:
                if attempt.arrived_at >= told.until:
                    break
                same = attempt.worker == told.worker
                if same or attempt.arrived_at > told.told_at + ON_ITS_WAY:
                    found.append(round(told.until - attempt.arrived_at, 3))
        return found

    def sent(self, phases: set[int]) -> set[str]:
        return {text for one in self.attempts if one.phase in phases for text in one.texts}

    def embedded(self) -> Counter[str]:
        """How often each text was embedded with success."""
        return Counter(text for one in self.attempts if one.status == 200 for text in one.texts)


def vector(text: str) -> "np.ndarray":
    dice = np.random.default_rng(zlib.crc32(text.encode()))
    some = dice.standard_normal(DIMENSION)
    return np.asarray(some / np.linalg.norm(some)).round(6)


class Campaign:
    def __init__(
        self, seed: int, place: Path, documents: int, workers: int, *, without: str = "",
        hasty: bool = False,
    ) -> None:  # fmt: skip
        self.seed, self.without, self.hasty = seed, without, hasty
        self.worlds = [
            World(place / f"source-{number}", random.Random(seed + number), f"page{number}")
            for number in range(workers)
        ]
        for number, world in enumerate(self.worlds):
            world.written = number * 1_000_000  # no text twice
            world.populate(documents // workers + (number < documents % workers))

    def run(self, env: dict[str, str], cohere: LimitedCohere) -> dict[str, Any]:
        began = time.monotonic()
        total = sum(len(texts) for world in self.worlds for texts in world.pages.values())
        killed = self._ingest(env, until=lambda: len(cohere.embedded()) >= KILLED_AT * total)
        stored = stored_ids()
        cohere.phase = 2
        failed = self._ingest(env)
        cohere.phase = 3
        failed += self._ingest(env)
        return self.report(cohere, killed, stored, failed, time.monotonic() - began)

    def _ingest(self, env: dict[str, str], until: Callable[[], bool] | None = None) -> int:
        """All workers at once. How many were killed, or did not succeed."""
        program = PROGRAM.format(without=self.without, hasty=self.hasty)
        running = [
            subprocess.Popen(
                [sys.executable, "-c", program, "ingest", str(world.folder),
                 "--corpus", "trial", "--json"],
                cwd=ROOT, env=env, stdout=subprocess.DEVNULL,
            )
            for world in self.worlds
        ]  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        try:
            while any(process.poll() is None for process in running):
                if time.monotonic() > deadline:
                    raise TimeoutError("the workers do not come to an end")
                if until is not None and until():
                    break
                time.sleep(0.01)
        finally:
            for process in running:
                process.kill()
        codes = [process.wait(30) for process in running]
        return sum(code == -signal.SIGKILL if until else code != 0 for code in codes)

    def report(
        self, cohere: LimitedCohere, killed: int, stored: set[Any], failed: int, seconds: float
    ) -> dict[str, Any]:
        from documents.models import Chunk
        from ingestion.models import IngestionRun
        from tests.campaigns.installation import points_over_the_wire

        rows, texts = [], {}
        for chunk in Chunk.objects.select_related("document").order_by("pk"):
            rows.append((chunk.document.key, chunk.text, chunk.pk))
            texts[chunk.pk] = chunk.searchable_text
        expected = {text for world in self.worlds for text in world.expected()}
        points, live = points_over_the_wire()
        vectors = {pk: vector(text).astype(np.float32) for pk, text in texts.items()}
        stuck = IngestionRun.objects.unfinished().count()
        verdict = judge(expected, rows, points, vectors, live, stuck)
        again = {texts[pk] for pk in stored if pk in texts} & cohere.sent({2, 3})
        early = cohere.early()
        statuses = Counter(one.status for one in cohere.attempts)
        most = max(cohere.tried.values())
        found = {
            "lost": verdict.lost, "ghost": verdict.ghost, "duplicate": verdict.duplicate,
            "wrong vector": verdict.wrong, "stuck": verdict.stuck, "workers that failed": failed,
            "calls before Retry-After was over": len(early),
            "batches tried too often": sum(n > MOST_ATTEMPTS for n in cohere.tried.values()),
            "finished texts sent again": len(again),
            "texts sent by the third run": len(cohere.sent({3})),
        }  # fmt: skip
        return {
            "seed": self.seed, "commit": commit(), "without": self.without, "hasty": self.hasty,
            "documents": sum(len(world.pages) for world in self.worlds), "texts": len(expected),
            "workers": len(self.worlds), "killed": killed, "points_at_the_kill": len(stored),
            "calls": len(cohere.attempts), "statuses": dict(sorted(statuses.items())),
            "asked_to_wait": sum(one.until > 0 for one in cohere.attempts),
            "batches": len(cohere.tried), "most_attempts_at_a_batch": most,
            "attempts_at_a_batch": dict(sorted(Counter(cohere.tried.values()).items())),
            # Those that were on their way when the process was killed.
            "texts_embedded_twice": sum(n > 1 for n in cohere.embedded().values()),
            "early_by_seconds": sorted(early)[-5:],
            "violations": {name: count for name, count in found.items() if count},
            "details": verdict.details[:5], "seconds": round(seconds),
        }  # fmt: skip


def stored_ids() -> set[Any]:
    from tests.campaigns.installation import points_over_the_wire

    return set(points_over_the_wire()[0])


def patch(without: str, hasty: bool) -> None:
    """In a worker, before Django starts."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    import warnings

    import documents.embedding.cohere as embedding
    from documents.embedding.pacing import Pace

    warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
    if hasty:
        embedding.RATE_LIMIT_WAITS = HASTY_WAITS
    if without == "waiting":
        Pace.wait = lambda self: None  # type: ignore[method-assign]
    elif without == "resuming":
        import django

        django.setup()
        import ingestion.pipeline as pipeline
        from documents.index.qdrant import QdrantIndex

        pipeline.known_documents = lambda source: {}
        preparing = pipeline.IngestionPipeline.prepare

        def prepared(self: Any, *arguments: Any) -> Any:
            with mock.patch.object(QdrantIndex, "present", lambda self, ids: set()):
                return preparing(self, *arguments)

        pipeline.IngestionPipeline.prepare = prepared  # type: ignore[method-assign]


# --- The place ------------------------------------------------------------------------------------


@contextmanager
def redis() -> Iterator[str]:
    """Its URL, on a free port; empty where there is none."""
    command = shutil.which("redis-server")
    if command is None:
        yield ""
        return
    port = free_port()
    server = subprocess.Popen(
        [command, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def production(cohere: CohereStandIn, qdrant: QdrantProcess, redis_url: str) -> dict[str, str]:
    """Environment of a worker, but for its database."""
    return {
        "COHERE_API_KEY": cohere.api_key, "COHERE_BASE_URL": cohere.url,
        "COHERE_EMBED_DIMENSION": str(DIMENSION), "COHERE_CALLS_A_MONTH": "0",
        "COHERE_INPUTS_A_MINUTE": "0", "QDRANT_URL": qdrant.url, "QDRANT_API_KEY": qdrant.api_key,
        "REDIS_URL": redis_url, "WORKER": "none", "LOG_LEVEL": "ERROR",
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--hasty", action="store_true")
    parser.add_argument("--log", type=Path, help="a JSON line for each call to embed")
    parser.add_argument("--without", default="", choices=["", *GUARDS])
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        redis() as redis_url,
        LimitedCohere(options.seed) as cohere,
        QdrantProcess(Path(folder) / "qdrant") as qdrant,
    ):
        place = Path(folder)
        env = {**production(cohere, qdrant, redis_url), "VAR_DIR": str(place / "var"),
               "DATABASE_URL": f"sqlite:///{place / 'db.sqlite3'}"}  # fmt: skip
        os.environ |= {**env, "REDIS_URL": "", "SECRET_KEY": "only-for-campaigns-" + "x" * 40,
                       "DJANGO_SETTINGS_MODULE": "ragsite.settings"}  # fmt: skip
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        workers = options.workers if redis_url else 1
        campaign = Campaign(options.seed, place / "pages", options.documents, workers,
                            without=options.without, hasty=options.hasty)  # fmt: skip
        report = campaign.run(environment(**env), cohere)
    if options.log:
        options.log.write_text("".join(json.dumps(one.told()) + "\n" for one in cohere.attempts))
    print(json.dumps(report, indent=2))
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
