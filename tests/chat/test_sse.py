"""The same answer as server-sent events."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from django.test import AsyncClient

from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline
from tests.chat.clients import ask_sse, sse_events, start_conversation, token_of

STREAMS = 15  # DATABASE_POOL_SIZE is 10
LAMP = "How often does the lamp turn?"


async def test_events_are_numbered_and_end_with_done(corpus):
    client = AsyncClient()
    reply = await ask_sse(client, await start_conversation(client), LAMP)

    events = await sse_events(reply)

    assert reply["Content-Type"] == "text/event-stream"
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    assert events[0]["id"] == 1
    assert [e["type"] for e in events if e["type"] in ("done", "error")] == ["done"]
    assert reply["X-Accel-Buffering"] == "no"


async def test_the_deltas_are_the_text(corpus):
    client = AsyncClient()
    events = await sse_events(await ask_sse(client, await start_conversation(client), LAMP))

    text = "".join(event["text"] for event in events if event["type"] == "delta")

    assert text == events[-1]["text"]


@pytest.mark.usefixtures("early_in_a_minute")
async def test_a_question_that_is_not_admitted_is_an_http_error(corpus, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 1
    client = AsyncClient()
    conversation = await start_conversation(client)
    await sse_events(await ask_sse(client, conversation, LAMP))

    refused = await ask_sse(client, conversation, LAMP)

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused["Content-Type"] == "application/problem+json"


async def test_a_bad_question_is_json_even_for_who_accepts_only_events(corpus):
    client = AsyncClient()

    refused = await ask_sse(client, await start_conversation(client), "")

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")


async def test_text_arrives_while_the_model_is_still_writing(corpus, monkeypatch):
    gate = asyncio.Event()
    pipeline = replace(
        AnswerPipeline.from_settings(), model=ScriptedModel(["Once in ", gate, "twelve."])
    )
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    client = AsyncClient()
    reply = await ask_sse(client, await start_conversation(client), LAMP)

    before, after = b"", b""
    async for part in reply.streaming_content:
        if gate.is_set():
            after += part
        else:
            before += part
            if b"Once in" in before:
                gate.set()

    assert b"twelve" not in before
    assert b"twelve" in after and b"event: done" in after


async def test_an_answer_that_nobody_reads_any_more_is_stopped(
    corpus, monkeypatch, server, settings
):
    settings.UNWATCHED_SECONDS = 0.1
    pipeline = replace(
        AnswerPipeline.from_settings(),
        model=ScriptedModel(["Once in ", asyncio.Event(), "twelve."]),
    )
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    async with httpx.AsyncClient(base_url=server, trust_env=False) as client:
        conversation = (
            await client.post("/api/v1/conversations/", json={"corpus": "lighthouse"})
        ).json()
        asking = client.stream(
            "POST",
            f"/api/v1/conversations/{conversation['id']}/messages/",
            json={"question": LAMP},
            headers={"Accept": "text/event-stream", **token_of(conversation)},
        )
        async with asking as reply:
            async for line in reply.aiter_lines():
                if "Once in" in line:
                    break  # and hang up

    answer = await until_it_is_saved()
    assert (answer.status, answer.text) == ("cancelled", "Once in ")
    assert pipeline.model.closed_early == 1


async def test_open_streams_leave_database_connections_for_others(
    corpus, monkeypatch, server, settings
):
    """More streams than the pool has connections: with one held by each, this would time out."""
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = settings.TURNS_AT_ONCE_EACH = 100
    gate = asyncio.Event()
    pipeline = replace(
        AnswerPipeline.from_settings(), model=ScriptedModel(["Once in ", gate, "twelve."])
    )
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    async with httpx.AsyncClient(base_url=server, trust_env=False, timeout=30) as client:
        opened = [asyncio.create_task(stream_until_text(client)) for _ in range(STREAMS)]
        streams = [await stream for stream in opened]

        other = await client.get("/api/v1/documents/")

        assert other.status_code == 200
        for stream in streams:
            await stream.aclose()


async def stream_until_text(client: httpx.AsyncClient) -> httpx.Response:
    conversation = (
        await client.post("/api/v1/conversations/", json={"corpus": "lighthouse"})
    ).json()
    request = client.build_request(
        "POST",
        f"/api/v1/conversations/{conversation['id']}/messages/",
        json={"question": LAMP},
        headers={"Accept": "text/event-stream", **token_of(conversation)},
    )
    reply = await client.send(request, stream=True)
    lines = reply.aiter_lines()
    while "Once in" not in await anext(lines):
        pass
    return reply


async def until_it_is_saved() -> Message:
    for _ in range(100):
        answer = await Message.objects.aget(role="assistant")
        if answer.status != "streaming":
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError("the server did not notice the hang-up within 5 seconds")
