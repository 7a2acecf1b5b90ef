"""What an idle installation in the production shape sends to anybody, for five minutes.

    python -m tests.campaigns.idle                 # 300 seconds
    python -m tests.campaigns.idle --seconds 30

A web server with an open websocket and a worker; they ingest the handbook and answer a question,
and then nobody wants anything, except a prober that asks for liveness and readiness every second.
Everything passes proxies that count what clients send; a Redis of its own counts its commands. At
the end one more question shows that the counting works. PostgreSQL is that of `.ci/services`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.background import RedisServer, Server, Worker, until
from tests.processes import ROOT
from tests.standins.production import Shape, drop_database, production_shape

DATABASE = "ragsite_idle"
# Seconds in which nobody sends anything: what had to be done at first is done, and so is the second
# look for answers that a dead process left (chat/running.py).
SETTLED = 20.0
PROBES = ("/api/v1/health/live/", "/api/v1/health/ready/")
SILENT = ("postgresql", "qdrant", "cohere", "openrouter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300)
    seconds = parser.parse_args().seconds
    drop_database(DATABASE)
    try:
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
            report = campaign(Path(folder), seconds, redis)
    finally:
        drop_database(DATABASE)
    print(json.dumps(report, indent=1))
    sent = report["bytes_while_idle"]
    heard = report["bytes_of_one_question"]
    sys.exit(any(sent[name] for name in SILENT) or not all(heard[name] for name in SILENT))


def campaign(
    folder: Path, seconds: float, redis: RedisServer, content: str = "docs/handbook"
) -> dict:
    """What was sent while nobody wanted anything, and by one question afterwards."""
    with production_shape(folder, DATABASE, redis_port=redis.port) as shape:
        environment = {**os.environ, **shape.variables, "SECRET_KEY": "only-for-this" * 5}
        manage = [sys.executable, "manage.py"]
        for command in (
            ["migrate", "-v0"],
            ["ingest", content, "--corpus", "handbook", "--public", "--json"],
        ):
            subprocess.run(
                [*manage, *command], cwd=ROOT, env=environment, check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
        with (
            Server(environment, folder / "server.log") as server,
            Worker(environment, folder / "worker.log"),
        ):
            until(lambda: answers(server.url + PROBES[0]), what="the server")
            address = server.url.replace("http", "ws") + "/ws/chat/"
            with connect(address, origin=server.url) as socket:
                ask(socket, "What does the evidence gate do?")
                until(lambda: is_quiet(shape), within=120, what="silence")
                before, commands = counts(shape), redis.commands()
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    for path in PROBES:
                        httpx.get(server.url + path, trust_env=False).raise_for_status()
                    time.sleep(1)
                while_idle, more = counts(shape), redis.commands()
                ask(socket, "How do I withdraw a document?")
                afterwards = counts(shape)
    return {
        "seconds": seconds,
        "bytes_while_idle": {name: while_idle[name] - before[name] for name in before},
        "redis_commands": {
            name: more[name] - commands.get(name, 0)
            for name in more
            if more[name] > commands.get(name, 0)
        },
        "bytes_of_one_question": {name: afterwards[name] - while_idle[name] for name in before},
    }


def ask(socket: ClientConnection, question: str) -> None:
    frame = {"v": 1, "type": "ask", "id": question[:20], "corpus": "handbook", "question": question}
    socket.send(json.dumps(frame))
    while (told := json.loads(socket.recv(60)))["type"] != "done":
        assert told["type"] != "error", told
    assert told["citations"], told


def answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def is_quiet(shape: Shape) -> bool:
    return all(time.monotonic() - shape.proxies[name].sent_at > SETTLED for name in SILENT)


def counts(shape: Shape) -> dict[str, int]:
    return {name: proxy.sent for name, proxy in shape.proxies.items()}


if __name__ == "__main__":
    main()
