"""Two server processes on one database and one Redis, before a model that speaks slowly.

Nothing stands before them: readers know both addresses.
"""

import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx
import psycopg

from tests.background import RedisServer, Server, free_port, until
from tests.campaigns.voices import PAGE, Stage, Voices
from tests.processes import EMPTY, ROOT
from tests.standins.production import POSTGRESQL, drop_database, make_database

READY = "/api/v1/health/ready/"
BEFORE_READY = 180.0  # seconds, of a busy machine
ANSWERS = (
    "SELECT id, status, outcome, text, finished_at IS NOT NULL FROM chat_message"
    " WHERE role = 'assistant'"
)


class Stored(NamedTuple):
    """An answer as its row has it."""

    status: str
    outcome: str
    text: str
    finished: bool


class Pair:
    """A context manager. `database` names one of PostgreSQL's, made and dropped here; "": SQLite.

    `processes` may be 1, and `redis` False: the embedded shape. `without` a guard: the servers are
    those of tests/campaigns/maimed.py.
    """

    def __init__(
        self,
        folder: Path,
        stage: Stage,
        *,
        database: str = "",
        processes: int = 2,
        redis: bool = True,
        without: str = "",
        **variables: object,
    ) -> None:
        self.folder, self.database = folder, database
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model = Voices()
        self.model.stage = stage
        self.redis = RedisServer(folder) if redis else None
        self.ports = [free_port() for _ in range(processes)]
        self.application = "ragsite.asgi:application"
        if without:
            self.application = "tests.campaigns.maimed:application"
            variables["WITHOUT"] = without
        self.variables = {name: str(value) for name, value in variables.items()}

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            parts.enter_context(self.model)
            if self.redis:
                parts.enter_context(self.redis)
            if self.database:
                drop_database(self.database)
                make_database(self.database)
                parts.callback(drop_database, self.database)
            self.env = self._environment()
            pages = self.folder / "pages"
            pages.mkdir()
            (pages / "lamp.md").write_text(PAGE)
            self.manage("migrate", "-v0")
            self.manage("ingest", pages, "--corpus", "lighthouse", "--public")
            self.servers = [self._server(at) for at in range(len(self.ports))]
            parts.callback(self.kill)
            self._parts = parts.pop_all()
        try:
            for at in range(len(self.ports)):
                self.until_ready(at)
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._parts.close()

    @property
    def addresses(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def start(self, at: int) -> None:
        """The one that has ended, on its port."""
        self.servers[at] = self._server(at)
        self.until_ready(at)

    def until_ready(self, at: int) -> None:
        def ready_or_ended() -> bool:
            return self.servers[at].has_ended or is_ready(self.addresses[at])

        until(ready_or_ended, BEFORE_READY, f"server {at}")
        assert not self.servers[at].has_ended, self.servers[at].output

    @property
    def logs(self) -> str:
        return "".join(log.read_text(errors="replace") for log in self.folder.glob("server*.log"))

    def stored_as(self, message: str) -> Stored | None:
        return self.stored().get(message.replace("-", ""))

    def left_streaming(self) -> int:
        return sum(one.status == "streaming" for one in self.stored().values())

    def stored(self) -> dict[str, Stored]:
        """Answers by their id."""
        if not self.database:
            with sqlite3.connect(self.folder / "db.sqlite3", timeout=30) as file:
                rows: Any = file.execute(ANSWERS).fetchall()
        else:
            host, port = POSTGRESQL
            with psycopg.connect(
                host=host, port=port, user="postgres", dbname=self.database
            ) as connection:
                rows = connection.execute(ANSWERS).fetchall()
        return {str(pk).replace("-", ""): Stored(*row, bool(end)) for pk, *row, end in rows}

    def manage(self, *arguments: object) -> None:
        command = [sys.executable, "manage.py", *map(str, arguments)]
        subprocess.run(
            command, cwd=ROOT, env=self.env, check=True, stdout=subprocess.DEVNULL, timeout=120
        )

    def _server(self, at: int) -> Server:
        # As on two machines: neither sees the other's files.
        own = self.folder / f"machine{at}"
        own.mkdir(exist_ok=True)
        return Server(
            {**self.env, "VAR_DIR": str(own)}, self.folder / f"server{at}.log",
            port=self.ports[at], application=self.application,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        host, port = POSTGRESQL
        database = f"postgresql://postgres@{host}:{port}/{self.database}"
        file = f"sqlite:///{self.folder / 'db.sqlite3'}"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return {
            **kept, **dict.fromkeys(EMPTY, ""),
            "DATABASE_URL": database if self.database else file,
            "REDIS_URL": self.redis.url if self.redis else "", "VAR_DIR": str(self.folder),
            "SECRET_KEY": "only-for-campaigns-" + "x" * 40, "DEBUG": "0", "LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "ragsite.settings",
            "EMBEDDER": "none", "RERANKER": "none", "WORKER": "none", "EXTRACTIVE_FALLBACK": "0",
            "OPENROUTER_BASE_URL": self.model.url, "OPENROUTER_API_KEY": self.model.api_key,
            "OPENROUTER_MODELS": "vendor/a,vendor/b", "OPENROUTER_CALLS_A_MINUTE": "0",
            "ANSWER_CACHE_SECONDS": "0", "REWRITE_COPIES": "0", "EVIDENCE_THRESHOLD": "0.000000001",
            "QUESTIONS_PER_MINUTE": "1000000", "ANONYMOUS_QUESTIONS_PER_MINUTE": "1000000",
            "TURNS_AT_ONCE_EACH": "1000", "SOCKETS_EACH": "5000",
        } | self.variables  # fmt: skip


def is_ready(address: str) -> bool:
    try:
        return httpx.get(address + READY, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
