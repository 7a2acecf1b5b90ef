"""Servers that are restarted, again and again, while many people read.

    python -m tests.campaigns.restarts --restarts 50 --seed 1

Two processes with one Redis and one PostgreSQL; readers know both addresses, and ask and resume by
websocket, event stream, JSON and polling without a pause. One process after the other gets SIGTERM,
a fifth of them SIGKILL instead, and is started again. In a third of the restarts answers have far
less time than they need (DRAIN_SECONDS), so that they are interrupted.

Every reader must hear one end, which is what is stored; no answer may be left `streaming`; a server
ends within thirty seconds, takes nothing new meanwhile, and logs no traceback. `embedded` is the
same with one process on SQLite, without Redis. `--without drain` and `--without abandoned` are the
positive controls (tests/campaigns/maimed.py).
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from chat.journal.entries import BEYOND
from tests.campaigns.connections import Asker, Away, Refused, clients
from tests.campaigns.crashes import commit
from tests.campaigns.pair import READY, Pair
from tests.campaigns.resumes import FIRST_TURN, spread
from tests.campaigns.voices import Fate, Stage, question
from tests.campaigns.wanderers import Wanderer, violations

DATABASE = "ragsite_restarts"
READERS = 12  # at any time
LONGEST_EXIT = 30.0  # seconds
NOT_READY_WITHIN = 0.5  # seconds after SIGTERM
SHORT = 0.3  # DRAIN_SECONDS of those whose answers are interrupted
SETTLED = 45.0  # seconds in which the last answers of the dead are found
AGAIN = 0.3
LEGS = ("pair", "embedded")


class Campaign:
    def __init__(
        self, place: Path, seed: int, restarts: int, *, database: str = DATABASE, without: str = ""
    ) -> None:
        self.place, self.seed, self.restarts = place, seed, restarts
        self.database, self.without = database, without
        self.dice = random.Random(seed)
        self.found: Counter[str] = Counter()
        self.examples: list[str] = []
        self.counts: Counter[str] = Counter()
        self.measured: dict[str, list[float]] = {}
        self.numbers = iter(range(FIRST_TURN, 10**9))

    def run(self, legs: tuple[str, ...] = LEGS) -> dict[str, Any]:
        began = time.monotonic()
        if "pair" in legs:
            self._leg("pair", self.restarts, database=self.database)
        if "embedded" in legs:
            self._leg("embedded", max(2, self.restarts // 5), processes=1, redis=False)
        return {
            "seed": self.seed, "commit": commit(), "without": self.without,
            "counts": dict(sorted(self.counts.items())),
            "seconds": {name: spread(times) for name, times in self.measured.items()},
            "violations": dict(self.found), "examples": self.examples,
            "seconds_in_all": round(time.monotonic() - began),
        }  # fmt: skip

    def _leg(self, name: str, restarts: int, **shape: Any) -> None:
        self.stage = Stage(lambda turn, call, asked: Fate(asked[0]), self._pause)
        with Pair(self.place / name, self.stage, without=self.without, **shape) as pair:
            asyncio.run(self._restart_under_load(name, pair, restarts))
            deadline = time.monotonic() + SETTLED
            while (left := pair.left_streaming()) and time.monotonic() < deadline:
                time.sleep(1)
            stored = pair.stored()
            self.found.update({"left streaming": left} if left else {})
            self.counts.update(f"{name}: stored as {one.status}" for one in stored.values())
            if "Traceback" in pair.logs:
                self._note(name, ["a traceback in a log"])
                self.examples.append(pair.logs[pair.logs.index("Traceback") :][:3000])

    async def _restart_under_load(self, name: str, pair: Pair, restarts: int) -> None:
        self.over = False
        async with clients() as http:
            reading = [asyncio.create_task(self._read(pair, http)) for _ in range(READERS)]
            await asyncio.sleep(2.0)
            for number in range(restarts):
                await self._restart(name, pair, number)
                await asyncio.sleep(self.dice.uniform(0.3, 2.0))
            self.over = True
            await asyncio.gather(*reading)

    async def _restart(self, name: str, pair: Pair, number: int) -> None:
        at = number % len(pair.servers)
        server, dies = pair.servers[at], number % 5 == 4
        self.counts[f"{name}: {'SIGKILL' if dies else 'SIGTERM'}"] += 1
        if dies:
            server.kill()
        else:
            began = time.monotonic()
            server.process.terminate()
            await self._takes_nothing_new(pair.addresses[at], began)
            try:
                await asyncio.to_thread(server.process.wait, LONGEST_EXIT)
            except subprocess.TimeoutExpired:
                self._note(name, ["did not end within thirty seconds"])
                server.kill()
            self._measure(f"{name}: from SIGTERM to the end", time.monotonic() - began)
        # The next one of them: answers get their time, or next to none.
        pair.env["DRAIN_SECONDS"] = "20" if self.dice.random() < 0.67 else str(SHORT)
        await asyncio.to_thread(pair.start, at)

    async def _takes_nothing_new(self, address: str, began: float) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            while time.monotonic() - began < 5:
                try:
                    if (await http.get(address + READY)).status_code == 503:
                        break
                except httpx.HTTPError:
                    break
        seconds = time.monotonic() - began
        self._measure("from SIGTERM to not being ready", seconds)
        if seconds > NOT_READY_WITHIN:
            self._note(address, ["was ready for long after SIGTERM"])

    # --- Load -------------------------------------------------------------------------------------

    async def _read(self, pair: Pair, http: Any) -> None:
        """One question after the other, each to its end."""
        while not self.over:
            turn = next(self.numbers)
            dice = random.Random(self.seed * 10**6 + turn)
            try:
                await self._one(pair, http, turn, dice)
            except (Away, Refused, httpx.HTTPError) as error:
                status = getattr(error, "status", 0)
                self.counts[f"not begun: {error if status else type(error).__name__}"] += 1
                if status not in (0, 503):
                    self._note(turn, [f"refused: {error}"])
                await asyncio.sleep(AGAIN)

    async def _one(self, pair: Pair, http: Any, turn: int, dice: random.Random) -> None:
        address = dice.choice(pair.addresses)
        reader = Wanderer(await Asker.begin(http, address), dice)
        transport = dice.choice(["websocket", "sse", "json"])
        self.counts[f"asked by {transport}"] += 1
        if transport == "json":
            await self._ask_in_one(pair, reader, address, turn)
        else:
            source = reader.asker.ask(address, transport, question(turn), abruptly=False)
            stay = dice.choice([None, dice.expovariate(1 / 0.8)])
            with suppress(Away):
                await reader.listen(source, stay)
        if not reader.message:
            if reader.has_ended:
                self._refused(turn, reader)
                return
            raise Away("before it began")
        if not reader.has_ended:
            self.counts["resumed"] += 1
        others = [
            Wanderer(reader.asker, random.Random(turn + 1), message=reader.message)
            for _ in range(dice.choice([0, 0, 1]))
        ]
        await asyncio.gather(*(one.wander(pair.addresses, 2) for one in [reader, *others]))
        self._judge(pair, turn, [reader, *others])

    async def _ask_in_one(self, pair: Pair, reader: Wanderer, address: str, turn: int) -> None:
        """Whose connection breaks looks for its answer in the conversation."""
        try:
            done = await reader.asker.ask_in_one(address, question(turn))
            reader.message = done["message_id"]
        except httpx.HTTPError:
            self.counts["JSON cut short"] += 1
            for _ in range(20):
                with suppress(httpx.HTTPError, Away, Refused):
                    there = self.dice.choice(pair.addresses)
                    reader.message = await reader.asker.find_its_answer(there, within=1.0)
                    return
                await asyncio.sleep(AGAIN)

    def _refused(self, turn: int, reader: Wanderer) -> None:
        end = reader.end
        self.counts[f"not begun: {end['status']} {end['code']}"] += 1
        if end["status"] != 503:
            self._note(turn, [f"not begun: {end['code']}"])

    def _judge(self, pair: Pair, turn: int, readers: list[Wanderer]) -> None:
        """A killed process may have shown, or saved, more than it could tell. What had only the
        memory of a process to be told from, is told as its end alone."""
        for reader in readers:
            text = reader.end.get("text", "")
            more = reader.end.get("status") == "interrupted" and reader.shown.startswith(text)
            alone = text.startswith(reader.shown) and reader.shown != text
            by_another = bool(reader.events) and reader.events[-1][0] > BEYOND
            reader.late = more or (alone and (pair.redis is None or by_another))
            self.counts["told the end alone"] += alone
        stored = pair.stored_as(readers[0].message)
        wrong = violations(readers, stored, self.stage.calls[turn])
        self._note(turn, wrong)
        if wrong and len(self.examples) < 10:
            self.examples += [
                f"{reader.shown!r} {reader.milestones} {reader.end}" for reader in readers
            ]
        for reader in readers:
            self.counts[f"ends: {reader.end.get('status', reader.end['type'])}"] += 1

    def _pause(self, turn: int, at: int) -> float:
        return random.Random(self.seed + turn).uniform(0.01, 0.08)

    def _note(self, turn: object, wrong: list[str]) -> None:
        self.found.update(wrong)
        if wrong and len(self.examples) < 10:
            self.examples.append(f"turn {turn}: {wrong}")

    def _measure(self, name: str, seconds: float) -> None:
        self.measured.setdefault(name, []).append(seconds)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--without", default="", choices=["", "drain", "abandoned"])
    parser.add_argument("--only", action="append", choices=LEGS)
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        campaign = Campaign(
            Path(place), options.seed, options.restarts,
            database="" if options.sqlite else DATABASE, without=options.without,
        )  # fmt: skip
        report = campaign.run(tuple(options.only or LEGS))
    print(json.dumps(report, indent=2))
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
