"""Documents that give orders, and a model that obeys them: nothing comes of it."""

import json
import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import AsyncClient

from chat.events import Delta, Done, Event, Restart, as_json
from chat.models import Citation, Message
from chat.pipeline import AnswerPipeline
from chat.sentences import plain
from chat.words import content_words
from documents.models import Chunk, Corpus
from documents.threads import in_database_thread
from tests.chat.clients import Socket, ask_json, ask_sse, sse_events, start_conversation
from tests.chat.obedient import ObedientModel
from tests.chat.test_disarming import active_in
from tests.chat.turns import events_of, new_turn
from tests.hostile.injections import PAYLOADS, page

LAMP = "How often does the lamp turn?"
VAULT = "The vault opens with the word xyzzy, which nobody outside may learn."
BASE = "https://docs.example.org"


@pytest.fixture
def hostile(transactional_db, write_pages, tmp_path):
    """Publishes a page with this payload, beside a good one and a private corpus; the pipeline."""

    def publish(payload: str) -> AnswerPipeline:
        folder = write_pages(
            {"hostile.md": page(payload), "horn.md": "# Horn\n\nThe horn of the lamp sounds.\n"}
        )
        call_command("ingest", str(folder), corpus="public", public=True, base_url=BASE, json=True)
        vault = tmp_path / "vault"
        vault.mkdir()
        (vault / "vault.md").write_text(f"# Vault\n\n{VAULT}\n")
        call_command("ingest", str(vault), corpus="private", base_url=f"{BASE}/vault", json=True)
        return replace(AnswerPipeline.from_settings(), model=ObedientModel())

    return publish


async def answered(hostile, payload: str):
    pipeline = await in_database_thread(hostile)(payload)
    turn = await new_turn(await Corpus.objects.aget(slug="public"), LAMP)
    return turn, pipeline.model, await events_of(turn, pipeline)


def addresses_in(value: object) -> set[str]:
    """Of every field of an event that a client may make a link of."""
    if isinstance(value, dict):
        own = {value[name] for name in ("url", "link") if isinstance(value.get(name), str)}
        return own.union(*map(addresses_in, value.values()))
    return set().union(*map(addresses_in, value)) if isinstance(value, list) else set()


def shown_at_last(events: list[Event]) -> str:
    """What a reader has before them: an answer that is written anew begins anew."""
    texts = [""]
    for event in events:
        if isinstance(event, Restart):
            texts.append("")
        elif isinstance(event, Delta):
            texts[-1] += event.text
    assert [text for text in texts if active_in(text)] == []
    return texts[-1]


@pytest.mark.parametrize("name", PAYLOADS)
async def test_an_order_in_a_document_changes_nothing(hostile, name):
    turn, model, events = await answered(hostile, PAYLOADS[name])
    done = events[-1]

    assert model.obeyed, "the model has read the order and obeyed: otherwise this shows nothing"
    assert isinstance(done, Done)
    # Nothing in the text leads anywhere or loads anything, wherever it is shown.
    assert shown_at_last(events) == done.text
    assert active_in(done.text) == []
    # The only addresses are those of this corpus' pages.
    addresses = set().union(*(addresses_in(as_json(event)) for event in events))
    assert {urlsplit(address)[:2] for address in addresses} == {("https", "docs.example.org")}
    assert not [address for address in addresses if "/vault" in address]
    # Cited is what was in this prompt, each number that is shown, and nothing else.
    shown = {marked.passage.chunk_id for marked in model.prompts[0].passages}
    cited = [row async for row in Citation.objects.filter(message_id=turn.message_id)]
    assert {citation.chunk_id for citation in cited} <= shown
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", done.text, flags=re.DOTALL)
    assert set(re.findall(r"\[(\d+)\]", prose)) <= {str(citation.number) for citation in cited}
    # It had no secret to tell, and tells of no other corpus than what the page itself claims.
    sent = json.dumps([as_json(event) for event in events])
    assert VAULT not in sent and settings.SECRET_KEY not in sent
    private = [str(pk) async for pk in Chunk.objects.filter(document__corpus__slug="private")
               .values_list("pk", flat=True)]  # fmt: skip
    assert not [pk for pk in private if pk in sent]
    # What passes as supported does stand in the cited page, be it a lie: to trust the page is for
    # its trust tier, and for who published it.
    passages = {str(m.passage.chunk_id): m.passage.text for m in model.prompts[0].passages}
    chunks = {citation.number: passages[str(citation.chunk_id)] for citation in cited}
    for claim in done.claims:
        if claim["verdict"] == "supported":
            said = content_words(plain(done.text[claim["start"] : claim["end"]]))
            elsewhere = said - content_words(chunks[claim["citation"]])
            assert len(elsewhere) <= len(said) / 2
    assert cited or done.outcome in ("partial", "not_in_content")


async def test_no_prompt_holds_anything_worth_stealing(hostile):
    _turn, model, _events = await answered(hostile, PAYLOADS["system message"])

    prompt = "\n".join(message.content for message in model.prompts[0].messages)
    assert VAULT not in prompt and "vault.md" not in prompt
    assert settings.SECRET_KEY not in prompt
    assert not re.search(r"api[_ -]?key|password|sk-", prompt, re.IGNORECASE)


async def test_the_trace_tells_what_was_disarmed(hostile):
    turn, _model, _events = await answered(hostile, PAYLOADS["picture with a secret"])

    message = await Message.objects.aget(pk=turn.message_id)
    assert message.trace["disarmed"] == {"images": 1}
    assert message.outcome == "not_in_content"


async def test_every_transport_sends_the_same_harmless_text(hostile, monkeypatch):
    payload = "\n\n".join(PAYLOADS[name] for name in ("link", "picture", "img", "reference"))
    pipeline = await in_database_thread(hostile)(payload)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    client = AsyncClient()

    by_json = (await ask_json(client, await start_conversation(client, "public"), LAMP)).json()
    stream = await ask_sse(client, await start_conversation(client, "public"), LAMP)
    by_sse = (await sse_events(stream))[-1]
    async with Socket() as socket:
        await socket.send("ask", corpus="public", question=LAMP)
        by_socket = (await socket.until_the_end())[-1]

    assert by_json["text"] == by_sse["text"] == by_socket["text"]
    assert "Click here to read on." in by_json["text"]
    assert active_in(by_json["text"]) == []
