"""The log: which request, in one line or one object, and no texts of people."""

import io
import json
import logging
import logging.config

import pytest
from django.conf import settings as configured
from django.test import AsyncClient

from documents import request_id
from tests.chat.clients import Socket, ask_sse, sse_events, start_conversation

CANARY = "canary-5519"
FORGERIES = [f"a{chr(code)}b" for code in [*range(0x20), *range(0x7F, 0xA0)] if code != 0x09]


@pytest.fixture
def written():
    """What the configured handler writes, by either formatter."""
    stream = io.StringIO()

    def write(message, form="line", **how):
        config = {
            **configured.LOGGING,
            "loggers": {},
            "root": {},
            "disable_existing_loggers": False,
        }
        handler = {**config["handlers"]["stderr"], "stream": stream, "formatter": form}
        config["handlers"], config["incremental"] = {"stderr": handler}, False
        configurator = logging.config.DictConfigurator(config)
        configurator.configure()
        record = logging.LogRecord("chat", logging.INFO, "f", 1, message, (), how.get("exc_info"))
        configurator.config["handlers"]["stderr"].handle(record)
        return stream.getvalue()

    yield write
    logging.config.dictConfig(configured.LOGGING)


def test_a_line_says_which_request_it_is_about(written):
    with request_id.visit("request-9"):
        assert "INFO chat [request-9]: hello" in written("hello")
    assert "chat [-]: hello" in written("hello")


def test_an_object_a_line(written):
    with request_id.visit("request-9"):
        told = json.loads(written("two\nlines", form="json"))
    assert told.pop("at").endswith("+00:00")
    assert told == {
        "level": "INFO", "logger": "chat", "message": "two\nlines", "request_id": "request-9",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["line", "json"])
@pytest.mark.parametrize("forgery", FORGERIES, ids=[f"{ord(f[1]):02x}" for f in FORGERIES])
def test_no_message_begins_a_line_of_its_own(written, forgery, form):
    line = written(forgery, form)
    assert line.endswith("\n")
    assert forgery[1] not in line[:-1]


@pytest.fixture
def all_of_it(caplog):
    """Every logger there is, at its most talkative."""
    names = list(logging.root.manager.loggerDict)
    before = {name: logging.getLogger(name).level for name in names}
    caplog.set_level("DEBUG")
    for name in names:
        logging.getLogger(name).setLevel("DEBUG")
    yield caplog
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


async def test_nothing_that_people_ask_is_in_any_log_at_any_level(corpus, all_of_it):
    question = f"How often does the lamp turn, {CANARY}?"
    client = AsyncClient()
    conversation = await start_conversation(client)
    events = await sse_events(await ask_sse(client, conversation, question))
    await sse_events(await ask_sse(client, conversation, f"And the {CANARY}?"))
    async with Socket() as socket:
        await socket.send("ask", question=question, corpus="lighthouse")
        frames = await socket.until_the_end()
        await socket.send("ask", question=question, corpus=CANARY)
        await socket.until_the_end()
    path = "/api/v1/search/"
    sent = {"corpus": "lighthouse", "query": question}
    await client.post(path, json.dumps(sent), content_type="application/json")
    await client.post(path, f'{{"{CANARY}', content_type="application/json")
    assert events[-1]["type"] == frames[-1]["type"] == "done"
    told = [
        (r.name, r.levelname, f"{r.getMessage()} {r.exc_text or ''}") for r in all_of_it.records
    ]
    assert [line for line in told if CANARY in line[2]] == []
    logging.getLogger("chat.pipeline").debug("asked: %s", question)  # it would be seen
    assert CANARY in all_of_it.text
