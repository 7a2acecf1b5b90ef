"""A real Better Auth server in a process of its own: people sign up, and get tokens."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.node import NODE

HERE = Path(__file__).parent
# In CI they are never skipped: without it, .ci/node has failed already.
needs_better_auth = pytest.mark.skipif(
    not (os.environ.get("CI") or (HERE / "node_modules" / "better-auth").is_dir()),
    reason="needs Better Auth: .ci/node installs it",
)


class BetterAuthServer:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url: str = self._said()["url"]

    def sign_up(self, email: str, password: str = "correct-horse-9") -> "Person":
        person = Person(self.url)
        person.post("sign-up/email", name="Ada", email=email, password=password)
        return person

    def keys(self) -> list[dict[str, Any]]:
        return httpx.get(f"{self.url}/api/auth/jwks", trust_env=False).json()["keys"]

    def rotate(self) -> None:
        """As after its interval: the next token is signed with a new key, the old one stays."""
        self._tell("rotate")

    def forget(self) -> None:
        """As after the old key's grace, in a night in which nobody signs in."""
        self._tell("forget")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._said() == {"done": line}

    def _said(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Person:
    """Somebody's browser: it keeps the session's cookie."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/api/auth/", headers={"origin": url}, trust_env=False, timeout=20
        )

    def post(self, path: str, **body: Any) -> Any:
        reply = self._client.post(path, json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def token(self) -> str:
        reply = self._client.get("token")
        assert reply.status_code == 200, reply.text
        return str(reply.json()["token"])


@contextmanager
def running_better_auth() -> Iterator[BetterAuthServer]:
    process = subprocess.Popen(
        [NODE, "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "NODE_ENV": "test", "BETTER_AUTH_TELEMETRY": "0"},
    )  # fmt: skip
    try:
        yield BetterAuthServer(process)
    finally:
        process.kill()
        process.wait(10)
