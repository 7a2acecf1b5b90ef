"""Ways to fail, by name, and how each is made to happen (tests/chat/fault_matrix.py)."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import OperationalError

from tests.production import Production
from tests.standins import EMPTY_200, NEVER, NO_REPLY, RESET, StandIn, html_reply, json_reply
from tests.standins import frames as f
from tests.standins.addresses import refusing, stalling
from tests.standins.base import Recorded, Reply
from tests.standins.cohere import (
    EMBED,
    RERANK,
    error,
    invalid_token,
    payment_required,
    too_many_requests,
)
from tests.standins.corrupt import CORRUPT_EMBEDDINGS, CORRUPT_RERANKS, corrupt
from tests.standins.openrouter import CHAT

MANY = 9  # times: more often than anybody may ask
BEGINNING = "The lamp turns "


@dataclass
class Bench:
    """What a fault may lay hands on."""

    production: Production
    collection: str
    settings: Any
    monkeypatch: pytest.MonkeyPatch
    stack: ExitStack

    def part(self, name: str) -> tuple[StandIn, str]:
        """The stand-in, and the path of the calls that are meant."""
        match name:
            case "embed":
                return self.production.cohere, EMBED
            case "rerank":
                return self.production.cohere, RERANK
            case "search":
                path = f"/collections/{self.collection}/points/query/batch"
                return self.production.qdrant, path
            case "openrouter":
                return self.production.openrouter, CHAT
        return self.production.other, CHAT


Fault = Callable[[Bench], None]
Scenario = Reply | Callable[[Recorded], Reply]


def replies(
    part: str,
    named: Mapping[str, Scenario],
    *,
    times: int = MANY,
    only: str = "",
    leave_out: str = "",
) -> dict[str, Fault]:
    """Every call to the part is answered so, or only the first ones."""
    once = " once" if times == 1 else ""

    def fault(scenario: Scenario) -> Fault:
        def arrange(bench: Bench) -> None:
            standin, path = bench.part(part)
            standin.script(path, *[scenario] * times)

        return arrange

    return {
        name + once: fault(scenario)
        for name, scenario in named.items()
        if (not only or name == only) and name != leave_out
    }


CLOSED = {"connection reset": RESET, "closed without a reply": NO_REPLY}
ANSWERED_BADLY = {
    "body cut short": json_reply({"results": [], "message": "x" * 100}).cut_after(30),
    "HTML page with 502": html_reply(502),
    "HTML page with 503": html_reply(503),
    "HTML page with 200": html_reply(200),
    "200 without a body": EMPTY_200,
    "200 with {}": json_reply({}),
    "200 with a list": json_reply([]),
}


def on_the_wire(part: str) -> dict[str, Fault]:
    """What any HTTP service or a proxy in front of it may do."""
    return replies(part, {**CLOSED, **ANSWERED_BADLY})


def silent(part: str) -> dict[str, Fault]:
    return replies(part, {"no reply": NEVER})


def dribbling(part: str) -> dict[str, Fault]:
    """Every byte comes in time, and the whole never."""
    bytes_and_pauses = (b"{", *[b" ", 0.2] * 100)
    reply = Reply(headers={"content-type": "application/json"}, chunks=bytes_and_pauses)
    return replies(part, {"a byte now and then": reply})


def late(part: str, seconds: float) -> dict[str, Fault]:
    """The right answer, after the deadline."""

    def arrange(bench: Bench) -> None:
        standin, path = bench.part(part)
        standin.script(path, lambda request: standin.respond(request).after(seconds))

    return {"the right reply, too late": arrange}


UNREACHABLE: dict[str, tuple[str, Callable[[], AbstractContextManager[str]]]] = {
    "refused": ("connection refused", refusing),
    "stalled": ("connection never made", stalling),
}
ADDRESSES = {
    "cohere": ("Cohere", "COHERE_BASE_URL"),
    "search": ("Qdrant", "QDRANT_URL"),
    "openrouter": ("OpenRouter", "OPENROUTER_BASE_URL"),
    "other": ("another", "OPENAI_BASE_URL"),
}


def unreachable(part: str, how: str) -> dict[str, Fault]:
    what, address = UNREACHABLE[how]
    whole = f"all of {ADDRESSES[part][0]}: " if part == "cohere" else ""

    def arrange(bench: Bench) -> None:
        setattr(bench.settings, ADDRESSES[part][1], bench.stack.enter_context(address()))

    return {whole + what: arrange}


def both(name: str, *parts: str) -> dict[str, Fault]:
    """Several parts refuse connections."""

    def arrange(bench: Bench) -> None:
        for part in parts:
            for fault in unreachable(part, "refused").values():
                fault(bench)

    return {name: arrange}


# --- Statuses, as the contracts list them ---------------------------------------------------------

COHERE_STATUSES = {
    "400": error(400, "invalid request"),
    "401": error(401, "invalid api token"),
    "402": payment_required(),
    "403": error(403, "not permitted"),
    "404": error(404, "model not found"),
    "422": error(422, "unprocessable"),
    "429 of the minute": too_many_requests(),
    "429 with Retry-After": too_many_requests(retry_after="30"),
    "429 of the month": too_many_requests(monthly=True),
    "498": invalid_token(),
    "499": error(499, "request cancelled"),
    "500": error(500, "internal server error"),
    "501": error(501, "not implemented"),
    "503": error(503, "unavailable"),
    "504": error(504, "timeout"),
}
EMBEDDINGS = {
    f"200, {name}": corrupt(change)
    for name, change in CORRUPT_EMBEDDINGS.items()
    if name not in ("an empty object", "a list")  # among those on the wire
}
RERANKS = {
    f"200, {name}": corrupt(change)
    for name, change in CORRUPT_RERANKS.items()
    if name not in ("an empty object", "a list")
}


def qdrant_error(status: int, message: str = "as it was asked to be", **headers: str) -> Reply:
    return json_reply({"status": {"error": message}, "time": 0.0}, status, **headers)


QDRANT_STATUSES = {
    "400": qdrant_error(400, "Bad request: Index required but not found"),
    "401": Reply(401, {"content-type": "text/plain"}, (b"Invalid API key or JWT",)),
    "403": Reply(403, {"content-type": "text/plain"}, (b"Forbidden",)),
    "404": qdrant_error(404, "Not found: Collection doesn't exist!"),
    "408": qdrant_error(408),
    "422": qdrant_error(422),
    "429": qdrant_error(429, "Rate limiting exceeded"),
    "429 with Retry-After in seconds": qdrant_error(429, retry_after="3"),
    "429 with Retry-After as a date": qdrant_error(
        429, retry_after="Wed, 21 Oct 2037 07:28:00 GMT"
    ),
    "500": qdrant_error(500, "Service internal error"),
    "503": qdrant_error(503),
    "507": qdrant_error(507, "No space left on device"),
}


def found(*points: Any) -> Reply:
    """A reply to the two searches of a question, each with these points."""
    result = [{"points": list(points)}, {"points": list(points)}]
    return json_reply({"result": result, "status": "ok", "time": 0.0})


QDRANT_SHAPES = {
    "200, null in place of a result": json_reply({"result": None, "status": "ok", "time": 0.0}),
    "200, a text in place of a result": json_reply({"result": "surprise", "status": "ok"}),
    "200, points without an id": found({"version": 1, "score": 0.5}),
    "200, points whose ids are no UUIDs": found({"id": "lamp", "version": 1, "score": 0.5}),
    "200, points without a score": found({"id": "0" * 32, "version": 1, "score": None}),
    "200, points that are texts": found("surprise"),
}
STATUSES: dict[str, dict[str, Scenario]] = {
    "refused": {
        "400, content policy": f.error(400, error_type="content_policy_violation"),
        "403, moderated": f.moderated(),
        "200, content_filter at once": f.stream(f.role(), f.finish("content_filter"), f.DONE),
        "200, a refusal in place of content": f.stream(
            f.delta(None, refusal="No."), *f.ending(tokens=1)
        ),
    },
    "rejected": {
        "400, unknown model": f.error(400, error_type="invalid_request"),
        "401": f.error(401, error_type="authentication"),
        "402, no credit": f.out_of_credits(),
        "402, limit of the key": f.out_of_credits("openrouter_key_limit"),
        "403, budget": f.error(403, limit_source="workspace_budget"),
        "422": f.error(422, error_type="unprocessable"),
        "429, no quota (OpenAI)": json_reply({"error": {"code": "insufficient_quota"}}, 429),
    },
    "overlong": {
        "400, context too long": f.error(400, error_type="context_length_exceeded"),
        "413": f.error(413, error_type="payload_too_large"),
    },
    "rate_limited": {
        "402, too many in flight": f.in_flight_budget(),
        "429": f.error(429, error_type="rate_limit_exceeded"),
        "429 with Retry-After": f.error(429, headers={"retry_after": "7"}),
        "429, free models' day": f.free_daily_limit(),
        "200, first event says 429": f.stream(f.error_event(429)),
    },
    "timeout": {
        "408": f.error(408),
        "504": f.error(504),
        "504 as HTML": html_reply(504),
        "524 as HTML": html_reply(524),
    },
    "unavailable": {
        "404, no endpoints": f.no_endpoints(),
        "500": f.error(500, error_type="server"),
        "502": f.error(502, error_type="provider_unavailable"),
        "503": f.error(503, error_type="provider_overloaded"),
        "529": f.error(529, error_type="provider_overloaded"),
        "503, body cut short": f.error(503).cut_after(10),
        "redirect": Reply(302, {"location": "http://127.0.0.1:1/"}),
        "200 with a whole answer as JSON": f.completion("The lamp."),
        "200, first event is an error": f.stream(f.error_event()),
        "200, first event is an error without choices": f.stream(f.error_event(choices=False)),
        "200, finish_reason error": f.stream(f.role(), f.finish("error")),
        "200, an answer without a word": f.stream(f.role(), f.finish(), f.usage(0), f.DONE),
    },
    "refused late": {
        "content_filter in mid-sentence": f.stream(
            f.role(), f.delta(BEGINNING), f.finish("content_filter"), f.DONE
        ),
    },
    "length": {
        "cut by the limit of tokens": lambda request: f.stream(
            f.role(), f.delta(_whole(request)), f.finish("length"), f.usage(reason="length"), f.DONE
        ),
    },
}


# Of each kind one, where all of a kind have the same consequences.
ONE_EACH: dict[str, Scenario] = {
    "401": STATUSES["rejected"]["401"],
    "402, no credit": STATUSES["rejected"]["402, no credit"],
    "413": STATUSES["overlong"]["413"],
    "429": STATUSES["rate_limited"]["429"],
    "429 with Retry-After": STATUSES["rate_limited"]["429 with Retry-After"],
    "504": STATUSES["timeout"]["504"],
}
# The next three models may do better; the first ones would not.
NEXT_GROUP = {name: ONE_EACH[name] for name in ("413", "429", "429 with Retry-After", "504")}
MAY_PASS: dict[str, Scenario] = {
    "connection reset": RESET,
    "502": STATUSES["unavailable"]["502"],
    "HTML page with 200": html_reply(200),
    "200, first event is an error": STATUSES["unavailable"]["200, first event is an error"],
    "200, [DONE] alone": f.stream(f.DONE),
}


def _whole(request: Recorded) -> str:
    from tests.production import cite_the_lamp

    return cite_the_lamp(request.json)


# --- Streams that die -----------------------------------------------------------------------------

BEFORE_THE_FIRST_WORD: dict[str, Scenario] = {
    "200, [DONE] alone": f.stream(f.DONE),
    "200, comments, then the end": f.stream(f.comment(), f.comment()),
    "200, a stream without an event": f.stream(),
    "200, two broken events": f.stream(*[b"data: {oops\n\n"] * 2),
    "200, tokens thought away": f.stream(
        f.thinking("Hm"), f.finish("length"), f.usage(900, reason="length"), f.DONE
    ),
}


def _dying(*rest: Any) -> Reply:
    return f.stream(f.role(), f.delta(BEGINNING), 0.03, *rest)


DEATHS: dict[str, Scenario] = {
    "reset": _dying(f.RESET_NOW),
    "cut": _dying(f.CUT),
    "end without a finish": _dying(),
    "[DONE] without a finish": _dying(f.DONE),
    "an error event": _dying(f.error_event()),
    "two broken events": _dying(*[b"data: {oops\n\n"] * 2, *f.ending()),
    "ends within an event": _dying(f.finish()[:60]),
    "ends within a character": _dying("data: é".encode()[:-1]),
}
FOR_EVER = [f.comment(), 0.1] * 100
LATE_DEATHS: dict[str, dict[str, Scenario]] = {
    "before": {
        "silence after the role": f.stream(f.role(), f.STALL),
        "comments for ever": f.stream(*FOR_EVER),
    },
    "after": {
        "silence in mid-sentence": _dying(f.STALL),
        "comments for ever in mid-sentence": _dying(*FOR_EVER),
        "empty deltas for ever": _dying(*[f.delta(""), 0.1] * 100),
    },
    "endless": {"words for ever": _dying(*[f.delta("round "), 0.1] * 200)},
}


# --- The database ---------------------------------------------------------------------------------


def away(target: str, *, times: int = MANY) -> Fault:
    """This work on the database fails."""

    def arrange(bench: Bench) -> None:
        module, _, name = target.rpartition(".")
        import importlib

        works = getattr(importlib.import_module(module), name)
        left = [times]

        async def fails(*arguments: Any) -> Any:
            if left[0] > 0:
                left[0] -= 1
                raise OperationalError("server closed the connection unexpectedly")
            return await works(*arguments)

        bench.monkeypatch.setattr(target, fails)

    return arrange


DATABASE = {
    "at first": {"away when the question is saved": away("chat.turns._open")},
    "reading": {"away when passages are read": away("chat.retrieval._live_passages")},
    "at last": {"away when the answer is saved": away("chat.turns._close")},
    "at last, once": {"cut off once when the answer is saved": away("chat.turns._close", times=1)},
}
