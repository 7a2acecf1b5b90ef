"""Many readers at once: each asks, listens to the end, and keeps what it was told.

Over the real pipeline in this process, or as server-sent events from a live server.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from tests.campaigns.voices import PAGE, Stage, Voices, question
from tests.production import OTHER_MODEL, Production, rebuild

# Seconds; so long that a busy machine does not look like a dead model.
LIMITS = {
    "MODEL_CONNECT_TIMEOUT": 5.0,
    "MODEL_FIRST_TOKEN_TIMEOUT": 4.0,
    "MODEL_STALL_TIMEOUT": 3.0,
    "MODEL_TOTAL_TIMEOUT": 12.0,
}
SLACK = 15.0  # seconds that the machine may add to a turn
LONGEST = 3 * LIMITS["MODEL_TOTAL_TIMEOUT"] + SLACK
AT_ONCE = 30
GROUPS = ["vendor/a", "vendor/b", "vendor/c", "vendor/d", "vendor/e"]
# Who is there, by the name of a layout: models of OpenRouter (three to a call), and of the other.
LAYOUTS: dict[str, tuple[list[str], list[str]]] = {
    "one": (GROUPS[:3], []),
    "two": (GROUPS[:3], [OTHER_MODEL]),
    "many": (GROUPS, [OTHER_MODEL]),
    "three alone": ([], ["local/a", "local/b", "local/c"]),
}


@dataclass
class Told:
    """What one reader was told, and what was stored. `events` are as JSON."""

    turn: int
    events: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    hung: bool = False
    stored: dict[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in ("done", "error")]

    @property
    def end(self) -> dict[str, Any]:
        return self.ends[-1] if self.ends else {"type": "none"}

    @property
    def shown(self) -> str:
        """Since the last restart."""
        text = ""
        for event in self.events:
            text = "" if event["type"] == "restart" else text + event.get("text", "") * (
                event["type"] == "delta"
            )  # fmt: skip
        return text


Asked = tuple[int, Any]  # a turn, and the pipeline that answers it


async def ask_all(corpus: Any, asked: Iterable[Asked], longest: float = LONGEST) -> list[Told]:
    from tests.chat.turns import new_turn

    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int, pipeline: Any) -> Told:
        from chat.events import as_json

        told = Told(number)
        async with gate:
            turn = await new_turn(corpus, question(number))
            began = monotonic()
            try:
                async with asyncio.timeout(longest):
                    async for event in pipeline.answer(turn):
                        told.events.append(as_json(event))
            except TimeoutError:
                told.hung = True
            told.seconds = monotonic() - began
        return told

    told = await asyncio.gather(*(ask(number, pipeline) for number, pipeline in asked))
    await look_up(told)
    return told


async def ask_server(address: str, turns: Iterable[int], longest: float = LONGEST) -> list[Told]:
    """The same, as a browser would: a conversation of its own, and an event stream."""
    import httpx

    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=longest) as client:

        async def ask(number: int) -> Told:
            told = Told(number)
            async with gate:
                opened = (
                    await client.post("/api/v1/conversations/", json={"corpus": "lighthouse"})
                ).json()
                headers = {"Accept": "text/event-stream",
                           "X-Visitor-Token": opened["visitor_token"]}  # fmt: skip
                path = f"/api/v1/conversations/{opened['id']}/messages/"
                began = monotonic()
                try:
                    async with asyncio.timeout(longest), client.stream(
                        "POST", path, json={"question": question(number)}, headers=headers
                    ) as reply:  # fmt: skip
                        told.events = [event async for event in _events(reply)]
                except TimeoutError:
                    told.hung = True
                told.seconds = monotonic() - began
            return told

        told = await asyncio.gather(*map(ask, turns))
    await look_up(told)
    return told


async def _events(reply: Any) -> AsyncIterator[dict[str, Any]]:
    async for line in reply.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def look_up(told: list[Told]) -> None:
    """What was stored, once every turn is over."""
    from chat.models import Message

    rows = {
        str(row["pk"]): row
        async for row in Message.objects.filter(role="assistant").values(
            "pk", "status", "outcome", "text", "usage", "model"
        )
    }
    for one in told:
        start = next((event for event in one.events if event["type"] == "start"), None)
        one.stored = rows.get(start["message_id"], {}) if start else {}


def spread(told: list[Told]) -> dict[str, float]:
    """Seconds of a turn."""
    times = sorted(one.seconds for one in told)
    return {"median": round(median(times), 2), "longest": round(times[-1], 2)}


# --- The place ------------------------------------------------------------------------------------


def prepare(place: Path) -> None:
    """Django in this process, on a database that is thrown away."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    os.environ |= {"SECRET_KEY": "only-for-campaigns-" + "x" * 40, "VAR_DIR": str(place / "var"),
                   "DATABASE_URL": f"sqlite:///{place / 'db.sqlite3'}", "WORKER": "none",
                   "REDIS_URL": "", "LOG_LEVEL": "CRITICAL", "EMBEDDER": "auto",
                   "RERANKER": "auto"}  # fmt: skip
    import warnings

    import django

    warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@contextmanager
def installed(stage: Stage) -> Iterator[tuple[Any, Production]]:
    """The production shape with one page in it; yields its corpus and the stand-ins."""
    from django.core.management import call_command

    from documents.models import Corpus

    with Production(Voices) as production, tempfile.TemporaryDirectory() as place:
        for models in (production.openrouter, production.other):
            models.stage = stage
        (Path(place) / "lamp.md").write_text(PAGE)
        with layout(production, "one", quotes=True):
            call_command("ingest", place, corpus="lighthouse", public=True, stdout=StringIO())
        yield Corpus.objects.get(slug="lighthouse"), production


@contextmanager
def layout(production: Production, name: str, *, quotes: bool) -> Iterator[None]:
    """Settings for as long as a pipeline is built, or a server runs."""
    from django.test import override_settings

    openrouter, other = LAYOUTS[name]
    chosen = {**production.settings(), **LIMITS, "OPENROUTER_MODELS": openrouter,
              "OPENAI_MODEL": other[0] if other else "", "EXTRACTIVE_FALLBACK": quotes,
              "COHERE_RERANKS_A_MINUTE": 0, "COHERE_INPUTS_A_MINUTE": 0,
              "ANSWER_CACHE_SECONDS": 0, "REWRITE_COPIES": False, "EVIDENCE_THRESHOLD": 1e-9,
              "QUESTIONS_PER_MINUTE": 10**9, "ANONYMOUS_QUESTIONS_PER_MINUTE": 10**9,
              "TURNS_AT_ONCE_EACH": 10**6}  # fmt: skip
    if not openrouter:
        chosen["OPENROUTER_API_KEY"] = ""
    if not other:
        chosen["OPENAI_API_KEY"] = chosen["OPENAI_BASE_URL"] = ""
    with override_settings(**chosen):
        rebuild()
        yield
    rebuild()


def pipeline_of(production: Production, name: str, *, quotes: bool) -> Any:
    """For the event loop that runs now; it goes on as it was built whatever the settings become."""
    import chat.providers
    from chat.pipeline import AnswerPipeline

    with layout(production, name, quotes=quotes):
        # More than one model of the other server is a curator's choice.
        chat.providers._chosen = {"openai": LAYOUTS[name][1]} if LAYOUTS[name][1] else {}
        return AnswerPipeline.from_settings()
