"""The whole production shape on one machine: the real PostgreSQL, pgbouncer and Redis, stand-ins
for Cohere, OpenRouter and Qdrant, a worker, and the web server as the demo runs it.

PostgreSQL and Redis are those of `.ci/services`; everything else is started here and ended here.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ragsite.demo import port_is_free
from tests.processes import ROOT
from tests.standins.answers import answer_from_passages
from tests.standins.cohere import CohereStandIn
from tests.standins.openrouter import OpenRouterStandIn
from tests.standins.pgbouncer import PgBouncer
from tests.standins.proxy import FaultProxy
from tests.standins.qdrant_process import QdrantProcess

POSTGRESQL = ("127.0.0.1", 5432)
DATABASE = "ragsite_production_demo"
FOLDER = ROOT / "var" / "production"  # what Qdrant keeps, so that a second start is quick


@dataclass(frozen=True)
class Keys:
    """Nobody checks the database's password: it is here to be kept secret."""

    database: str = "a-password"
    qdrant: str = "test-qdrant-key"
    cohere: str = "test-cohere-key"
    openrouter: str = "sk-or-v1-test"


@dataclass
class Shape:
    """Its parts, each behind a proxy that can fail and that counts."""

    cohere: CohereStandIn
    openrouter: OpenRouterStandIn
    proxies: dict[str, FaultProxy]
    variables: dict[str, str]


@contextmanager
def production_shape(
    folder: Path = FOLDER, database: str = DATABASE, keys: Keys = Keys(), redis_port: int = 6379
) -> Iterator[Shape]:
    """`variables` point the application to it, for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    make_database(database)
    host, port = POSTGRESQL
    with ExitStack() as parts:

        def behind_a_proxy(name: str, server_port: int) -> int:
            proxies[name] = parts.enter_context(FaultProxy("127.0.0.1", server_port))
            return proxies[name].port

        proxies: dict[str, FaultProxy] = {}
        bouncer = parts.enter_context(PgBouncer(host, port, size=20, wait=10))
        qdrant = parts.enter_context(QdrantProcess(folder / "qdrant", api_key=keys.qdrant))
        cohere = parts.enter_context(CohereStandIn(api_key=keys.cohere))
        openrouter = parts.enter_context(OpenRouterStandIn(api_key=keys.openrouter))
        openrouter.answer = answer_from_passages
        database_port = behind_a_proxy("postgresql", bouncer.port)
        owner = f"postgres:{keys.database}"
        yield Shape(
            cohere,
            openrouter,
            proxies,
            {
                "DATABASE_URL": f"postgresql://{owner}@127.0.0.1:{database_port}/{database}",
                "DATABASE_DIRECT_URL": f"postgresql://{owner}@{host}:{port}/{database}",
                "REDIS_URL": f"redis://127.0.0.1:{behind_a_proxy('redis', redis_port)}/9",
                "QDRANT_URL": f"http://127.0.0.1:{behind_a_proxy('qdrant', qdrant.port)}",
                "QDRANT_API_KEY": qdrant.api_key,
                "COHERE_BASE_URL": f"http://127.0.0.1:{behind_a_proxy('cohere', cohere.port)}",
                "COHERE_API_KEY": cohere.api_key,
                "OPENROUTER_BASE_URL": (
                    f"http://127.0.0.1:{behind_a_proxy('openrouter', openrouter.port)}/api/v1"
                ),
                "OPENROUTER_API_KEY": openrouter.api_key,
                "OPENROUTER_MODELS": "vendor/primary,vendor/second,vendor/third",
                "VAR_DIR": str(folder),
                # Whatever a developer, or a test, has set.
                "DJANGO_SETTINGS_MODULE": "ragsite.settings",
                **dict.fromkeys(("EMBEDDER", "RERANKER", "WORKER"), "auto"),
            },
        )


def make_database(name: str) -> None:
    host, port = POSTGRESQL
    try:
        connection = psycopg.connect(host=host, port=port, user="postgres", autocommit=True)
    except psycopg.OperationalError:
        sys.exit(f"PostgreSQL does not answer on {host}:{port}. Start it with: .ci/services")
    with connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if known.fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')


def drop_database(name: str) -> None:
    host, port = POSTGRESQL
    with psycopg.connect(host=host, port=port, user="postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def run(port: int) -> None:
    """Until Ctrl-C: the demo on that port, and a worker beside it."""
    if not port_is_free(port):
        sys.exit(f"Port {port} is taken. Choose another: make demo-production PORT={port + 1}")
    with production_shape() as shape:
        for name, value in shape.variables.items():
            print(f"export {name}={value}", flush=True)  # noqa: T201
        environment = {**os.environ, **shape.variables}
        environment.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
        python = sys.executable
        subprocess.run(
            [python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True
        )
        demo = subprocess.Popen(
            [python, "-m", "ragsite.demo", "--port", str(port)], cwd=ROOT, env=environment
        )
        worker = subprocess.Popen([python, "manage.py", "run_huey"], cwd=ROOT, env=environment)
        try:
            demo.wait()
        finally:
            for process in (demo, worker):
                process.terminate()
            for process in (demo, worker):
                process.wait(30)
