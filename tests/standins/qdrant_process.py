"""The stand-in for Qdrant as a process of its own, to be killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


class QdrantProcess:
    """On one directory and one port, also after a restart. A context manager.

    Rules (`tests.standins.faults.Rule` as JSON) can be given, and changed while it runs.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        api_key: str = "test-qdrant-key",
        rules: Sequence[dict[str, Any]] = (),
    ):
        self.directory, self.api_key, self.rules = directory, api_key, list(rules)
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, within: float = 30.0) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.standins", "qdrant",
                "--directory", str(self.directory), "--port", str(self.port),
                "--api-key", self.api_key, "--rules", json.dumps(self.rules),
            ],
            cwd=ROOT, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + within
        while not self._is_ready():
            assert self._process.poll() is None, "the stand-in for Qdrant ended at once"
            assert time.monotonic() < until, "the stand-in for Qdrant did not start"
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            return self._ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Without httpx, which spends longer on preparing for TLS than the server on starting."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        assert self._process.wait(10) == -signal.SIGKILL
        self._process = None

    def pause(self) -> None:
        """It keeps its connections and answers nobody, until `resume`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def fail(self, *rules: dict[str, Any]) -> None:
        """These rules from now on, also after a restart; none: it fails no more."""
        self.rules = list(rules)
        status, answer = self._ask("PUT", "/_faults", self.rules)
        assert status == 200, answer

    def report(self) -> dict[str, Any]:
        return json.loads(self._ask("GET", "/_faults")[1])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self.resume()
            self.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
