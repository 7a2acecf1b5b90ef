"""A third of the models fails before its first word: in every turn others, each in its own way.

    python -m tests.campaigns.fallback --turns 1000 --seed 1

Half of the turns finds three models that are asked in calls of their own, one of which fails; the
other half five models of OpenRouter, which asks the next one of three itself where it sees the
failure, and one of another server; two of these six fail. Breakers are at work as always. At least
99.5 % of the answers must be complete and exactly what one model said, nobody may see a restart,
and no turn may make more than three calls.

`--without fallback` is the positive control: the first failure is the last call.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from chat.llm.fallback import MAX_CALLS
from tests.campaigns.crashes import commit
from tests.campaigns.readers import (
    LAYOUTS,
    Told,
    ask_all,
    installed,
    layout,
    pipeline_of,
    prepare,
    spread,
)
from tests.campaigns.stream_deaths import outcome_of
from tests.campaigns.voices import BEFORE_THE_FIRST_WORD, SEEN_BY_OPENROUTER, Fate, Stage

WANTED = 0.995
FIRST_TURN = 1000


@dataclass(frozen=True)
class Plan:
    layout: str
    failing: dict[str, str]  # how, by model


def plans_of(seed: int, turns: int) -> dict[int, Plan]:
    dice, plans = random.Random(seed), {}
    for number in range(FIRST_TURN, FIRST_TURN + turns):
        name = dice.choice(["three alone", "many"])
        models = [model for those in LAYOUTS[name] for model in those]
        failing = dice.sample(models, len(models) // 3)
        kinds = dice.choices(list(BEFORE_THE_FIRST_WORD), k=len(failing))
        plans[number] = Plan(name, dict(zip(failing, kinds, strict=True)))
    return plans


class Campaign:
    def __init__(self, seed: int, turns: int, without: str = "") -> None:
        self.seed, self.without = seed, without
        self.plans = plans_of(seed, turns)
        self.stage = Stage(self.fate)
        self.passed_on = 0  # by OpenRouter itself

    def fate(self, turn: int, call: int, asked: list[str]) -> Fate:
        """Of the models in a call, whoever serves, or fails in a way OpenRouter does not see."""
        failing = self.plans[turn].failing
        for model in asked:
            kind = failing.get(model, "")
            if kind not in SEEN_BY_OPENROUTER:
                return Fate(model, kind)
            self.passed_on += model != asked[-1]
        return Fate(asked[-1], failing[asked[-1]])

    def run(self) -> dict[str, Any]:
        began = time.monotonic()
        one_call = mock.patch("chat.llm.fallback.MAX_CALLS", 1)
        with (
            installed(self.stage) as (corpus, production),
            layout(production, "many", quotes=True),
            one_call if self.without else nullcontext(),
        ):
            told = asyncio.run(self._ask(corpus, production))
        return self.report(told, time.monotonic() - began)

    async def _ask(self, corpus: Any, production: Any) -> list[Told]:
        pipelines = {
            name: pipeline_of(production, name, quotes=True) for name in ("three alone", "many")
        }
        asked = [(turn, pipelines[plan.layout]) for turn, plan in self.plans.items()]
        return await ask_all(corpus, asked)

    def report(self, told: list[Told], seconds: float) -> dict[str, Any]:
        whole = sum(self.is_whole(one) for one in told)
        calls = Counter(len(self.stage.calls[one.turn]) for one in told)
        kinds = Counter(kind for plan in self.plans.values() for kind in plan.failing.values())
        wrong = Counter(wrong for one in told for wrong in self.violations(one))
        wrong["too few whole answers"] = int(whole < WANTED * len(told))
        return {
            "seed": self.seed, "commit": commit(), "without": self.without, "turns": len(told),
            "models_that_failed": sum(kinds.values()), "how": dict(kinds),
            "whole_answers_of_one_model": whole, "share": round(whole / len(told), 4),
            "ends": dict(Counter(map(outcome_of, told))),
            "calls": sum(number * times for number, times in calls.items()),
            "calls_a_turn": dict(sorted(calls.items())), "passed_on_by_openrouter": self.passed_on,
            "seconds_of_a_turn": spread(told),
            "violations": {name: count for name, count in wrong.items() if count},
            "seconds": round(seconds),
        }  # fmt: skip

    def is_whole(self, told: Told) -> bool:
        """Complete, and exactly what one call said, stored as well."""
        spoke = [call for call in self.stage.calls[told.turn] if call.text == told.shown]
        whole = len(spoke) == 1 and not spoke[0].fate.kind
        named = whole and told.end.get("model") == spoke[0].fate.model
        done = told.end.get("outcome") == "answered"
        return named and done and told.stored.get("text") == told.shown

    def violations(self, told: Told) -> list[str]:
        found = []
        if told.hung:
            found.append("hung")
        if len(told.ends) != 1 or told.events[-1] is not told.end:
            found.append("not exactly one terminal event, last")
        if any(event["type"] == "restart" for event in told.events):
            found.append("a failure before the first word was seen")
        if told.stored.get("text") != told.shown:
            found.append("stored text is not the shown text")
        if len(self.stage.calls[told.turn]) > MAX_CALLS:
            found.append("more than three calls")
        return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--without", default="", choices=["", "fallback"])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        report = Campaign(options.seed, options.turns, options.without).run()
    print(json.dumps(report, indent=2))
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
