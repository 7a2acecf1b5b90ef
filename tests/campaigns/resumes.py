"""Answers whose readers leave in the middle, and go on at another process by another transport.

    python -m tests.campaigns.resumes --turns 1000 --seed 1

Two server processes, one Redis, one PostgreSQL (`--sqlite`: a file). A model says forty words,
slowly; what it says is known for each question. One to three readers of each answer leave at random
moments, half of them with a reset, and come back at a random process by websocket, event stream or
polling. What each was told is held against the others', number by number, against what is stored,
and against what the model said. Further legs, each with servers of its own: `cancels` from the
other process, `expired` journals, `unwatched` answers, `redis` killed in the middle, a process that
is `frozen`.

`--without GUARD` is the positive control and must end with violations; tests/campaigns/maimed.py
says what each guard is.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from tests.campaigns.connections import TRANSPORTS, Asker, Away, Refused, clients
from tests.campaigns.crashes import commit
from tests.campaigns.pair import Pair
from tests.campaigns.voices import Fate, Stage, question
from tests.campaigns.wanderers import Wanderer, violations
from tests.standins.base import Recorded

DATABASE = "ragsite_resumes"
FIRST_TURN = 1000  # questions are about "watch 1000" and on
AT_ONCE = 24
DYING = ("fin without finish", "sse error", "rst")  # in the middle; the next model takes over
SILENCE = 11.0  # seconds: so long that somebody asks whether the process still lives
CANCELLED_WITHIN = 1.0  # seconds
UNWATCHED = 3.0
WATCH_IS_KNOWN = 9.0  # seconds for which a reader elsewhere is believed to be there
LEGS = ("roam", "cancels", "expired", "unwatched", "redis", "frozen")


class Campaign:
    """`place` is an empty folder."""

    def __init__(
        self, place: Path, seed: int, turns: int, *, database: str = DATABASE, without: str = ""
    ) -> None:
        self.place, self.seed, self.turns = place, seed, turns
        self.database, self.without = database, without
        self.dice = random.Random(seed)
        self.numbers = iter(range(FIRST_TURN, 10**9))
        self.found: Counter[str] = Counter()
        self.examples: list[str] = []
        self.counts: Counter[str] = Counter()
        self.measured: dict[str, list[float]] = {}

    def run(self, legs: Sequence[str] = LEGS) -> dict[str, Any]:
        began = time.monotonic()
        answers = {leg: getattr(self, leg)() for leg in legs}
        return {
            "seed": self.seed, "commit": commit(), "without": self.without,
            "database": "postgresql" if self.database else "sqlite", "answers": answers,
            "readers": dict(sorted(self.counts.items())),
            "seconds": {name: spread(times) for name, times in self.measured.items()},
            "violations": dict(self.found), "examples": self.examples,
            "seconds_in_all": round(time.monotonic() - began),
        }  # fmt: skip

    # --- Legs -------------------------------------------------------------------------------------

    def roam(self) -> int:
        """The trial itself: a seventh of the models dies in the middle, some fall silent."""
        stage = Stage(self._fate, self._pause)

        async def one(pair: Pair, http: Any, turn: int) -> None:
            await self._read(pair, http, stage, turn, random.Random(self.seed * 10**6 + turn))

        return self._leg("roam", stage, one, self.turns)

    def cancels(self) -> int:
        """From the process that does not answer, by request or by a stop on a websocket."""
        stage = Stage(lambda turn, call, asked: Fate(asked[0]), lambda turn, at: 0.15)

        async def one(pair: Pair, http: Any, turn: int) -> None:
            here, there = self.dice.sample(pair.addresses, 2)
            reader = await self._asked(http, here, turn, until="delta")
            companion = self._companion(reader)
            reading = asyncio.create_task(companion.wander([there], leaves=0))
            began = time.monotonic()
            if turn % 2:
                await reader.asker.cancel(there, reader.message)
            else:
                await reader.asker.stop(there, reader.message)
            call = await self._call_of(pair, turn)
            self._measure(
                "from a cancel to the model's end", (call.disconnected_at or began + 99) - began
            )
            if not call.disconnected_at or call.disconnected_at - began > CANCELLED_WITHIN:
                self._note(turn, ["not cancelled within a second"])
            await asyncio.gather(reading, reader.wander(pair.addresses))
            if reader.has_ended and reader.end.get("status") != "cancelled":
                self._note(turn, ["a cancelled answer is called otherwise"])
            self._judge(pair, stage, turn, [reader, companion])

        return self._leg("cancels", stage, one, self.turns // 10, at_once=4)

    def expired(self) -> int:
        """Who comes when the events are gone is told the end alone, under a higher number."""
        stage = Stage(lambda turn, call, asked: Fate(asked[0]), lambda turn, at: 0.02)

        async def one(pair: Pair, http: Any, turn: int) -> None:
            reader = await self._asked(http, self.dice.choice(pair.addresses), turn, until="delta")
            await asyncio.sleep(8.0)
            before, reader.late = len(reader.events), True
            await reader.wander(pair.addresses, leaves=0)
            if len(reader.events) != before + 1:
                self._note(turn, ["more than the end is told of what is gone"])
            self._judge(pair, stage, turn, [reader])

        return self._leg("expired", stage, one, self.turns // 20, JOURNAL_SECONDS=2)

    def unwatched(self) -> int:
        """Stopped when nobody reads it, and kept alive by who reads elsewhere, however it does."""
        stage = Stage(lambda turn, call, asked: Fate(asked[0]), lambda turn, at: 0.45)

        async def one(pair: Pair, http: Any, turn: int) -> None:
            here, there = self.dice.sample(pair.addresses, 2)
            reader = await self._asked(http, here, turn, until="delta")
            began, watched = time.monotonic(), turn % 4
            companion = self._companion(reader)
            if watched:
                source = companion.asker.resume(there, TRANSPORTS[watched - 1], reader.message, 0)
                await companion.listen(source, None)
            call = await self._call_of(pair, turn)
            if watched and companion.end.get("status") != "complete":
                self._note(turn, [f"stopped while somebody read elsewhere ({watched})"])
            if not watched:
                seconds = (call.disconnected_at or began + 99) - began
                self._measure("from the last reader to the model's end", seconds)
                if not UNWATCHED - 0.5 <= seconds <= UNWATCHED + WATCH_IS_KNOWN + 2:
                    self._note(turn, ["not stopped in time though nobody read it"])
            await asyncio.gather(reader.wander([here]), companion.wander([there]))
            self._judge(pair, stage, turn, [reader, companion])

        return self._leg("unwatched", stage, one, self.turns // 25, UNWATCHED_SECONDS=UNWATCHED)

    def redis(self) -> int:
        """Killed in the middle, and started again with nothing in it, while there are turns.

        Who reads where the answer is written must not notice; who comes elsewhere meanwhile may be
        told the end alone.
        """
        stage = Stage(lambda turn, call, asked: Fate(asked[0]), lambda turn, at: 0.12)

        async def one(pair: Pair, http: Any, turn: int) -> None:
            here, there = self.dice.sample(pair.addresses, 2)
            reader = Wanderer(await Asker.begin(http, here), random.Random(turn))
            source = reader.asker.ask(here, "sse", question(turn), abruptly=False)
            asking = asyncio.create_task(reader.listen(source, None))
            await reader.knows_its_answer.wait()
            elsewhere = self._companion(reader)
            await elsewhere.wander([there])
            await asking
            elsewhere.late = elsewhere.shown != elsewhere.end.get("text")
            self.counts["told the end alone, while Redis was away"] += elsewhere.late
            self._judge(pair, stage, turn, [reader, elsewhere])

        return self._leg("redis", stage, one, self.turns // 20, beside=restart_redis, at_once=8)

    def frozen(self) -> int:
        """A process is stopped for forty seconds: it is believed to be dead, and comes back."""
        stage = Stage(lambda turn, call, asked: Fate(asked[0]), lambda turn, at: 0.3)

        async def one(pair: Pair, http: Any, turn: int) -> None:
            here, there = pair.addresses
            reader = Wanderer(await Asker.begin(http, here), random.Random(turn))
            source = reader.asker.ask(here, "sse", question(turn), abruptly=False)
            asking = asyncio.create_task(reader.listen(source, None))
            await reader.knows_its_answer.wait()
            others = [self._companion(reader) for _ in range(3)]
            await asyncio.gather(*(other.wander([there], leaves=0) for other in others[:2]))
            await asyncio.gather(asking, return_exceptions=True)  # it may have lost its patience
            for last in (reader, others[2]):
                await last.wander([here], leaves=0)
            for told in (reader, *others):  # some saw more of it than was saved: the end tells
                told.late = told.shown.startswith(told.end.get("text", ""))
            self._judge(pair, stage, turn, [reader, *others])

        return self._leg(
            "frozen", stage, one, max(2, self.turns // 100), beside=freeze, at_once=100
        )

    # --- How --------------------------------------------------------------------------------------

    def _leg(
        self,
        name: str,
        stage: Stage,
        one: Callable[[Pair, Any, int], Awaitable[None]],
        turns: int,
        *,
        beside: Callable[[Pair], Awaitable[None]] | None = None,
        at_once: int = AT_ONCE,
        **variables: object,
    ) -> int:
        async def run(pair: Pair) -> None:
            gate = asyncio.Semaphore(at_once)
            async with clients() as http:

                async def within(turn: int) -> None:
                    async with gate:
                        try:
                            await one(pair, http, turn)
                        except (Refused, Away) as error:
                            self._note(turn, [f"{name}: {error}"])

                asking = [asyncio.create_task(within(next(self.numbers))) for _ in range(turns)]
                other = asyncio.create_task(beside(pair)) if beside else None
                await asyncio.gather(*asking)
                if other:
                    other.cancel()
                    await asyncio.gather(other, return_exceptions=True)

        with Pair(
            self.place / name, stage, database=self.database, without=self.without, **variables
        ) as pair:
            asyncio.run(run(pair))
            if left := pair.left_streaming():
                self.found["left streaming"] += left
            if "Traceback" in pair.logs:
                self._note(name, ["a traceback in a log"])
                self.examples.append(pair.logs[pair.logs.index("Traceback") :][:3000][-900:])
        return turns

    async def _read(
        self, pair: Pair, http: Any, stage: Stage, turn: int, dice: random.Random
    ) -> None:
        """One to three readers; the first one asks, at a random process by a random transport."""
        address = dice.choice(pair.addresses)
        first = Wanderer(await Asker.begin(http, address), dice)
        undisturbed = turn % 20 == 0
        if undisturbed:
            source = first.asker.ask(address, "sse", question(turn), abruptly=False)
            await first.listen(source, None)
            self.counts["undisturbed"] += 1
        else:
            await self._ask(first, address, turn)
        others = [self._companion(first) for _ in range(dice.choice([0, 0, 1, 1, 2]))]
        readers = [first, *others]
        for reader in others[1:]:  # comes when it is over, or nearly
            reader.dice.random()
        await asyncio.gather(*(reader.wander(pair.addresses) for reader in readers))
        self._judge(pair, stage, turn, readers)

    async def _ask(self, reader: Wanderer, address: str, turn: int) -> None:
        dice, asker = reader.dice, reader.asker
        transport = dice.choice(["websocket", "sse", "json"])
        self.counts[f"asked by {transport}"] += 1
        if transport == "json":  # it hangs up, and finds its answer in the conversation
            asking = asyncio.create_task(asker.ask_in_one(address, question(turn)))
            await asyncio.sleep(dice.uniform(0.3, 2.0))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            reader.message = await asker.find_its_answer(address)
            return
        source = asker.ask(address, transport, question(turn), abruptly=dice.random() < 0.5)
        async with aclosing(source) as events:
            stay = time.monotonic() + dice.expovariate(1 / 0.8)
            async for told in events:
                reader.take(told)
                if reader.message and time.monotonic() > stay:
                    return

    async def _asked(self, http: Any, address: str, turn: int, *, until: str) -> Wanderer:
        """Somebody who asked, listened up to such an event, and left."""
        reader = Wanderer(await Asker.begin(http, address), random.Random(turn))
        source = reader.asker.ask(address, "sse", question(turn), abruptly=bool(turn % 3))
        async with aclosing(source) as events:
            async for told in events:
                reader.take(told)
                if told[1]["type"] == until:
                    break
        return reader

    def _companion(self, reader: Wanderer) -> Wanderer:
        dice = random.Random(reader.dice.random())
        return Wanderer(reader.asker, dice, message=reader.message)

    async def _call_of(self, pair: Pair, turn: int) -> Recorded:
        """Of the model, once it is over."""
        said = question(turn).encode()
        while True:
            for call in list(pair.model.requests):
                if said in call.body and (call.disconnected_at or call.completed_at):
                    return call
            await asyncio.sleep(0.02)

    def _fate(self, turn: int, call: int, asked: list[str]) -> Fate:
        dice = random.Random(self.seed * 10**6 + turn * 10 + call)
        if call == 0 and dice.random() < 1 / 7:
            return Fate(asked[0], dice.choice(DYING), dice.uniform(0.1, 0.9))
        return Fate(asked[-1])

    def _pause(self, turn: int, at: int) -> float:
        if turn % 50 == 7 and at == 15:
            return SILENCE
        return random.Random(self.seed + turn).uniform(0.01, 0.1)

    def _judge(self, pair: Pair, stage: Stage, turn: int, readers: list[Wanderer]) -> None:
        message = readers[0].message
        stored = pair.stored_as(message) if message else None
        self._note(turn, violations(readers, stored, stage.calls[turn]))
        for reader in readers:
            self.counts.update(reader.connections)
            self.counts["readers"] += 1
            self.counts["restarts told"] += sum(e["type"] == "restart" for _n, e in reader.events)
        self.counts[f"stored as {stored.status if stored else 'nothing'}"] += 1

    def _note(self, turn: object, wrong: list[str]) -> None:
        self.found.update(wrong)
        if wrong and len(self.examples) < 10:
            self.examples.append(f"turn {turn}: {wrong}")

    def _measure(self, name: str, seconds: float) -> None:
        self.measured.setdefault(name, []).append(seconds)


async def restart_redis(pair: Pair) -> None:
    assert pair.redis
    while True:
        await asyncio.sleep(random.uniform(3, 6))
        await asyncio.to_thread(pair.redis.kill)
        await asyncio.sleep(random.choice([0.2, 3.0]))
        await asyncio.to_thread(pair.redis.start)


async def freeze(pair: Pair) -> None:
    await asyncio.sleep(4.0)
    pair.servers[0].freeze()
    await asyncio.sleep(40.0)
    pair.servers[0].thaw()


def spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "of": len(ordered), "median": round(ordered[len(ordered) // 2], 3),
        "longest": round(ordered[-1], 3),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=100, help="of the first leg")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--without", default="")
    parser.add_argument("--only", action="append", choices=LEGS)
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        campaign = Campaign(
            Path(place), options.seed, options.turns,
            database="" if options.sqlite else DATABASE, without=options.without,
        )  # fmt: skip
        report = campaign.run(options.only or LEGS)
    print(json.dumps(report, indent=2))
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
