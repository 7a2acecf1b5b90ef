"""The API against its own description: what it takes, what it refuses, and how it says so.

    python -m tests.campaigns.contract --cases 20000 --seed 1

Schemathesis makes requests from docs/openapi.yaml, good ones and bad ones, single and in chains,
and applies all its checks to the answers. The server is a real one, in a process of its own, with
its own database; it is asked as a backend with a key, as a visitor and as an administrator. The
campaign is clean when no check failed and every operation was answered with success once
(which a short one, of less than ten thousand cases, only reports).
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.campaigns.contract_world import furnish

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "openapi.yaml"
AT_ONCE = 12  # examples for each operation in one round
# Only an answer in mid-sentence can be stopped: tests/chat/test_events_view.py.
BEYOND_REACH = {"POST /api/v1/messages/{message_id}/cancel/"}
CONFIG = """
workers = 1
continue-on-failure = true
request-timeout = 30

[generation]
# A NUL is refused in every text, which no type of OpenAPI says; tests/documents/test_closed.py.
allow-x00 = false
# Ours are in the headers of each request.
with-security-parameters = false

# Refusals of good data that depend on what is there: states, tags of other versions, keys that
# were used, texts that stand nowhere.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "401", "403", "404", "409", "412", "422", "5xx"]

# A precondition comes before the content of a request: RFC 9110, section 13.2.1.
[checks.negative_data_rejection]
expected-statuses = [
  "400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "428", "429", "5xx",
]

[checks.response_schema_conformance]
validate-formats = true

# Which files can be read is told by their names and their content.
[[operations]]
include-name = "POST /api/v1/documents/"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "409", "413", "422"]
"""

ENOUGH = 10_000  # cases, from which on every operation has to have been reached


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", help="a path of the description")
    parser.add_argument("--log", type=Path, help="where to write what Schemathesis says")
    options = parser.parse_args(arguments)
    began, rounds, failed = time.monotonic(), 0, 0
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (address, callers):
        while sum(tally.values()) < options.cases and not failed:
            name, headers, world = callers[rounds % len(callers)]
            left = options.cases - sum(tally.values())
            seed = options.seed + rounds
            counted, failed, said = one_round(
                Path(folder), address, headers, world, seed, min(AT_ONCE, 1 + left // 60),
                options.only,
            )  # fmt: skip
            rounds, tally = rounds + 1, tally + counted
            if options.log:
                with options.log.open("a") as log:
                    log.write(f"--- round {rounds}, seed {seed}, as {name}\n{said}\n")
            if failed:
                print(said)
    seen = [line.split("\t") for line in tally]
    operations = {label for label, _method, _status in seen} - BEYOND_REACH
    reached = {
        label for label, method, status in seen if label.split()[0] == method and status[0] == "2"
    }
    minutes = (time.monotonic() - began) / 60
    report = {
        "cases": sum(tally.values()), "seed": options.seed, "rounds": rounds,
        "operations": len(operations), "never answered with success": sorted(operations - reached),
        "statuses": dict(sorted(Counter(
            line.rsplit("\t", 1)[1] for line in tally.elements()).items())),
        "failed": bool(failed), "cases a minute": round(sum(tally.values()) / minutes),
    }  # fmt: skip
    print(json.dumps(report, indent=2))
    missed = operations - reached and not options.only and options.cases >= ENOUGH
    return 1 if failed or missed else 0


def one_round(
    folder: Path, address: str, headers: dict[str, str], known: Any, seed: int, examples: int,
    only: str | None,
) -> tuple[Counter[str], int, str]:  # fmt: skip
    """Asked by one caller. How many requests were answered how, the exit code, and the words."""
    config, world, tally = folder / "schemathesis.toml", folder / "world.json", folder / "tally"
    config.write_text(CONFIG)
    world.write_text(json.dumps(known | {"seed": seed, "tally": str(tally)}))
    tally.unlink(missing_ok=True)
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run",
        str(SCHEMA), "--url", address, "--checks", "all", "--seed", str(seed),
        "--max-examples", str(examples), "--suppress-health-check", "all", "--no-color",
    ]  # fmt: skip
    for header in headers.items():
        command += ["--header", ":".join(header)]
    if only:
        command += ["--include-path", only]
    environment = {
        **os.environ, "CONTRACT_WORLD": str(world), "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.campaigns.contract_hooks",
    }  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    counted = Counter(json.loads(tally.read_text())) if tally.exists() else Counter()
    return counted, done.returncode, done.stdout + done.stderr


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Any]]:
    """A server with something in it; its address, and who asks with which ids."""
    environment = {
        **os.environ, "VAR_DIR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "ragsite.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'trial.sqlite3'}", "SECRET_KEY": "x" * 60,
        "ALLOWED_HOSTS": "*", "QUESTIONS_PER_MINUTE": "100000", "LOG_LEVEL": "WARNING",
        "ANONYMOUS_QUESTIONS_PER_MINUTE": "100000", "PYTHONPATH": str(ROOT), "FUSION": "rrf",
        **dict.fromkeys(("REDIS_URL", "QDRANT_URL", "OPENROUTER_API_KEY", "COHERE_API_KEY"), ""),
    }  # fmt: skip
    furnished = furnish(folder, environment)
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.campaigns.contract_world", "serve"],
        env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address), "the server did not start"
        yield address, callers(address, furnished)
    finally:
        server.terminate()
        server.wait(30)
        errors = [
            line for line in (folder / "server.log").read_text().splitlines() if "ERROR" in line
        ]
        print("\n".join(errors[:20]), file=sys.stderr)


def callers(address: str, furnished: Any) -> list[tuple[str, dict[str, str], Any]]:
    """With conversations of their own."""
    found = []
    for name, headers in furnished["callers"].items():
        with httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=60) as client:
            token, questions, answers = "", {}, []
            for _ in range(6 if name != "a widget" else 0):  # which may not ask itself
                started = client.post("/conversations/", json={"corpus": "lighthouse"}).json()
                if token := started.get("visitor_token", token):
                    headers["X-Visitor-Token"] = client.headers["X-Visitor-Token"] = token
                messages = f"/conversations/{started['id']}/messages/"
                client.post(messages, json={"question": "Which lamp?"})
                asked, answer = client.get(messages).json()["results"]
                questions[started["id"]] = asked["id"]
                answers.append(answer["id"])
                client.put(f"/messages/{answer['id']}/feedback/", json={"rating": "up"})
        ids = {
            "/conversations/{": {name: [*questions] for name in ("conversation_id", "id")},
            "/messages/{": {"message_id": answers},
            **furnished["ids"],
        }  # fmt: skip
        found.append((name, headers, {"ids": ids, "questions": questions}))
    return found


if __name__ == "__main__":
    sys.exit(main())
