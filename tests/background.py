"""Servers, workers and a Redis in processes of their own, to be stopped, killed and frozen."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import ConnectionError as RedisIsAway

from ragsite.demo import SERVER
from tests.processes import ROOT
from tests.standins.base import Recorded, Reply
from tests.standins.cohere import EMBED, CohereStandIn


def until(condition: Callable[[], Any], within: float = 40.0, what: str = "it") -> Any:
    """What `condition` returns once it is true."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {within:.0f} seconds"
        time.sleep(0.04)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """Killed at the end of the block, if it is still there."""

    def __init__(self, *command: object, env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                list(map(str, command)), cwd=ROOT, env=env, stdout=file, stderr=file
            )
        self.pid = self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, text: str, within: float = 40.0) -> Self:
        until(lambda: text in self.output or self.has_ended, within, f'"{text}" in {self.log.name}')
        assert text in self.output, self.output
        return self

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, within: float = 30.0) -> float:
        """Ask it to end; the seconds it took."""
        started = time.monotonic()
        self.process.terminate()
        self.process.wait(within)
        return time.monotonic() - started


class Server(Process):
    """The web server, as `make run` starts it."""

    def __init__(
        self,
        env: dict[str, str],
        log: Path,
        *,
        port: int = 0,
        application: str = "ragsite.asgi:application",
    ) -> None:
        self.port = port or free_port()
        command = [sys.executable, "-m", "uvicorn", application]
        for name, value in {**SERVER, "port": self.port, "log_level": "info"}.items():
            if name == "proxy_headers" or name == "access_log":
                command += [f"--no-{name.replace('_', '-')}"]
            else:
                command += [f"--{name.replace('_', '-')}", str(value).lower()]
        super().__init__(*command, env=env, log=log)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Worker(Process):
    """`manage.py run_huey`."""

    def __init__(self, env: dict[str, str], log: Path, *, threads: int = 1) -> None:
        command = [sys.executable, "manage.py", "run_huey", "--workers", threads]
        super().__init__(*command, env=env, log=log)


class RedisServer:
    """Keeps nothing when it ends."""

    def __init__(self, folder: Path) -> None:
        self.port, self.folder = free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis(port=self.port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()
        self.kill()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                   "--appendonly", "no", "--dir", str(self.folder)]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self.answers, what="Redis")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisIsAway:
            return False

    def commands(self) -> dict[str, int]:
        """How often each was called."""
        stats: Any = self.client.info("commandstats")
        return {name.removeprefix("cmdstat_"): about["calls"] for name, about in stats.items()}


class SlowCohere(CohereStandIn):
    """Takes its time to embed documents, but not questions: a run that can be met in the middle."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.inputs_a_minute = 10**9

    def respond(self, request: Recorded) -> Reply:
        reply = super().respond(request)
        return reply.after(self.seconds) if _of_documents(request) else reply

    @property
    def calls_for_documents(self) -> list[Recorded]:
        return [request for request in list(self.requests) if _of_documents(request)]

    @property
    def is_at_work(self) -> bool:
        return any(
            call.completed_at is None and call.disconnected_at is None
            for call in self.calls_for_documents
        )

    @property
    def texts(self) -> list[str]:
        """Of documents; one that was sent twice is here twice."""
        return [text for call in self.calls_for_documents for text in call.json["texts"]]

    @property
    def env(self) -> dict[str, str]:
        return {
            "EMBEDDER": "cohere", "RERANKER": "none", "COHERE_API_KEY": self.api_key,
            "COHERE_BASE_URL": self.url, "COHERE_EMBED_DIMENSION": "256",
            "COHERE_INPUTS_A_MINUTE": "0",
        }  # fmt: skip


def _of_documents(request: Recorded) -> bool:
    return request.path == EMBED and (request.json or {}).get("input_type") == "search_document"
