"""Readers who leave in the middle of an answer and come back elsewhere, by another transport.

Each keeps what it was told, under the number it was told by; the oracle holds together what the
readers of one answer have, what is stored, and what its model said.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from tests.campaigns.connections import ENDS, TRANSPORTS, Asker, Away, Events, Refused, Told
from tests.campaigns.pair import Stored
from tests.campaigns.voices import Call

GONE = 0.5  # seconds, at most, between two connections of a reader; some stay away for longer
LONGEST = 90.0  # seconds of a turn; then a reader hangs
AGAIN = 0.2  # seconds before a server that was away is tried again
LEAVES = 5  # times at most


@dataclass
class Wanderer:
    """One reader of one answer. `last` is the number of the last event it has."""

    asker: Asker
    dice: random.Random
    message: str = ""
    last: int = 0
    events: list[Told] = field(default_factory=list)
    connections: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # what it noticed itself
    late: bool = False  # it came when events were gone: only the end is told
    hung: bool = False
    knows_its_answer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_ended(self) -> bool:
        return bool(self.events) and self.events[-1][1]["type"] in ENDS

    @property
    def end(self) -> dict[str, Any]:
        return self.events[-1][1] if self.has_ended else {"type": "none"}

    def take(self, told: Told) -> None:
        number, event = told
        if number <= self.last:
            self.wrong.append("an event was told twice, or out of order")
        if self.has_ended:
            self.wrong.append("something came after the end")
        if event["type"] == "start":
            self.message = event["message_id"]
            self.knows_its_answer.set()
        self.last = number
        self.events.append(told)

    async def listen(self, source: Events, stay: float | None, slow: bool = False) -> None:
        """Until the end, or for so many seconds."""
        try:
            async with asyncio.timeout(stay), aclosing(source) as events:
                async for told in events:
                    self.take(told)
                    if slow:
                        await asyncio.sleep(self.dice.uniform(0, 0.3))
        except TimeoutError:
            return

    async def wander(self, addresses: Sequence[str], leaves: int | None = None) -> None:
        """Back and away again, until it has heard the end."""
        leaves = self.dice.randint(0, LEAVES) if leaves is None else leaves
        try:
            async with asyncio.timeout(LONGEST):
                while not self.has_ended:
                    leaves -= 1
                    await self._come(self.dice.choice(addresses), leaves >= 0)
        except TimeoutError:
            self.hung = True

    async def _come(self, address: str, leaves: bool) -> None:
        dice = self.dice
        transport = dice.choice(TRANSPORTS)
        source = self.asker.resume(
            address, transport, self.message, self.last, abruptly=dice.random() < 0.5
        )
        stay = dice.expovariate(1 / 0.6) if leaves else None
        before = len(self.events)
        try:
            await self.listen(source, stay, slow=dice.random() < 0.1)
            if stay is None and not self.has_ended:
                if await self.asker.is_welcome(address):
                    self.wrong.append("a stream ended before its end")
                raise Away("the server ends, and another one answers")
        except Away:
            self.connections["away"] += 1
            await asyncio.sleep(AGAIN)
            return
        except Refused as refused:
            self.connections[f"refused: {refused}"] += 1
            if refused.status != 503:
                self.wrong.append(f"refused: {refused}")
            await asyncio.sleep(AGAIN)
            return
        self.connections[transport] += 1
        if before == len(self.events):
            self.connections["without an event"] += 1
        if leaves:
            await asyncio.sleep(dice.uniform(0, GONE) if dice.random() < 0.9 else 4.0)

    # --- What it is left with ---------------------------------------------------------------------

    @property
    def shown(self) -> str:
        return _text(self.events)

    @property
    def milestones(self) -> list[tuple[int, str]]:
        """Every event but text, whose pieces may have been merged."""
        return [
            (number, event["type"]) for number, event in self.events if event["type"] != "delta"
        ]

    @property
    def text_at(self) -> dict[int, str]:
        """What it had after each number."""
        text, found = "", {}
        for number, event in self.events:
            if event["type"] == "restart":
                text = ""
            elif event["type"] == "delta":
                text += event["text"]
            found[number] = text
        return found

    @property
    def citations(self) -> int:
        """Since the last restart."""
        kinds = [event["type"] for _number, event in self.events]
        since = len(kinds) - kinds[::-1].index("restart") if "restart" in kinds else 0
        return kinds[since:].count("citation")


def _text(events: Sequence[Told]) -> str:
    text = ""
    for _number, event in events:
        if event["type"] == "restart":
            text = ""
        elif event["type"] == "delta":
            text += event["text"]
    return text


# --- The oracle -----------------------------------------------------------------------------------


def violations(
    readers: Sequence[Wanderer], stored: Stored | None, calls: Sequence[Call]
) -> list[str]:
    """What is wrong with one answer; the names are those of the report."""
    found = [wrong for reader in readers for wrong in reader.wrong]
    if any(reader.hung for reader in readers):
        found.append("a reader hung")
    if any(not reader.has_ended for reader in readers):
        found.append("a reader never heard the end")
    told = [reader for reader in readers if reader.has_ended]
    if stored is None:
        return [*found, *(["nothing is stored"] if told else [])]
    if stored.status == "streaming" or not stored.finished:
        found.append("left streaming")
    for reader in told:
        found += wrong_with_the_end(reader, stored)
    found += wrong_between(told)
    if stored.status == "complete" and stored.text not in [call.text for call in calls]:
        found.append("not the text of an undisturbed run")
    elif not any(call.said.startswith(stored.text) for call in calls) and calls and stored.text:
        found.append("not what one model said")
    return found


def wrong_with_the_end(reader: Wanderer, stored: Stored) -> list[str]:
    found, end = [], reader.end
    ends = [event for _number, event in reader.events if event["type"] in ENDS]
    if len(ends) != 1:
        found.append("not exactly one end")
    if end["type"] == "error":
        return found if stored.status == "failed" else [*found, f"error: {end['code']}"]
    if (end["status"], end["text"]) != (stored.status, stored.text):
        found.append("told another end than is stored")
    if reader.late:
        return found
    if reader.shown != stored.text:
        found.append("shown is not stored")
    if reader.citations != len(end["citations"]):
        found.append("other citations shown than stored")
    return found


def wrong_between(readers: Sequence[Wanderer]) -> list[str]:
    """Readers who had everything had the same, number by number."""
    found, known = [], dict[int, str]()
    whole = [reader for reader in readers if not reader.late]
    for reader in whole:
        for number, text in reader.text_at.items():
            if known.setdefault(number, text) != text:
                found.append("two texts under one number")
                break
    if len({tuple(reader.milestones) for reader in whole}) > 1:
        found.append("an event was lost")
    return found
