"""A corpus of every kind of source: its flags everywhere, and trust deciding between equals."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.test import AsyncClient, Client

from chat.events import Sources
from chat.llm.scripted import ScriptedModel
from chat.pipeline import AnswerPipeline
from chat.retrieval import Retriever
from documents.models import Corpus, Document
from documents.scope import Scope
from tests.chat.clients import JSON, ask_json, start_conversation, token_of
from tests.chat.turns import events_of, new_turn

SUBJECTS = {
    "peer-reviewed": "The mercury bath of the lighthouse lens evaporates four grams a year.",
    "preprint": "The foghorn of the lighthouse is heard by ships for eleven miles.",
    "official": "The keeper of the lighthouse records the barometer twice a day.",
    "community": "The paint of the lighthouse tower lasts for seven winters.",
    "unknown": "The stairs of the lighthouse have two hundred and eleven steps.",
    "retracted": "The lamp oil of the lighthouse cures the common cold in nine days.",
}
QUESTIONS = {
    "peer-reviewed": "How much mercury evaporates from the bath of the lens?",
    "preprint": "For how many miles do ships hear the foghorn?",
    "official": "How often does the keeper record the barometer?",
    "community": "How many winters does the paint of the tower last?",
    "unknown": "How many steps do the stairs have?",
    "retracted": "In how many days does the lamp oil cure the common cold?",
}


def page(title: str, text: str, tier: str) -> str:
    return f"---\ntrust_tier: {tier}\n---\n\n# {title}\n\n{text}\n"


@pytest.fixture
def mixed(transactional_db, write_pages, settings) -> Corpus:
    settings.EVIDENCE_THRESHOLD = 0.001  # what is enough is not the question here
    pages = {f"{tier}.md": page(tier.title(), text, tier) for tier, text in SUBJECTS.items()}
    call_command("ingest", str(write_pages(pages)), corpus="mixed", public=True, json=True)
    return Corpus.objects.get(slug="mixed")


def flags(places: list[dict]) -> dict[str, tuple[str, bool]]:
    """By page: what is said of it."""
    return {
        place["url"].rpartition("/")[2].partition("#")[0]: (
            place["trust_tier"], place["peer_reviewed"],
        )
        for place in places
    }  # fmt: skip


RIGHT = {tier: (tier, tier == "peer-reviewed") for tier in SUBJECTS}


def test_search_says_of_every_document_what_it_is(mixed):
    body = {"corpus": "mixed", "query": "What is there about the lighthouse?", "top_k": 50}

    found = Client().post("/api/v1/search/", body, content_type=JSON).json()

    assert flags(found["passages"]) == RIGHT


def test_the_list_of_documents_says_it_too(mixed):
    listed = Client().get("/api/v1/documents/?corpus=mixed").json()["results"]
    assert {one["title"].lower(): one["trust_tier"] for one in listed} == {t: t for t in SUBJECTS}


@pytest.mark.parametrize("tier", SUBJECTS)
async def test_an_answer_says_it_of_what_was_found_and_of_what_is_cited(mixed, tier):
    client = AsyncClient()
    conversation = await start_conversation(client, "mixed")

    answer = (await ask_json(client, conversation, QUESTIONS[tier])).json()
    address = f"/api/v1/conversations/{conversation['id']}/messages/"
    saved = (await client.get(address, headers=token_of(conversation))).json()["results"][1]

    # A retracted page may well end below what is enough for an answer.
    assert tier in flags(answer["citations"]) or tier == "retracted"
    for citations in (answer["citations"], saved["citations"]):
        assert flags(citations).items() <= RIGHT.items()


async def test_the_events_say_it_of_every_source_and_citation(mixed):
    turn = await new_turn(mixed, QUESTIONS["official"])
    every = " ".join(f"It is so [{{marker:{n}}}]." for n in range(1, 7))
    pipeline = AnswerPipeline(Retriever.from_settings(), ScriptedModel([every]))

    events = await events_of(turn, pipeline)

    (sources,) = [event for event in events if isinstance(event, Sources)]
    assert flags(sources.sources) == flags(events[-1].citations) == RIGHT


async def test_a_correction_of_the_tier_is_seen_by_the_next_question(mixed):
    await asyncio.to_thread(
        Document.objects.filter(key="preprint.md").set_trust_tier, "peer-reviewed", "set by eve"
    )
    events = await events_of(await new_turn(mixed, QUESTIONS["preprint"]))
    assert flags(events[-1].citations)["preprint"] == ("peer-reviewed", True)


# Two pages that answer equally well: the same words under titles that say nothing.
FACTS = [
    ("The lamp turns once in twelve seconds.", "How often does the lamp turn?"),
    ("Gulls avoid the gallery when the horn sounds at noon.", "When do gulls avoid the gallery?"),
    ("The lens weighs four tonnes and floats on mercury.", "How heavy is the lens?"),
    ("Restoring a log takes nine minutes for each decade.", "How long does restoring a log take?"),
]


@pytest.mark.parametrize("tier", ["preprint", "community", "unknown", "retracted"])
@pytest.mark.parametrize("names", [("first", "other"), ("other", "first")])
def test_of_two_that_answer_equally_the_peer_reviewed_one_comes_first(
    transactional_db, write_pages, tier, names
):
    reviewed, rival = names
    pages = {}
    for number, (fact, _question) in enumerate(FACTS):
        pages[f"{reviewed}{number}.md"] = page(f"{reviewed} {number}", fact, "peer-reviewed")
        pages[f"{rival}{number}.md"] = page(f"{rival} {number}", fact, tier)
    call_command("ingest", str(write_pages(pages)), corpus="pairs", public=True, json=True)
    scope = Scope(frozenset([Corpus.objects.get(slug="pairs").pk]))

    for fact, question in FACTS:
        found = async_to_sync(Retriever.from_settings().search)(question, scope)
        assert (found.passages[0].text.strip(), found.passages[0].trust_tier) == (
            fact, "peer-reviewed",
        )  # fmt: skip
