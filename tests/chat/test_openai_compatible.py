"""Every way a stream of an OpenAI-compatible server can go, against the stand-in on loopback."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import formatdate

import httpx
import pytest

from chat.llm.base import ChatModelError, Completion, TextPart
from chat.llm.openai_compatible import OpenAICompatibleModel, Timeouts
from tests.chat.samples import (
    HASTY,
    PATIENT,
    answer_of,
    model_of,
    new_client,
    outputs_of,
    prompt,
    read_until_error,
    text_of,
)
from tests.standins import (
    EMPTY_200,
    NEVER,
    NO_REPLY,
    RESET,
    OpenRouterStandIn,
    Reply,
    eventually,
    html_reply,
    json_reply,
    split,
)
from tests.standins import frames as f
from tests.standins.base import Chunk


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as client:
        yield client


@pytest.fixture
def model(
    openrouter_standin: OpenRouterStandIn, client: httpx.AsyncClient
) -> OpenAICompatibleModel:
    """In no hurry: a busy machine must not look like a dead stream."""
    return model_of(openrouter_standin, client)


@pytest.fixture
def hasty(
    openrouter_standin: OpenRouterStandIn, client: httpx.AsyncClient
) -> OpenAICompatibleModel:
    return model_of(openrouter_standin, client, timeouts=HASTY)


async def failure_of(model: OpenAICompatibleModel) -> tuple[str, ChatModelError]:
    """The text that was shown, and the error after it."""
    text, error = await read_until_error(model.stream(prompt()))
    assert isinstance(error, ChatModelError), error
    return text, error


# --- Requests ---------------------------------------------------------------------------------


async def test_the_request_is_what_openrouter_documents(openrouter_standin, client):
    model = model_of(
        openrouter_standin,
        client,
        models=["vendor/primary", "vendor/second", "vendor/third"],
        max_tokens=123,
        max_tokens_field="max_completion_tokens",
        headers={"X-OpenRouter-Title": "Docs"},
        body={"provider": {"data_collection": "deny"}},
    )
    await outputs_of(model)
    (request,) = openrouter_standin.chats()
    assert request.json == {
        "models": ["vendor/primary", "vendor/second", "vendor/third"],
        "messages": [
            {"role": "system", "content": "Answer from the passages."},
            {"role": "user", "content": "Why do they degrade?"},
        ],
        "max_completion_tokens": 123,
        "stream": True,
        "provider": {"data_collection": "deny"},
    }
    assert request.headers["x-openrouter-title"] == "Docs"
    assert request.headers["accept"] == "text/event-stream"


async def test_a_prompt_may_ask_for_a_shorter_reply(openrouter_standin, client):
    model = model_of(openrouter_standin, client, max_tokens=900)
    await outputs_of(model, replace(prompt(), max_tokens=80))
    assert openrouter_standin.chats()[0].json["max_tokens"] == 80


def test_a_fourth_model_is_refused_at_once():
    with pytest.raises(ValueError, match="at most 3"):
        OpenAICompatibleModel(httpx.AsyncClient(), "http://x/v1", models=list("abcd"))


async def test_the_key_is_in_the_header_and_nowhere_else(openrouter_standin, client, caplog):
    caplog.set_level(logging.DEBUG)
    model = model_of(openrouter_standin, client)
    openrouter_standin.next_chat(f.error(401, "Incorrect key sk-or-v1-test"))
    _, error = await failure_of(model)
    (request,) = openrouter_standin.chats()
    assert request.headers["authorization"] == "Bearer sk-or-v1-test"
    assert "sk-or-v1-test" not in request.body.decode()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("chat")]
    for text in (repr(model), str(model), repr(vars(model)), repr(error), *ours):
        assert "sk-or-v1-test" not in text


# --- Streams that end well --------------------------------------------------------------------


async def test_a_whole_answer(model):
    text, completion = await answer_of(model)
    assert text == "Perovskites degrade in moist air."
    assert completion == Completion(
        model="vendor/primary", finish_reason="stop", prompt_tokens=812, completion_tokens=5,
        cost=0.00041,
    )  # fmt: skip


async def test_the_model_that_served_is_named(openrouter_standin, client):
    openrouter_standin.failing = {"vendor/primary": f.error(502)}
    model = model_of(openrouter_standin, client, models=["vendor/primary", "vendor/second"])
    _, completion = await answer_of(model)
    assert completion.model == "vendor/second"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1, 10**30, "many", None])
async def test_numbers_that_are_nonsense_are_not_believed(openrouter_standin, model, number):
    used = {"prompt_tokens": number, "completion_tokens": number, "cost": number}
    named = "v\0" * 500
    ends = f.chunk(named, {"delta": {}, "finish_reason": "stop"}, usage=used)
    openrouter_standin.next_chat(f.stream(f.delta("Perov"), ends, f.DONE))

    assert (await answer_of(model))[1] == Completion("v" * 200, "stop")


GOOD_STREAMS = {
    "comments between events": (
        f.comment(), f.delta("Per"), f.comment(), f.delta("ov"), f.comment(), *f.ending(),
    ),
    "null content and thinking": (
        f.role(), f.delta(None), f.thinking("Hmm"), f.delta("Per"), f.thinking("!"),
        f.delta("ov"), *f.ending(),
    ),
    "absent content": (f.chunk("v", {"delta": {}}), f.delta("Perov"), *f.ending()),
    "usage without choices": (f.delta("Perov"), f.finish(), f.usage(2, empty=True), f.DONE),
    "no [DONE]": (f.delta("Perov"), f.finish(), f.usage()),
    "no usage": (f.delta("Perov"), f.finish(), f.DONE),
    "the answer repeated after its end": (
        f.delta("Perov"), f.finish(),
        f.chunk("v", {"delta": {"content": "Perov"}, "finish_reason": "stop"}), f.DONE,
    ),
    "no space after data:": (
        b"".join((f.delta("Perov"), *f.ending())).replace(b"data: ", b"data:"),
    ),
    "CRLF": (b"".join((f.comment(), f.delta("Perov"), *f.ending())).replace(b"\n", b"\r\n"),),
    "last event without a blank line": (f.delta("Perov"), f.finish().rstrip()),
    "all in one write": (b"".join((f.role(), f.delta("Per"), f.delta("ov"), *f.ending())),),
    "one broken event": (f.delta("Per"), b"data: {oops\n\n", f.delta("ov"), *f.ending()),
    "an event without data": (b"event: ping\n\n", f.delta("Perov"), *f.ending()),
    "the socket cut after the end": (f.delta("Perov"), f.finish(), f.CUT),
    "a reset after the end": (f.delta("Perov"), f.finish(), 0.05, f.RESET_NOW),
    "a stall after the end": (f.delta("Perov"), f.finish(), f.STALL),
}  # fmt: skip


@pytest.mark.parametrize("chunks", GOOD_STREAMS.values(), ids=GOOD_STREAMS.keys())
async def test_a_stream_that_is_odd_but_whole(openrouter_standin, model, chunks, monkeypatch):
    monkeypatch.setattr("chat.llm.openai_compatible.USAGE_GRACE", 0.2)
    openrouter_standin.next_chat(f.stream(*chunks))
    begun = time.monotonic()
    text, completion = await answer_of(model)
    assert text == "Perov"
    assert completion.finish_reason == "stop"
    assert time.monotonic() - begun < PATIENT.stall / 2


@pytest.mark.parametrize("every", [1, 3, 7])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
async def test_bytes_may_be_split_anywhere(openrouter_standin, model, every, newline):
    said = "Zelle: “µ → 太陽電池” \u2028 🔬"
    whole = b"".join((f.comment(), f.delta(said), *f.ending())).replace(b"\n", newline)
    openrouter_standin.next_chat(f.stream(*split(whole, every=every)))
    text, _ = await answer_of(model)
    assert text == said


async def test_a_compressed_stream(openrouter_standin, model):
    openrouter_standin.next_chat(f.stream(f.delta("Perov"), *f.ending()).gzipped())
    assert (await answer_of(model))[0] == "Perov"


async def test_a_cut_by_the_token_limit_is_told(openrouter_standin, model):
    openrouter_standin.next_chat(f.stream(f.delta("Per"), f.finish("length"), f.DONE))
    _, completion = await answer_of(model)
    assert completion.finish_reason == "length"


async def test_text_is_passed_on_as_it_arrives(openrouter_standin, model):
    openrouter_standin.next_chat(f.stream(f.delta("Per"), f.STALL))
    stream = model.stream(prompt())
    assert await anext(stream) == TextPart("Per")
    await stream.aclose()


# --- Streams that die -------------------------------------------------------------------------

DEATHS = {
    "[DONE] only": ((f.DONE,), "", "incomplete"),
    "end without a finish": ((f.delta("Per"),), "Per", "incomplete"),
    "[DONE] without a finish": ((f.delta("Per"), f.DONE), "Per", "incomplete"),
    "nothing at all": ((), "", "incomplete"),
    "comments, then the end": ((f.comment(), f.comment()), "", "incomplete"),
    "cut in mid-body": ((f.delta("Per"), f.CUT), "Per", "incomplete"),
    "cut in mid-event": ((f.delta("Per"), f.delta("ov")[:30], f.CUT), "Per", "incomplete"),
    "ends in mid-event": ((f.delta("Per"), f.finish()[:60]), "Per", "incomplete"),
    "reset": ((f.delta("Per"), 0.05, f.RESET_NOW), "Per", "incomplete"),
    "stall before the first token": ((f.comment(), f.STALL), "", "timeout"),
    "stall after the role": ((f.role(), f.STALL), "", "timeout"),
    "stall between tokens": ((f.delta("Per"), f.STALL), "Per", "timeout"),
    "empty deltas for ever": ((f.delta("Per"), *[0.1, f.delta("")] * 30), "Per", "timeout"),
    "comments for ever": ((*[f.comment(), 0.1] * 30,), "", "timeout"),
    "two broken events": (
        (f.delta("Per"), *[b"data: {x\n\n"] * 2, f.delta("ov"), *f.ending()), "Per", "incomplete",
    ),
    "data that is no object": ((b"data: 5\n\n", b"data: []\n\n"), "", "incomplete"),
    "error first": ((f.error_event(),), "", "unavailable"),
    "error first, no choices": ((f.error_event(choices=False),), "", "unavailable"),
    "error in the middle": ((f.delta("Per"), f.error_event()), "Per", "unavailable"),
    "error, then the end": ((f.delta("Per"), f.error_event(), f.CUT), "Per", "unavailable"),
    "error with a string": ((f.error_event("server_error"),), "", "unavailable"),
    "rate limit as a string": ((f.error_event("rate_limit_exceeded"),), "", "rate_limited"),
    "rate limit as a number": ((f.error_event(429),), "", "rate_limited"),
    "error inside a choice": (
        (f.chunk("v", {"error": {"code": 429}, "finish_reason": "error"}),), "", "rate_limited",
    ),
    "finish_reason error": ((f.delta("Per"), f.finish("error")), "Per", "unavailable"),
    "moderated in mid-stream": ((f.delta("Per"), f.finish("content_filter")), "Per", "refused"),
    "a refusal": ((f.delta(None, refusal="No."), *f.ending()), "", "refused"),
    "empty, no tokens": ((f.role(), f.finish(), f.usage(0), f.DONE), "", "unavailable"),
    "empty, tokens thought away": (
        (f.thinking("Hm"), f.finish("length"), f.usage(900), f.DONE), "", "incomplete",
    ),
    "only white space": ((f.delta(" \n"), f.finish(), f.usage(0)), " \n", "unavailable"),
}  # fmt: skip


@pytest.mark.parametrize(("chunks", "shown", "code"), DEATHS.values(), ids=DEATHS.keys())
async def test_a_stream_that_dies(openrouter_standin, client, chunks, shown, code):
    model = model_of(openrouter_standin, client, timeouts=HASTY if code == "timeout" else PATIENT)
    openrouter_standin.next_chat(f.stream(*chunks))
    text, error = await failure_of(model)
    assert (text, error.code) == (shown, code)


async def test_thinking_holds_off_the_first_token_deadline(openrouter_standin, hasty):
    thoughts: list[Chunk] = [f.thinking("Hm"), 0.1] * 5
    openrouter_standin.next_chat(f.stream(*thoughts, f.delta("Perov"), *f.ending()))
    assert (await answer_of(hasty))[0] == "Perov"


async def test_a_slow_but_steady_stream_ends_at_the_total(openrouter_standin, client):
    timeouts = Timeouts(connect=5.0, first_token=5.0, stall=5.0, total=0.6)
    model = model_of(openrouter_standin, client, timeouts=timeouts)
    slow: list[Chunk] = [f.delta("x"), 0.05] * 60
    openrouter_standin.next_chat(f.stream(*slow))
    _, error = await failure_of(model)
    assert error.code == "timeout"
    assert "no end" in str(error)


async def test_a_slow_reader_is_not_a_stalled_model(openrouter_standin, hasty):
    openrouter_standin.next_chat(f.stream(f.delta("Per"), f.delta("ov"), *f.ending()))
    outputs = []
    async for output in hasty.stream(prompt()):
        outputs.append(output)
        await asyncio.sleep(HASTY.stall + 0.1)
    assert text_of(outputs) == "Perov"


async def test_an_endless_stream_is_cut_off(openrouter_standin, client, monkeypatch):
    monkeypatch.setattr("chat.llm.openai_compatible.STREAM_BYTES", 10_000)
    openrouter_standin.next_chat(f.stream(b"data: " + b"x" * 20_000))
    _, error = await failure_of(model_of(openrouter_standin, client))
    assert error.code == "incomplete"


# --- Errors before the stream -----------------------------------------------------------------

BEFORE = {
    "unknown model": (f.error(400, error_type="invalid_request"), "rejected"),
    "too long": (f.error(400, error_type="context_length_exceeded"), "overlong"),
    "too large": (f.error(413, error_type="payload_too_large"), "overlong"),
    "policy": (f.error(400, error_type="content_policy_violation"), "refused"),
    "no key": (f.error(401, error_type="authentication"), "rejected"),
    "no credit": (f.out_of_credits(), "rejected"),
    "key limit": (f.out_of_credits("openrouter_key_limit"), "rejected"),
    "in flight": (f.in_flight_budget(), "rate_limited"),
    "moderated": (f.moderated(), "refused"),
    "budget": (f.error(403, limit_source="workspace_budget"), "rejected"),
    "no endpoints": (f.no_endpoints(), "unavailable"),
    "request timeout": (f.error(408), "timeout"),
    "unprocessable": (f.error(422), "rejected"),
    "upstream limit": (f.error(429, error_type="capacity_exhausted"), "rate_limited"),
    "free limit": (f.free_daily_limit(), "rate_limited"),
    "server": (f.error(500, error_type="server"), "unavailable"),
    "provider": (f.error(502, error_type="provider_unavailable"), "unavailable"),
    "overloaded": (f.error(529, error_type="provider_overloaded"), "unavailable"),
    "edge page": (html_reply(503), "unavailable"),
    "edge timeout": (html_reply(524), "timeout"),
    "gateway timeout": (html_reply(504), "timeout"),
    "OpenAI: no quota": (
        json_reply({"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}, 429),
        "rejected",
    ),
    "Ollama: text": (json_reply({"error": "model not found"}, 404), "unavailable"),
    "Gemini: a list": (json_reply([{"error": {"code": 429, "status": "X"}}], 429), "rate_limited"),
    "cut error body": (f.error(503).cut_after(10), "unavailable"),
    "200 with JSON": (f.completion("Perov"), "unavailable"),
    "200 with an error": (json_reply({"error": {"code": 429, "message": "slow"}}), "rate_limited"),
    "200 with HTML": (html_reply(200), "unavailable"),
    "200 with nothing": (EMPTY_200, "unavailable"),
    "200 with {}": (json_reply({}), "unavailable"),
    "redirect": (Reply(302, {"location": "http://127.0.0.1:1/"}), "unavailable"),
    "closed": (NO_REPLY, "unavailable"),
    "reset": (RESET, "unavailable"),
    "silence": (NEVER, "timeout"),
    "late headers": (f.stream(f.delta("x"), *f.ending()).after(5.0), "timeout"),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "code"), BEFORE.values(), ids=BEFORE.keys())
async def test_an_error_before_the_stream(openrouter_standin, client, reply, code):
    model = model_of(openrouter_standin, client, timeouts=HASTY if code == "timeout" else PATIENT)
    openrouter_standin.next_chat(reply)
    text, error = await failure_of(model)
    assert (text, error.code) == ("", code)


async def test_nobody_there(client):
    model = OpenAICompatibleModel(client, "http://127.0.0.1:9/v1", model="m", timeouts=PATIENT)
    _, error = await failure_of(model)
    assert error.code == "unavailable"


def date_in(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


def milliseconds_in(seconds: float) -> str:
    return str(int((time.time() + seconds) * 1000))


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (lambda: f.in_flight_budget("3"), 3),
        (lambda: f.error(429, headers={"retry_after": date_in(90)}), 90),
        (lambda: f.free_daily_limit(600), 600),
        (lambda: f.error(429, headers={"X-RateLimit-Reset": milliseconds_in(60)}), 60),
        (lambda: json_reply({"error": {"availability": {"retry_after": 7}}}, 429), 7),
        (lambda: f.error(403, limit_source="key_limit", resets_at=milliseconds_in(50)), 50),
        (lambda: f.error(429, headers={"retry_after": "soon"}), None),
        (lambda: f.error(500), None),
    ],
)
async def test_when_to_come_back(openrouter_standin, model, reply, seconds):
    openrouter_standin.next_chat(reply())
    _, error = await failure_of(model)
    assert error.retry_after == (seconds and pytest.approx(seconds, abs=15))


async def test_a_limit_told_only_in_the_body_counts_in_milliseconds(openrouter_standin, model):
    metadata = {"headers": {"X-RateLimit-Reset": milliseconds_in(120)}}
    openrouter_standin.next_chat(json_reply({"error": {"code": 429, "metadata": metadata}}, 429))
    _, error = await failure_of(model)
    assert error.retry_after == pytest.approx(120, abs=10)


async def test_upstream_texts_are_not_repeated(openrouter_standin, model, caplog):
    caplog.set_level(logging.DEBUG, logger="chat")
    openrouter_standin.next_chat(f.moderated("the flagged words"))
    _, error = await failure_of(model)
    openrouter_standin.next_chat(f.stream(f.delta("Per"), b"data: {secret text\n\n", *f.ending()))
    await outputs_of(model)
    assert "flagged" not in str(error)
    assert "secret text" not in caplog.text
    assert "an event of 12 characters" in caplog.text


# --- Leaving early ----------------------------------------------------------------------------


async def test_closing_the_generator_closes_the_connection_at_once(openrouter_standin, model):
    openrouter_standin.next_chat(f.stream(f.delta("Per"), f.STALL))
    stream = model.stream(prompt())
    await anext(stream)
    left_at = time.monotonic()
    await stream.aclose()
    (request,) = openrouter_standin.chats()
    await eventually(lambda: request.disconnected_at)
    assert request.disconnected_at - left_at < 1


async def test_a_cancelled_task_closes_the_connection(openrouter_standin, model):
    openrouter_standin.next_chat(f.stream(f.comment(), f.STALL))
    task = asyncio.create_task(outputs_of(model))
    await eventually(openrouter_standin.chats)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: openrouter_standin.chats()[0].disconnected_at)


async def test_a_timeout_closes_the_connection(openrouter_standin, hasty):
    openrouter_standin.next_chat(f.stream(f.delta("Per"), f.STALL))
    await failure_of(hasty)
    await eventually(lambda: openrouter_standin.chats()[0].disconnected_at)


async def test_no_connection_is_left_over(openrouter_standin, client):
    model = model_of(openrouter_standin, client, timeouts=HASTY)
    openrouter_standin.next_chat(f.stream(f.delta("x"), f.STALL), f.error(500), html_reply(200))
    for _ in range(3):
        await failure_of(model)
    await outputs_of(model)
    assert openrouter_standin.open_connections == 1  # idle, for the next


async def test_many_streams_at_once(openrouter_standin, model):
    answers = await asyncio.gather(*(answer_of(model) for _ in range(20)))
    assert {text for text, _ in answers} == {"Perovskites degrade in moist air."}
