"""Streams of models that die in nine ways, anywhere, while many readers listen.

    python -m tests.campaigns.stream_deaths --each 100 --seed 1

Of each way to die so many turns, at a random word; one, two or three calls of a turn die, with one,
two or three calls' worth of models there, with quotations and without. A tenth of the turns goes
through a live server as server-sent events, the rest through the pipeline in this process. Every
call of every turn has words of its own, so whatever a reader is left with is held against what each
call would have said, and against what is stored.

`--without GUARD` is the positive control and must end with violations: `restart` (the next model's
text follows the dead one's), `finish` (the end of a stream is taken for the end of its answer),
`terminal` (a done follows an error), `deadlines` (nobody looks at the clock).
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from chat.llm.fallback import MAX_CALLS, PATIENCE
from tests.campaigns.crashes import commit
from tests.campaigns.readers import (
    LONGEST,
    Told,
    ask_all,
    ask_server,
    installed,
    layout,
    pipeline_of,
    prepare,
    spread,
)
from tests.campaigns.voices import DEATHS, PAGE, Call, Fate, Stage

GUARDS = ("restart", "finish", "terminal", "deadlines")
FIRST_TURN = 1000  # questions are about "watch 1000" and on
OVER_THE_SERVER = "two"  # the layout whose turns may go through the live server, quoting


@dataclass(frozen=True)
class Plan:
    """Of one turn: how its first calls die, and who is there to take over."""

    kinds: tuple[str, ...]
    shares: tuple[float, ...]
    layout: str
    quotes: bool
    served: bool = False  # over the live server


def plans_of(seed: int, each: int, deaths: Sequence[str]) -> dict[int, Plan]:
    dice, plans = random.Random(seed), {}
    firsts = [kind for kind in deaths for _ in range(each)]
    for number, first in enumerate(firsts, FIRST_TURN):
        dying = dice.choices([1, 2, 3], [5, 2, 3])[0]
        kinds = (first, *dice.choices(deaths, k=dying - 1))
        shares = tuple(dice.random() for _ in kinds)
        served = number % 10 == 0
        name = OVER_THE_SERVER if served else dice.choice(["one", "two", "many"])
        quotes = served or dice.random() < 0.5
        plans[number] = Plan(kinds, shares, name, quotes, served)
    return plans


class Campaign:
    """`deaths` are the ways to die; by default all of them."""

    def __init__(
        self, seed: int, each: int, without: str = "", deaths: Sequence[str] = tuple(DEATHS)
    ) -> None:
        self.seed, self.without = seed, without
        self.plans = plans_of(seed, each, deaths)
        self.stage = Stage(self.fate)

    def fate(self, turn: int, call: int, asked: list[str]) -> Fate:
        plan = self.plans[turn]
        if call < len(plan.kinds):
            return Fate(asked[0], plan.kinds[call], plan.shares[call])
        return Fate(asked[0])

    def run(self, *, server: bool = True) -> dict[str, Any]:
        began = time.monotonic()
        with (
            installed(self.stage) as (corpus, production),
            never_left_alone(),
            layout(production, OVER_THE_SERVER, quotes=True),
        ):
            told = asyncio.run(self._ask(corpus, production, server))
        return self.report(told, time.monotonic() - began)

    async def _ask(self, corpus: Any, production: Any, server: bool) -> list[Told]:
        from tests.live import running_server

        with without(self.without):
            pipelines = {
                (name, quotes): pipeline_of(production, name, quotes=quotes)
                for name in ("one", "two", "many") for quotes in (True, False)
            }  # fmt: skip
            longest = 20.0 if self.without == "deadlines" else LONGEST
            served = [turn for turn, plan in self.plans.items() if server and plan.served]
            here = [
                (turn, pipelines[plan.layout, plan.quotes])
                for turn, plan in self.plans.items() if turn not in set(served)
            ]  # fmt: skip
            told = await ask_all(corpus, here, longest)
            if served:
                with running_server() as address:
                    told += await ask_server(address, served, longest)
        return told

    def report(self, told: list[Told], seconds: float) -> dict[str, Any]:
        found: Counter[str] = Counter()
        examples: list[str] = []
        ends: Counter[str] = Counter()
        for one in told:
            plan, calls = self.plans[one.turn], self.stage.calls[one.turn]
            wrong = violations(one, calls, plan)
            found.update(wrong)
            ends[outcome_of(one)] += 1
            if wrong and len(examples) < 5:
                examples.append(f"turn {one.turn} ({plan.kinds}, {plan.layout}): {wrong}")
        calls = Counter(len(self.stage.calls[one.turn]) for one in told)
        return {
            "seed": self.seed, "commit": commit(), "without": self.without, "turns": len(told),
            "over_the_server": sum(self.plans[one.turn].served for one in told),
            "turns_by_first_death": dict(Counter(plan.kinds[0] for plan in self.plans.values())),
            "deaths": dict(Counter(
                call.fate.kind for one in told for call in self.stage.calls[one.turn]
                if call.fate.kind
            )),
            "ends": dict(ends), "calls_a_turn": dict(sorted(calls.items())),
            "restarts": sum(event["type"] == "restart" for one in told for event in one.events),
            "seconds_of_a_turn": spread(told),
            "limit_seconds": LONGEST, "violations": dict(found), "examples": examples,
            "seconds": round(seconds),
        }  # fmt: skip


def outcome_of(told: Told) -> str:
    end = told.end
    quoted = " (quoted)" if end.get("extractive") else ""
    return f"{end['type']}: {end.get('outcome') or end.get('code')}{quoted}"


# --- The oracle -----------------------------------------------------------------------------------


def violations(told: Told, calls: list[Call], plan: Plan) -> list[str]:
    """What is wrong with one turn; the names are those of the report."""
    if told.hung:
        return ["hung"]
    if not calls:
        return ["no model was asked"]
    found, end, stored = [], told.end, told.stored
    if len(told.ends) != 1 or told.events[-1] is not end:
        found.append("not exactly one terminal event, last")
    if stored.get("text") != told.shown or end.get("text", told.shown) != told.shown:
        found.append("stored text is not the shown text")
    if stored.get("status") != ("complete" if end["type"] == "done" else "failed"):
        found.append("stored status is not how it ended")
    if len(calls) > MAX_CALLS:
        found.append("more than three calls")
    if end["type"] == "done" and not end["extractive"]:
        found += wrong_with_an_answer(told, calls)
    elif end["type"] == "done":
        found += wrong_with_quotations(told, plan)
    elif told.shown and not any(call.said.startswith(told.shown) for call in calls):
        found.append("a failed turn was left with words of more than one call")
    return found + wrong_with_taking_over(told, calls, plan)


def wrong_with_an_answer(told: Told, calls: list[Call]) -> list[str]:
    """It is all of what one call said that came to its end, or says that it was cut by a limit."""
    whole = [call for call in calls if call.text == told.shown]
    last = calls[-1]
    if last.fate.kind == "length":
        cut_well = told.shown == last.said and told.end["outcome"] != "answered"
        return [] if cut_well else ["cut by the limit, and not said so"]
    if any(call.fate.kind and call.said.startswith(told.shown) for call in calls):
        return ["a part is stored as complete"]
    if len(whole) != 1:
        return ["the answer is not exactly one call's"]
    return [] if told.end["outcome"] == "answered" else ["a whole answer is called otherwise"]


def wrong_with_quotations(told: Told, plan: Plan) -> list[str]:
    said = "no_model" in told.end["degraded"] and plan.quotes
    page = " ".join(PAGE.split())
    quoted = [" ".join(cited["quote"].split()) for cited in told.end["citations"]]
    honest = quoted and all(quote in page for quote in quoted)
    return [] if said and honest and told.end["outcome"] == "degraded" else ["quoted, not said so"]


def wrong_with_taking_over(told: Told, calls: list[Call], plan: Plan) -> list[str]:
    """Whoever could be asked was asked, and nobody else."""
    if told.seconds < PATIENCE and len(calls) != calls_to_be_made(calls, plan):
        return ["another number of calls than there should be"]
    return []


def calls_to_be_made(calls: list[Call], plan: Plan) -> int:
    """Each group of models once; then again those whose failure may pass; three at most."""
    groups, left, made = {"one": 1, "two": 2, "many": 3}[plan.layout], list(calls), 0
    passes: dict[int, bool] = {}
    asked = iter(range(groups))
    while made < MAX_CALLS:
        group = next(asked, None)
        if group is None:
            group = next((known for known in passes if passes[known]), None)
        if group is None:
            break
        made += 1
        call = left.pop(0) if left else Call(Fate(""), "", "")
        if not call.fate.kind or (call.fate.kind == "length" and call.said.strip()):
            break
        passes[group] = call.fate.kind not in ("stall", "comments for ever")
    return made


# --- Guards, and their absence --------------------------------------------------------------------


def never_left_alone() -> Any:
    """Every call is to be made here, however many died before; breakers have tests of their own."""
    from documents.upstream.breaker import Breaker

    return mock.patch.object(Breaker, "failed", lambda self, rest=None: None)


@contextmanager
def without(guard: str) -> Iterator[None]:
    from chat.llm import openai_compatible
    from chat.llm.fallback import Failures
    from chat.llm.reply import Reply
    from chat.pipeline import AnswerPipeline

    with ExitStack() as stack:
        if guard == "restart":
            never = property(lambda self: False, lambda self, value: None)
            stack.enter_context(mock.patch.object(Failures, "told_text", never, create=True))
        elif guard == "finish":
            proven = Reply.completion

            def believed(reply: Any) -> Any:
                reply.finish_reason = reply.finish_reason or "stop"
                return proven(reply)

            stack.enter_context(mock.patch.object(Reply, "completion", believed))
        elif guard == "terminal":
            answer = AnswerPipeline.answer

            async def answered_twice(self: Any, turn: Any) -> AsyncIterator[Any]:
                async for event in answer(self, turn):
                    yield event
                if event.type == "error":
                    yield turn.done()

            stack.enter_context(mock.patch.object(AnswerPipeline, "answer", answered_twice))
        elif guard == "deadlines":
            patient = openai_compatible.Timeouts(*[10_000.0] * 4)
            stack.enter_context(mock.patch("chat.providers._timeouts", lambda: patient))
        yield


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=10, help="turns for each way to die")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--without", default="", choices=["", *GUARDS])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        report = Campaign(options.seed, options.each, options.without).run()
    print(json.dumps(report, indent=2))
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
