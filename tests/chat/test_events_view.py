"""Over HTTP: resume an answer after any event, ask what is there by now, and end it early."""

import asyncio
from dataclasses import replace

import pytest
from django.test import AsyncClient

from chat.llm.scripted import ScriptedModel
from chat.models import Citation, Message
from chat.pipeline import AnswerPipeline
from chat.running import running
from chat.views.events import RETOLD
from documents.models import Document
from tests.chat.clients import ask_json, ask_sse, sse_events, start_conversation, token_of

LAMP = "How often does the lamp turn?"
WHOLE = "Once in twelve seconds [1]."


@pytest.fixture
def held_open(corpus, monkeypatch):
    gate = asyncio.Event()
    model = ScriptedModel(["Once in ", gate, "twelve seconds [{marker:1}]."])
    pipeline = replace(AnswerPipeline.from_settings(), model=model)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    return gate


class Reader:
    """Of one conversation, over HTTP."""

    @classmethod
    async def start(cls) -> "Reader":
        self = cls()
        self.client = AsyncClient()
        self.conversation = await start_conversation(self.client)
        self.headers = token_of(self.conversation)
        return self

    async def ask_and_hang_up(self) -> tuple[str, list[dict]]:
        """The message, and the events up to the first text."""
        reply = await ask_sse(self.client, self.conversation, LAMP)
        stream, seen = aiter(reply.streaming_content), []
        while not seen or seen[-1]["type"] != "delta":
            part = type("Part", (), {"streaming_content": _once(await anext(stream))})
            seen += await sse_events(part)
        await stream.aclose()
        return seen[0]["message_id"], seen

    async def get(self, path: str, **headers: str):
        return await self.client.get(path, headers={**self.headers, **headers})

    async def events(self, message: str, after: int | None = None, **headers: str):
        query = "" if after is None else f"?after={after}"
        return await self.get(f"/api/v1/messages/{message}/events/{query}", **headers)

    async def resume(self, message: str, after: int) -> list[dict]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        return await sse_events(await self.events(message, **headers))

    async def cancel(self, message: str):
        return await self.client.post(f"/api/v1/messages/{message}/cancel/", headers=self.headers)


async def _once(part: bytes):
    yield part


async def test_a_stream_is_resumed_after_the_last_event_that_one_has(held_open):
    reader = await Reader.start()
    message, seen = await reader.ask_and_hang_up()
    held_open.set()

    rest = await reader.resume(message, seen[-1]["id"])

    numbers = [event["id"] for event in [*seen, *rest]]
    text = "".join(e["text"] for e in [*seen, *rest] if e["type"] == "delta")
    assert numbers == sorted(set(numbers))
    assert text == rest[-1]["text"] == WHOLE


async def test_the_beginning_can_be_read_again(held_open):
    reader = await Reader.start()
    message, seen = await reader.ask_and_hang_up()
    held_open.set()

    again = await reader.resume(message, 0)

    assert again[: len(seen) - 1] == seen[:-1]
    assert again[-1]["type"] == "done"


async def test_polling_tells_what_is_there_and_whether_it_is_all(held_open):
    reader = await Reader.start()
    message, seen = await reader.ask_and_hang_up()

    soon = (await reader.events(message)).json()
    held_open.set()
    await running().drain(10)
    later = (await reader.events(message, after=soon["events"][-1]["id"])).json()

    assert (soon["complete"], later["complete"]) == (False, True)
    assert later["events"][-1]["text"] == WHOLE
    assert seen[0]["id"] == soon["events"][0]["id"] == 1


async def test_without_a_journal_the_saved_answer_is_the_only_event(corpus, settings):
    settings.REDIS_URL = ""  # its journal would be left
    reader = await Reader.start()
    done = (await ask_json(reader.client, reader.conversation, LAMP)).json()
    running()._recordings.clear()

    (event,) = await reader.resume(done["message_id"], 7)

    assert event["id"] == RETOLD
    assert {**event, "id": 0} == {**done, "id": 0}


async def test_who_has_the_last_event_is_told_to_stop_asking(corpus, settings):
    settings.REDIS_URL = ""  # its journal would be left
    reader = await Reader.start()
    message = (await ask_json(reader.client, reader.conversation, LAMP)).json()["message_id"]
    last = (await reader.resume(message, 0))[-1]["id"]
    stream = {"Accept": "text/event-stream"}

    again = await reader.events(message, after=last, **stream)
    polled = (await reader.events(message, after=last)).json()
    running()._recordings.clear()
    (retold,) = await reader.resume(message, last)
    once_more = await reader.events(message, after=retold["id"], **stream)

    assert (again.status_code, once_more.status_code) == (204, 204)
    assert polled == {"events": [], "complete": True}
    assert retold["id"] == RETOLD > last


async def test_a_cancelled_answer_keeps_what_was_shown(held_open):
    reader = await Reader.start()
    message, _seen = await reader.ask_and_hang_up()

    reply = await reader.cancel(message)

    assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
    assert reply.json()["text"] == (await Message.objects.aget(pk=message)).text == "Once in "


async def test_an_answer_that_has_ended_cannot_be_cancelled(corpus):
    reader = await Reader.start()
    done = (await ask_json(reader.client, reader.conversation, LAMP)).json()

    reply = await reader.cancel(done["message_id"])

    assert (reply.status_code, reply.json()["code"]) == (409, "finished")


@pytest.mark.parametrize("after", ["-1", "x", "1e3", "1" * 10, "²"])
async def test_a_number_that_is_none_is_refused(corpus, after):
    reader = await Reader.start()
    done = (await ask_json(reader.client, reader.conversation, LAMP)).json()

    reply = await reader.get(f"/api/v1/messages/{done['message_id']}/events/?after={after}")

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")


async def test_foreign_answers_and_missing_ones_look_the_same(held_open):
    owner, other = await Reader.start(), await Reader.start()
    message, _seen = await owner.ask_and_hang_up()
    missing = "00000000-0000-4000-8000-000000000000"

    replies = [await call(pk) for pk in (message, missing) for call in (other.events, other.cancel)]

    assert {reply.status_code for reply in replies} == {404}
    assert len({str({**reply.json(), "request_id": ""}) for reply in replies}) == 1
    assert (await Message.objects.aget(pk=message)).status == "streaming"


async def test_events_of_what_was_withdrawn_since_are_not_told_again(corpus):
    reader = await Reader.start()
    done = (await ask_json(reader.client, reader.conversation, LAMP)).json()
    assert await Citation.objects.filter(message_id=done["message_id"]).aexists()
    await Document.objects.aupdate(status=Document.Status.WITHDRAWN)

    (event,) = await reader.resume(done["message_id"], 0)

    assert event["type"] == "done"
    assert {citation["quote"] for citation in event["citations"]} == {""}
