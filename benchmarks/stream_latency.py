"""How long a word takes from the model to its reader: through a real server, in one run.

    python benchmarks/stream_latency.py                          # one reader, then twenty at once
    python benchmarks/stream_latency.py --readers 50 --redis

A stand-in of the model notes when each word leaves it; a reader of the event stream notes when it
has it. Both are in this process, the server is in another one: they share the two cores.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.campaigns.connections import Asker, clients  # noqa: E402
from tests.campaigns.pair import Pair  # noqa: E402
from tests.campaigns.voices import KNOWN_BY, TURN, Stage, question, text_of  # noqa: E402
from tests.production import marker_of  # noqa: E402
from tests.standins import frames as f  # noqa: E402

PACE = 0.03  # seconds between two words: 33 a second
Moments = dict[int, list[float]]  # by turn: of each word


class Noted(Stage):
    """Says the words of a text at an even pace, and notes when each of them left."""

    def __init__(self) -> None:
        super().__init__(director=lambda turn, call, asked: None)
        self.left: Moments = defaultdict(list)

    def reply(self, body):
        said = " ".join(str(message["content"]) for message in body["messages"])
        turn, marker = int(TURN.findall(said)[-1]), marker_of(body, KNOWN_BY)
        chunks = [f.comment(), f.role()]
        for word in words_of(text_of(turn, 0, marker)):
            chunks += [PACE, lambda: self.left[turn].append(time.monotonic()), f.delta(word)]
        return f.stream(*chunks, *f.ending())


def words_of(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


async def read(http, address: str, turn: int) -> list[float]:
    """When each word had arrived."""
    asker = await Asker.begin(http, address)
    shown, arrived = "", []
    async for _number, event in asker.ask(address, "sse", question(turn), abruptly=False):
        if event["type"] == "delta":
            shown += event["text"]
            arrived += [time.monotonic()] * (len(words_of(shown)) - len(arrived))
    return arrived


async def measure(stage: Noted, address: str, readers: int, rounds: int, first: int) -> None:
    began, later = [], []
    async with clients() as http:
        for number in range(rounds + 1):
            turns = [first + number * readers + reader for reader in range(readers)]
            told = await asyncio.gather(*(read(http, address, turn) for turn in turns))
            if not number:
                continue  # warms up
            for turn, arrived in zip(turns, told, strict=True):
                took = [there - left for there, left in zip(arrived, stage.left[turn], strict=True)]
                began.append(took[0])
                later += took[1:]
    print(f"{readers:>3} readers   first word {spread(began)}   later {spread(later)}")


def spread(seconds: list[float]) -> str:
    ordered = sorted(one * 1000 for one in seconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    return f"p50 {statistics.median(ordered):5.1f}  p95 {p95:5.1f}  max {ordered[-1]:6.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--redis", action="store_true", help="the journal is copied to a Redis")
    options = parser.parse_args()
    stage = Noted()
    with (
        tempfile.TemporaryDirectory() as place,
        Pair(Path(place), stage, processes=1, redis=options.redis) as pair,
    ):
        for number, readers in enumerate(options.readers or [1, 20]):
            first = 1 + number * 10**6
            asyncio.run(measure(stage, pair.addresses[0], readers, options.rounds, first))


if __name__ == "__main__":
    main()
