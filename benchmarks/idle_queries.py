"""What an idle installation asks PostgreSQL, counted in PostgreSQL's own log.

    python benchmarks/idle_queries.py                # five minutes
    python benchmarks/idle_queries.py --minutes 1

A PostgreSQL of its own with log_statement=all, a Redis of its own, the web server, and
`manage.py run_huey`. They do one run and have the next one planned; then nobody wants anything, and
a prober asks for liveness and readiness every second. At the end one question shows that the log
counts. Needs initdb, postgres and redis-server (Debian: postgresql, redis-server).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from environment import ROOT

sys.path.insert(0, str(ROOT))
from tests.background import RedisServer, Server, Worker, free_port, until

STATEMENT = re.compile(rb"LOG:  (?:statement|execute [^:]*|fastpath[^:]*):")
CONNECTION = re.compile(rb"LOG:  connection authorized")
SETTLED = 5.0  # seconds without a statement
PREPARE = """
from pathlib import Path
from documents.models import Corpus, Source
from ingestion.worker import queue_run
corpus = Corpus.objects.create(slug="idle", name="Idle", is_public=True)
source = Source.objects.create(corpus=corpus, slug="idle", location="docs/handbook", sync_hours=6)
queue_run(source, trigger="api")
"""
DONE = "from ingestion.models import IngestionRun as R; print({r.status for r in R.objects.all()})"


class Postgres:
    """A cluster in a folder, which ends with the block. It refuses to run as root."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder / "postgres", free_port()
        self.log = folder / "postgres.log"
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.other: dict[str, object] = {}
        self.folder.mkdir()
        if os.geteuid() == 0:
            self.other = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")
            folder.chmod(0o755)

    def __enter__(self) -> "Postgres":
        subprocess.run(
            [program("initdb"), "-D", self.folder, "-U", "postgres", "-A", "trust", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **self.other,
        )  # fmt: skip
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "log_statement": "all",
                   "unix_socket_directories": "", "log_connections": "on"}  # fmt: skip
        command = [program("postgres"), "-D", str(self.folder)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, cwd="/", **self.other)
        until(lambda: b"ready to accept connections" in self.log.read_bytes(), what="PostgreSQL")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def counts(self) -> tuple[int, int]:
        """Statements and connections until now."""
        log = self.log.read_bytes()
        return len(STATEMENT.findall(log)), len(CONNECTION.findall(log))


def program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(installed[-1]) if installed else None)
    return found or sys.exit(f"{name} is not installed.")


def manage(env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=env, check=True, capture_output=True, text=True
    ).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    minutes = parser.parse_args().minutes
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ragsite-idle-")))
        postgres = stack.enter_context(Postgres(folder))
        redis = stack.enter_context(RedisServer(folder))
        (folder / "var").mkdir()
        env = {
            "PATH": os.environ["PATH"], "VAR_DIR": str(folder / "var"), "SECRET_KEY": "s" * 60,
            "DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "WORKER": "auto",
            "EMBEDDER": "none", "QDRANT_URL": "", "COHERE_API_KEY": "", "OPENROUTER_API_KEY": "",
            "OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        manage(env, "migrate", "--verbosity=0")
        server = stack.enter_context(Server(env, folder / "server.log"))
        worker = stack.enter_context(Worker(env, folder / "worker.log", threads=2))
        server.says("Application startup complete.")
        worker.says("Waiting for work.")
        manage(env, "shell", "--verbosity=0", "-c", PREPARE)
        done = "{'succeeded'}"
        until(lambda: manage(env, "shell", "--verbosity=0", "-c", DONE).strip() == done, within=120)
        client = stack.enter_context(httpx.Client(base_url=server.url + "/api/v1/", timeout=10))
        wait_until_settled(postgres)

        statements, connections = postgres.counts()
        commands = redis.commands()
        probes = probe(client, minutes * 60)
        idle_statements, idle_connections = (
            now - before
            for now, before in zip(postgres.counts(), (statements, connections), strict=True)
        )
        since = {name: n - commands.get(name, 0) for name, n in redis.commands().items()}
        since.pop("info", None)
        client.post("conversations/", json={"corpus": "idle"})
        control = until(lambda: postgres.counts()[0] - statements - idle_statements)

    print(f"\n{minutes:g} idle minutes: server, worker with two threads, {probes} probes")
    print(f"{'statements that PostgreSQL logged':40} {idle_statements:6}")
    print(f"{'new connections to PostgreSQL':40} {idle_connections:6}")
    print(f"{'commands that Redis received, a minute':40} {sum(since.values()) / minutes:6.1f}")
    for name, number in sorted(since.items()):
        if number:
            print(f"    {name:36} {number / minutes:6.1f}")
    print(f"{'before that: a run and all else':40} {statements:6}")
    print(f"{'after that: one new conversation':40} {control:6}")
    sys.exit(1 if idle_statements else 0)


def wait_until_settled(postgres: Postgres) -> None:
    before, now = (0, 0), postgres.counts()
    while before != now:
        time.sleep(SETTLED)
        before, now = now, postgres.counts()


def probe(client: httpx.Client, seconds: float) -> int:
    """How often the server was asked."""
    number, until_then = 0, time.monotonic() + seconds
    while time.monotonic() < until_then:
        for name in ("live", "ready"):
            client.get(f"health/{name}/").raise_for_status()
            number += 1
        time.sleep(1.0)
    return number


if __name__ == "__main__":
    main()
