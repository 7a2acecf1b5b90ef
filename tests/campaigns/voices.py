"""Models that speak and die as they are told, and an oracle that knows what each of them said.

Every call of every turn gets a text of its own, from its first word on: what a reader was shown can
be of one call only. The oracle never asks the project.
"""

import json
import random
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.production import marker_of
from tests.standins import EMPTY_200, NEVER, NO_REPLY, RESET, OpenRouterStandIn, html_reply
from tests.standins import frames as f
from tests.standins.base import Chunk, Recorded, Reply, json_reply

PAGE = """# The lamp

## Timing

The lamp of the tower turns once in twelve seconds. A full turn shows three flashes. Each flash
lasts for half a second. The lamp is lit every evening at sunset.
"""
KNOWN_BY = "twelve seconds"
# No sentence stands in the page like that; the first ones differ in their first word.
FIRST = (
    "The lamp turns once in twelve seconds",
    "Once in twelve seconds the lamp turns",
    "In twelve seconds the lamp turns once",
)
FURTHER = (
    ("A full turn of the lamp shows three flashes", "Three flashes are shown in a full turn"),
    ("Each flash of the lamp lasts half a second", "Half a second is what each flash lasts"),
    ("The lamp is lit at sunset every evening", "Every evening at sunset the lamp is lit"),
)
TURN = re.compile(r"watch (\d+)")


def question(turn: int) -> str:
    return f"How often does the lamp turn? I mean watch {turn}."


def text_of(turn: int, call: int, marker: str) -> str:
    dice = random.Random(turn * 10 + call)
    further = [dice.choice(variants) for variants in FURTHER]
    dice.shuffle(further)
    return " ".join(f"{said} [{marker}]." for said in [FIRST[call % 3], *further])


# --- How a stream dies ----------------------------------------------------------------------------

FOR_EVER = [f.comment(), 0.1] * 600
ODD = 'data: {"choices": [{"delta": {"content": "é'.encode()[:-1]  # half of a character
DEATHS: dict[str, tuple[Chunk, ...]] = {
    "rst": (f.RESET_NOW,),
    "fin without finish": (f.CUT,),
    "sse error": (f.error_event(),),
    "stall": (f.STALL,),
    "bad json": (b"data: {oops\n\n", b"data: {oops\n\n", *f.ending()),
    "truncated utf-8": (ODD, f.CUT),
    "json error": (json.dumps({"error": {"code": 502, "message": "gone"}}).encode() + b"\n\n",),
    "comments for ever": tuple(FOR_EVER),
    "length": (f.finish("length"), f.usage(reason="length"), f.DONE),
}
# Before the first word; the first ones OpenRouter sees itself, and asks the next model of its list.
SEEN_BY_OPENROUTER: dict[str, Reply] = {
    "404": f.no_endpoints(),
    "429": f.error(429, error_type="rate_limit_exceeded"),
    "500": f.error(500, error_type="server"),
    "502": f.error(502, error_type="provider_unavailable"),
    "503": f.error(503, error_type="provider_overloaded"),
    "529": f.error(529, error_type="provider_overloaded"),
}
UNSEEN: dict[str, Reply] = {
    "reset": RESET,
    "closed": NO_REPLY,
    "html": html_reply(503),
    "empty": EMPTY_200,
    "json in place of a stream": json_reply({"error": {"code": 502, "message": "gone"}}),
    "error event first": f.stream(f.comment(), f.error_event(choices=False)),
    "[DONE] alone": f.stream(f.comment(), f.DONE),
    "comments, then the end": f.stream(f.comment(), f.comment()),
    "silence": NEVER,
    "silence after the role": f.stream(f.role(), f.STALL),
}
BEFORE_THE_FIRST_WORD = {**SEEN_BY_OPENROUTER, **UNSEEN}


@dataclass(frozen=True)
class Fate:
    """Of one call: who speaks, and what becomes of it ("" : it ends well)."""

    model: str
    kind: str = ""
    share: float = 1.0  # of its words, that are said before it dies


@dataclass(frozen=True)
class Call:
    """As it was made; `text` is all that it would have said, as a reader would see it."""

    fate: Fate
    text: str
    said: str  # at most, before it died


Director = Callable[[int, int, list[str]], Fate]  # of a turn, its call, and the models asked


@dataclass
class Stage:
    """What both servers of models know. `director` decides, and `pause` how slowly is spoken."""

    director: Director
    pause: Callable[[int, int], float] | None = None  # seconds, of a turn, before each word
    calls: Mapping[int, list[Call]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, body: dict[str, Any]) -> Reply:
        said = " ".join(str(message["content"]) for message in body["messages"])
        turn, marker = int(TURN.findall(said)[-1]), marker_of(body, KNOWN_BY)
        wanted = list(body.get("models") or [body["model"]])
        with self.lock:
            number = len(self.calls[turn])
            fate = self.director(turn, number, wanted)
            text = text_of(turn, number, marker)
            words = re.findall(r"\s*\S+", text)
            told = words[: round(fate.share * len(words))] if fate.kind in DEATHS else words
            silent = fate.kind in BEFORE_THE_FIRST_WORD
            shown = text.replace(f"[{marker}]", "[1]")
            said = "" if silent else "".join(told).replace(f"[{marker}]", "[1]")
            self.calls[turn].append(Call(fate, shown, said))
        if silent:
            return BEFORE_THE_FIRST_WORD[fate.kind]
        deltas: list[Chunk] = [f.delta(word, model=fate.model) for word in told]
        if self.pause:
            spoken, deltas = deltas, []
            for at, delta in enumerate(spoken):
                deltas += [self.pause(turn, at), delta]
        end = DEATHS.get(fate.kind) or f.ending(model=fate.model, tokens=len(words))
        return f.stream(f.comment(), f.role(fate.model), *deltas, *end)


class Voices(OpenRouterStandIn):
    """A server of models on a stage, which is set afterwards."""

    stage: Stage

    def _complete(self, body: dict[str, Any]) -> Reply:
        return self.stage.reply(body)

    def respond(self, request: Recorded) -> Reply:
        self.known |= set(request.json.get("models") or [request.json.get("model")])
        return super().respond(request)
