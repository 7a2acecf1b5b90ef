"""Every fault of every provider, made to happen; fault_matrix.py says what must come of it."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from django.core.management import call_command
from django.test import override_settings

import documents.providers
from chat.events import Delta, Done, Error, Event, Restart
from chat.models import Message
from chat.phrases import REFUSED, phrase
from chat.turns import Turn
from documents.models import Corpus
from documents.upstream.http import CONNECT
from tests.chat.fault_matrix import (
    A_PHRASE,
    BEFORE_ANOTHER,
    BEGINNING,
    CASES,
    CONNECTING,
    EMBEDDING,
    NOTHING,
    OTHER_ALONE,
    PAGE,
    QUOTED,
    THE_MODELS,
    TWO_GROUPS,
    Row,
    page,
)
from tests.chat.faults import BEGINNING as SAID_SO_FAR
from tests.chat.faults import Bench
from tests.chat.turns import events_of, new_turn
from tests.conftest import PAGES
from tests.production import FIRST_GROUP, Production, rebuild

LAMP = "How often does the lamp turn?"
ANSWER = "The lamp turns once in twelve seconds [1]."
# In a row that waits for a limit, it is this short; everything else has all the time it needs.
SHORT = {"QDRANT_SEARCH_DEADLINE_MS": 800, "RERANK_DEADLINE_MS": 800, "MODEL_TOTAL_TIMEOUT": 1.5}
SECONDS = 0.8
SLACK = 5.0  # seconds that a busy machine may add

pytestmark = pytest.mark.django_db


@pytest.fixture
def _django_db_helper() -> None:
    """In place of pytest-django's, which would empty the tables after each test: see `corpus`."""


@pytest.fixture(scope="module")
def production():
    with Production() as running:
        yield running


@pytest.fixture(scope="module")
def corpus(production, django_db_setup, django_db_blocker, tmp_path_factory):
    """Ingested once: a fault of a question changes nothing of it."""
    folder = tmp_path_factory.mktemp("faults") / "site"
    for name, text in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with django_db_blocker.unblock(), override_settings(**production.settings()):
        rebuild()
        call_command("ingest", str(folder), corpus="lighthouse", public=True, json=True)
        yield Corpus.objects.get(slug="lighthouse"), documents.providers.get_index().collection
        call_command("flush", interactive=False, verbosity=0)
    rebuild()


@pytest.fixture
def bench(corpus, production, settings, monkeypatch):
    for name, value in production.settings().items():
        setattr(settings, name, value)
    settings.REWRITE_COPIES = False
    monkeypatch.setattr("chat.llm.fallback.PAUSE", 0.05)
    production.calm()
    with ExitStack() as stack:
        yield Bench(production, corpus[1], settings, monkeypatch, stack)
    rebuild()


def configure(row: Row, bench: Bench) -> None:
    settings = bench.settings
    settings.EXTRACTIVE_FALLBACK = row.quotes
    if row.models == TWO_GROUPS:
        settings.OPENROUTER_MODELS = [*FIRST_GROUP, "openrouter/auto"]
    if row.models == OTHER_ALONE:
        settings.OPENROUTER_API_KEY = ""
    elif row.models != BEFORE_ANOTHER:
        settings.OPENAI_API_KEY = settings.OPENAI_BASE_URL = ""
    for name in row.waits:
        if name == CONNECTING:
            continue
        if name == EMBEDDING:
            bench.monkeypatch.setattr("documents.providers.QUERY_TIMEOUT", SECONDS)
        else:
            setattr(settings, name, SHORT.get(name, SECONDS))


def longest(row: Row) -> float:
    """Seconds."""
    limits = {CONNECTING: CONNECT, **SHORT}
    waits = {name: limits.get(name, SECONDS) for name in row.waits}
    return SLACK + sum(
        times * (waits[name] / 1000 if name.endswith("_MS") else waits[name])
        for name, times in row.waits.items()
    )


@dataclass(frozen=True)
class Came:
    """What came of a turn, in the words of the table."""

    reader: str
    text: str
    stored: str
    degraded: tuple[str, ...]
    restarts: int
    calls: dict[str, int]


def expected(row: Row) -> Came:
    calls = {name: getattr(row, name) for name in ("embed", "search", "rerank", "openrouter",
                                                  "other")}  # fmt: skip
    return Came(row.reader, row.text, row.stored, row.degraded, row.restarts, calls)


async def came_of(turn: Turn, events: list[Event], production: Production) -> Came:
    ends = [event for event in events if isinstance(event, Done | Error)]
    assert ends == events[-1:], "exactly one of done and error, at the end"
    end = ends[0]
    message = await Message.objects.filter(pk=turn.message_id).afirst()
    since = max((at for at, event in enumerate(events) if isinstance(event, Restart)), default=0)
    shown = "".join(event.text for event in events[since:] if isinstance(event, Delta))
    if message is not None and message.status != Message.Status.STREAMING:
        assert message.text == shown, "what is stored is what was shown"
    if isinstance(end, Done):
        assert end.text == shown
        assert (message.status, message.outcome) == (end.status, end.outcome)
    return Came(
        end.outcome if isinstance(end, Done) else end.code,
        kind_of(shown, end),
        message.status if message else "nothing",
        tuple(end.degraded) if isinstance(end, Done) else (),
        sum(isinstance(event, Restart) for event in events),
        production.calls(),
    )


def kind_of(text: str, end: Done | Error) -> str:
    if text == ANSWER:
        return THE_MODELS
    if text == phrase(REFUSED, LAMP, "en"):
        return A_PHRASE
    if isinstance(end, Done) and end.extractive:
        assert "The lamp turns once in twelve seconds." in text
        assert end.citations
        return QUOTED
    return {"": NOTHING, SAID_SO_FAR: BEGINNING}.get(text, f"something else: {text!r}")


@pytest.mark.parametrize(
    ("row", "name"), CASES, ids=[f"{row.fails}: {name} -> {row.reader}" for row, name in CASES]
)
async def test_what_comes_of_a_fault(corpus, bench, row, name):
    configure(row, bench)
    row.faults[name](bench)
    rebuild()
    turn = await new_turn(corpus[0], LAMP)

    async with asyncio.timeout(longest(row)):
        events = await events_of(turn)

    assert await came_of(turn, events, bench.production) == expected(row)


def test_the_page_says_what_the_table_says():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.chat.fault_matrix"


def test_no_fault_of_a_provider_is_named_twice():
    named = [(row.fails, name) for row, name in CASES]
    assert len(named) == len(set(named))
