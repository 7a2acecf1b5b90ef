"""Rules for failing: which requests fail, how, and whether they are carried out nevertheless.

A queue of scenarios (`StandIn.script`) says what happens to the next requests. Rules go on and on:
"the answer to every seventh upsert is lost". They are plain JSON too, for a stand-in that runs as a
process of its own.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatch
from typing import Any

from tests.standins.base import EMPTY_200, NEVER, NO_REPLY, RESET, Reply, html_reply, json_reply

Respond = Callable[[], Reply]
FAULTS = {
    # Not carried out
    "status": "an error of the service: `status`, `message`, `retry_after`",
    "html": "the page of a proxy in front of it, with `status`",
    "stall": "no answer until the client leaves",
    "reset": "the connection is reset",
    "close": "the connection is closed without an answer",
    # Carried out
    "delay": "`seconds` late: the client may have left, and others may have written meanwhile",
    "late": "at once, but answered `seconds` late",
    "lose": "the connection is reset instead of an answer",
    "hang": "no answer until the client leaves",
    "truncate": "`bytes` of the answer, then the connection is closed",
    "empty": "a 200 without a body",
    "null": "a 200 whose result is null",
}


@dataclass(frozen=True)
class Rule:
    """`on` is the name of an operation, or a pattern such as `*payload`."""

    fault: str
    on: str = "*"
    every: int = 1  # of the requests that `on` means
    after: int = 0  # that many first go well
    times: int | None = None  # then no more
    status: int = 503
    message: str = "Shard temporarily unavailable: as it was asked to be"
    retry_after: str | None = None
    seconds: float = 0.0
    bytes: int = 20

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"{self.fault!r} is none of the faults: {', '.join(FAULTS)}")
        if self.every < 1:
            raise ValueError("every: 1 or more")

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Rule":
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(said) - known):
            raise ValueError(f"a rule has no {unknown[0]!r}; it has {', '.join(sorted(known))}")
        if "fault" not in said:
            raise ValueError("a rule says its fault")
        return cls(**said)

    def fails(self, number: int, failed: int) -> bool:
        """`number`: of this request among those that `on` means, from 1."""
        number -= self.after
        return number > 0 and number % self.every == 0 and failed < (self.times or failed + 1)

    def reply(self, respond: Respond) -> Reply:
        match self.fault:
            case "status":
                headers = {"retry_after": self.retry_after} if self.retry_after else {}
                body = {"status": {"error": self.message}, "time": 0.0}
                return json_reply(body, self.status, **headers)
            case "html":
                return html_reply(self.status)
            case "stall":
                return NEVER
            case "reset":
                return RESET
            case "close":
                return NO_REPLY
            case "delay":
                time.sleep(self.seconds)
        return self._spoilt(respond())

    def _spoilt(self, reply: Reply) -> Reply:
        match self.fault:
            case "late":
                return reply.after(self.seconds)
            case "lose":
                return RESET
            case "hang":
                return NEVER
            case "truncate":
                return reply.cut_after(self.bytes)
            case "empty":
                return EMPTY_200
            case "null":
                return json_reply({"result": None, "status": "ok", "time": 0.0})
        return reply


class Faults:
    """The rules of one stand-in, and what they have done. Any thread may use it."""

    def __init__(self, rules: Iterable[Rule] = ()):
        self._lock = threading.Lock()
        self.replace(rules)

    def replace(self, rules: Iterable[Rule]) -> None:
        """Counting starts anew."""
        with self._lock:
            self._rules = list(rules)
            self._met = [0] * len(self._rules)
            self._failed = [0] * len(self._rules)
            self.operations: Counter[str] = Counter()

    def add(self, fault: str, on: str = "*", **details: Any) -> None:
        rule = Rule(fault, on, **details)
        with self._lock:
            self._rules.append(rule)
            self._met.append(0)
            self._failed.append(0)

    def reply(self, operation: str, respond: Respond) -> Reply:
        rule = self._next(operation)
        return respond() if rule is None else rule.reply(respond)

    def report(self) -> dict[str, Any]:
        with self._lock:
            rules = [
                {**asdict(rule), "met": met, "failed": failed}
                for rule, met, failed in zip(self._rules, self._met, self._failed, strict=True)
            ]
            return {"rules": rules, "operations": dict(self.operations)}

    def _next(self, operation: str) -> Rule | None:
        """Every rule counts the request; the first one that wants it to fail has it."""
        chosen = None
        with self._lock:
            self.operations[operation] += 1
            for index, rule in enumerate(self._rules):
                if not fnmatch(operation, rule.on):
                    continue
                self._met[index] += 1
                if chosen is None and rule.fails(self._met[index], self._failed[index]):
                    self._failed[index] += 1
                    chosen = rule
        return chosen
