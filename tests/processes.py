"""Other processes of this application, beside the one that tests: `manage.py …` on a database."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
# Every variable that would lead out of the process; a developer's .env must not count either.
EMPTY = ("DATABASE_DIRECT_URL", "QDRANT_URL", "QDRANT_API_KEY", "COHERE_API_KEY",
         "OPENROUTER_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL",
         "REDIS_URL")  # fmt: skip


def environment(**variables: str) -> dict[str, str]:
    """Of a process with the embedded shape, in which `variables` are set."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    defaults = dict.fromkeys(EMPTY, "") | {"EMBEDDER": "auto", "RERANKER": "auto", "DEBUG": "0"}
    return {**kept, **defaults, "PYTHONUNBUFFERED": "1", "VAR_DIR": str(settings.VAR_DIR),
            "SECRET_KEY": settings.SECRET_KEY, **variables}  # fmt: skip


def same_database() -> dict[str, str]:
    """The environment of a process that works on the database, and the index, of this test."""
    database = connection.settings_dict
    index = {name: getattr(settings, name) for name in ("QDRANT_URL", "QDRANT_API_KEY")}
    if connection.vendor == "sqlite":
        return environment(DATABASE_URL=f"sqlite:///{database['NAME']}", **index)
    account = f"{database['USER']}:{database['PASSWORD']}".rstrip(":")
    address = f"{database['HOST']}:{database['PORT'] or 5432}"
    url = f"postgresql://{account}@{address}/{database['NAME']}"
    return environment(DATABASE_URL=url, **index)


def manage(*arguments: object, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def manage_until_killed(
    *arguments: object, env: dict[str, str], after_items: int
) -> Iterator[dict[str, object]]:
    """Yield what `ingest --json` prints, and kill -9 it once it has printed that many items."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    seen = 0
    while seen < after_items and (line := process.stdout.readline()):
        seen += 1
        yield json.loads(line)
    process.kill()
    process.stdout.close()
    assert process.wait(timeout=30) == -signal.SIGKILL, "it came to its end before it was killed"
