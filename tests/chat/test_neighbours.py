"""A passage that is too small to answer brings what stands beside it in its section."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.events import Cited
from chat.llm.scripted import ScriptedModel
from chat.neighbours import SMALL, in_reading_order, load, neighbours
from chat.pipeline import AnswerPipeline
from documents.index.base import IndexHit
from documents.models import Chunk, Document
from documents.passages import Passage
from documents.scope import Scope
from documents.threads import in_database_thread
from tests.chat.passages import passage
from tests.chat.turns import events_of, new_turn
from tests.documents.builders import make_source, publish

LONG = "The lamp is turned by a clockwork that is wound once in a night. " * 5
PAGE = [  # text, heading path
    ("All about the lamp.", ["Lamp"]),
    (LONG, ["Lamp", "Clockwork"]),
    ("Wind it like this:", ["Lamp", "Clockwork"]),
    (LONG + "Wound.", ["Lamp", "Colours"]),
    ("Red.", ["Lamp", "Colours", "Rocks"]),
    ("White.", ["Lamp", "Colours", "Sea"]),
]


@pytest.fixture
def page(transactional_db) -> Document:
    document, chunks = publish(make_source(), "lamp", [text for text, _path in PAGE])
    for chunk, (_text, path) in zip(chunks, PAGE, strict=True):
        Chunk.objects.filter(pk=chunk.pk).update(heading_path=path)
    return document


async def beside(page: Document, *positions: int, **narrowing) -> dict[int, int]:
    """Position of each neighbour, by the position of the passage that brought it."""

    def shown() -> list[Passage]:
        chunks = list(page.chunks.filter(position__in=positions))
        return page.chunks.passages([IndexHit(chunk.pk, 1.0) for chunk in chunks])

    passages = await in_database_thread(shown)()
    scope = Scope(frozenset([page.corpus_id]), **narrowing)
    places = {one.chunk_id: one.position for one in passages}
    found = await neighbours(passages, scope)
    return {places[pk]: neighbour.position for pk, neighbour in found.items()}


@pytest.mark.parametrize(
    ("small", "neighbour"),
    [
        (0, {0: 1}),  # an introduction: the first section inside of it
        (2, {2: 1}),  # the last line of a section: what stands before it there
        (4, {4: 3}),  # a section of one line: the parent's text before it
        (5, {}),  # nothing of its section, and what stands before it is another's
        (1, {}),  # large enough
    ],
)
async def test_the_neighbour_is_of_the_same_section_or_its_parent(page, small, neighbour):
    assert await beside(page, small) == neighbour


async def test_what_is_shown_already_is_not_shown_twice(page):
    assert await beside(page, 0, 1, 2) == {}


async def test_a_neighbour_is_as_live_and_as_much_in_scope_as_any_passage(page):
    assert await beside(page, 4, sections=frozenset({"Rocks"})) == {}
    assert await beside(page, 4, languages=frozenset({"de"})) == {}
    await in_database_thread(page.chunks.filter(position=3).update)(enabled=False)
    assert await beside(page, 4) == {}


def test_all_neighbours_are_loaded_in_one_query(page):
    hits = [IndexHit(chunk.pk, 1.0) for chunk in page.chunks.filter(position__in=(0, 2, 4))]
    passages = page.chunks.passages(hits)

    with CaptureQueriesContext(connection) as captured:
        found = load(passages, set(), Scope(frozenset([page.corpus_id])))

    assert (len(found), len(captured)) == (2, 1)


async def test_no_query_is_made_for_passages_that_are_large(page):
    large = [replace(passage(LONG), document_id=page.pk)]
    assert len(LONG) > SMALL
    assert await neighbours(large, Scope(frozenset())) == {}


def test_a_model_reads_them_as_they_stand_in_the_document():
    early, small, late, other = (passage(text, position=n) for n, text in enumerate("abcd"))
    assert in_reading_order([other, small], {small.chunk_id: early}) == [other, early, small]
    assert in_reading_order([small, other], {small.chunk_id: late}) == [small, late, other]


async def test_a_citation_of_a_neighbour_points_at_exactly_its_chunk(corpus):
    model = ScriptedModel(["Lighthouse needs Python 3.11 and 40 megabytes [{marker:2}]."])
    real = AnswerPipeline.from_settings()
    pipeline = replace(real, model=model, retriever=replace(real.retriever, top_k=1))
    turn = await new_turn(corpus, "How to get Lighthouse running?")

    events = await events_of(turn, pipeline)

    (cited,) = [event for event in events if isinstance(event, Cited)]
    chunk = await Chunk.objects.aget(pk=cited.chunk_id)
    assert cited.heading_path[-1] == "Requirements"
    assert chunk.text[cited.quote_start : cited.quote_end] == cited.quote
    assert [claim.verdict for claim in turn.claims] == ["supported"]
    shown = [passage.heading_path[-1] for passage in turn.passages.values()]
    assert shown == ["Install", "Requirements"]
