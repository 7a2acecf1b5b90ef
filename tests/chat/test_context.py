"""What surrounds a question: looked up among what is live, weighed, never believed."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.context import (
    CITED_BEFORE,
    MOST_JOINED,
    ON_PAGE,
    SELECTED,
    WEIGHTS,
    Context,
    SelectionNotFound,
    Surroundings,
    _cited_before,
    addresses,
    gather,
)  # fmt: skip
from chat.events import Done, Error
from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline
from chat.retrieval import Retriever
from chat.trace import candidates
from documents.models import Chunk, Corpus, Document
from documents.scope import Scope
from documents.threads import in_database_thread
from tests.chat.passages import passage
from tests.chat.turns import events_of, new_turn

LAMP_PAGE = "https://docs.example.org/guide/lamp"
TIMING = "The lamp turns once in twelve seconds."
LAMP = "How often does the lamp turn?"


async def gathered(corpus, **told) -> Context:
    index = Retriever.from_settings().index
    return await gather(Surroundings(**told), Scope(frozenset([corpus.pk])), index)


async def asked(corpus, question, conversation=None, pipeline=None, **told):
    turn = await new_turn(corpus, question, conversation)
    turn.surroundings = Surroundings(**told)
    return turn, (await events_of(turn, pipeline))[-1]


def scripted(*script) -> AnswerPipeline:
    return replace(AnswerPipeline.from_settings(), model=ScriptedModel(list(script)))


# --- Weights ----------------------------------------------------------------------------------


def test_what_surrounds_a_question_weighs_once_by_its_weightiest_reason():
    a, b, c = (passage(text, score=1.0, document_id=n) for n, text in enumerate("abc"))
    context = Context(documents=frozenset([0, 1]), selected=(a,), cited=(a, b, c))

    weighed = context.weigh([c, b, a])

    assert [p.text for p in weighed] == ["a", "b", "c"]
    assert [p.score for p in weighed] == [
        WEIGHTS[SELECTED],
        WEIGHTS[ON_PAGE],
        WEIGHTS[CITED_BEFORE],
    ]


def test_a_much_better_hit_is_not_displaced():
    better, selected = passage("better", score=1.0), passage("selected", score=0.6)

    assert Context(selected=(selected,)).weigh([selected, better])[0].text == "better"


def test_what_was_cited_takes_the_last_places_among_what_is_shown():
    hits = [passage(f"hit {n}", score=1 - n / 10) for n in range(8)]
    cited = tuple(passage(f"cited {n}") for n in range(4))

    joined = Context(cited=cited).joined(hits, top_k=6)
    shown = Context(cited=cited).weigh(joined)[:6]

    assert [p.text for p in joined if p.text.startswith("cited")] == ["cited 0", "cited 1"]
    assert len(joined) == 8 + MOST_JOINED
    assert [p.text for p in shown[:4]] == ["hit 0", "hit 1", "hit 2", "hit 3"]


def test_what_the_search_found_as_well_does_not_join_twice():
    hit = passage("hit", score=0.7)

    assert Context(selected=(hit,), cited=(hit,)).joined([hit], top_k=6) == [hit]


# --- The page ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page",
    [
        LAMP_PAGE, f"{LAMP_PAGE}/", f"{LAMP_PAGE}#timing", f"{LAMP_PAGE}?x=1#timing",
        "http://docs.example.org/guide/lamp", "https://DOCS.example.org/guide/lamp/index.html",
        f"{LAMP_PAGE}.html",
    ],
)  # fmt: skip
async def test_a_page_is_known_by_its_address(corpus, page):
    context = await gathered(corpus, page=page)

    assert context.title == "The lamp"
    assert context.trace == {"context": {"page": "known"}}


@pytest.mark.parametrize("page", ["https://other.example.org/guide/lamp", "http://[", "", "/", "x"])
async def test_an_unknown_page_is_ignored(corpus, page):
    assert not (await gathered(corpus, page=page)).documents


async def test_a_page_of_another_corpus_is_unknown(corpus):
    other = await Corpus.objects.acreate(slug="other", name="Other")

    assert not (await gathered(other, page=LAMP_PAGE)).documents


async def test_a_withdrawn_page_is_unknown(corpus):
    await Document.objects.filter(url=LAMP_PAGE).aupdate(status="withdrawn")

    assert not (await gathered(corpus, page=LAMP_PAGE)).documents


def test_a_path_is_an_address_of_this_server():
    assert "/read/site/a%20b" in addresses("https://any.example.org/read/site/a b")
    assert addresses("https://any.example.org/")[-1] != ""


async def test_the_sections_of_the_page_weigh_more(corpus):
    plainly, _done = await asked(corpus, LAMP)
    at_backup, _done = await asked(corpus, LAMP, page="https://docs.example.org/operate/backup#x")

    for chunk_id, before in plainly.passages.items():
        after = at_backup.passages[chunk_id].score
        # Places are mixed afterwards, which takes a little of what stands beside its own page.
        assert (after > before.score) if "backup" in before.url else (after <= before.score)
    marked = {row.get("context") for row in candidates(at_backup.trace)}
    assert marked == {None, ON_PAGE}


async def test_a_first_question_that_leans_is_about_the_page(corpus):
    turn, done = await asked(corpus, "Which colours does it have?", page=LAMP_PAGE)

    assert turn.trace["rewrite"] == {"method": "page"}
    assert turn.trace["query"] == "Which colours does it have? (lamp)"
    assert "white" in done.text


# --- A selection that alone may answer --------------------------------------------------------


async def test_an_answer_rests_on_the_selection_alone(corpus):
    selection = "Stop the LAMP, and run  lighthouse restore".replace("Stop", "stop").replace(
        "and", "and"
    )
    turn, done = await asked(
        corpus, "How is it restored?", selection="stop the lamp and run lighthouse restore",
        selection_only=True,
    )  # fmt: skip

    assert isinstance(done, Done) and selection
    assert {c["url"] for c in done.citations} == {"https://docs.example.org/operate/backup#restore"}
    assert len(turn.passages) == 1
    dropped = {row.get("dropped") for row in candidates(turn.trace)}
    assert dropped == {None, "not_selected"}


async def test_a_selection_that_is_not_in_the_content_is_refused(corpus):
    pipeline = scripted("It turns once in thirty seconds.")
    _turn, error = await asked(
        corpus, LAMP, pipeline=pipeline, selection_only=True,
        selection="The lamp turns once in thirty seconds.",
    )  # fmt: skip

    assert isinstance(error, Error)
    assert (error.code, error.status, error.message_id) == ("selection_not_found", 422, None)
    assert not pipeline.model.prompts
    assert not await Message.objects.aexists()


@pytest.mark.parametrize("change", [{"status": "withdrawn"}, {"trust_tier": "community"}])
async def test_only_live_content_of_the_scope_is_selected(corpus, change):
    await Document.objects.filter(url=LAMP_PAGE).aupdate(**change)
    scope = Scope(frozenset([corpus.pk]), trust_tiers=frozenset(["unknown"]))
    told = Surroundings(page=LAMP_PAGE, selection=TIMING, selection_only=True)

    with pytest.raises(SelectionNotFound):
        await gather(told, scope, Retriever.from_settings().index)


async def test_a_section_that_is_filtered_out_is_not_selected(corpus):
    scope = Scope(frozenset([corpus.pk]), sections=frozenset(["Colours"]))
    told = Surroundings(page=LAMP_PAGE, selection=TIMING, selection_only=True)

    with pytest.raises(SelectionNotFound):
        await gather(told, scope, Retriever.from_settings().index)


async def test_a_disabled_chunk_is_not_selected(corpus):
    await Chunk.objects.filter(text__contains="twelve").aupdate(enabled=False)

    with pytest.raises(SelectionNotFound):
        await gathered(corpus, selection=TIMING, selection_only=True)


async def test_a_selection_of_another_corpus_is_not_found(corpus):
    other = await Corpus.objects.acreate(slug="other", name="Other")

    with pytest.raises(SelectionNotFound):
        await gathered(other, selection=TIMING, selection_only=True)


async def test_a_selection_may_span_sections_of_a_page(corpus):
    selection = "red over the rocks.\n\nTiming\n\nThe lamp turns once"
    context = await gathered(corpus, selection=selection, page=LAMP_PAGE)

    assert [p.url for p in context.selected] == [f"{LAMP_PAGE}#colours", f"{LAMP_PAGE}#timing"]


async def test_the_page_decides_where_a_text_is_selected_that_stands_twice(corpus, write_pages):
    site = write_pages(
        {"guide/copy.md": f"# Copy\n\n## Timing\n\n{TIMING} A full turn shows three."}
    )
    await in_database_thread(call_command)(
        "ingest", str(site), corpus="lighthouse", base_url="https://docs.example.org"
    )
    copy = "https://docs.example.org/guide/copy"

    for page in (LAMP_PAGE, copy):
        context = await gathered(corpus, selection=TIMING, page=page)
        assert [p.url for p in context.selected] == [f"{page}#timing"]


async def test_a_question_about_something_else_is_not_answered_from_the_selection(corpus):
    _turn, done = await asked(
        corpus, "What is the capital of Australia?", selection=TIMING, selection_only=True
    )

    assert done.outcome == "not_in_content"


async def test_a_model_is_asked_whatever_the_question_about_a_selection(corpus):
    pipeline = scripted("The lamp turns once in twelve seconds [{marker:1}].")
    _turn, done = await asked(
        corpus,
        "Summarise the main points",
        pipeline=pipeline,
        selection=TIMING,
        selection_only=True,
    )

    assert done.outcome == "answered"
    assert len(pipeline.model.prompts[0].passages) == 1


# --- A selection as a boost -------------------------------------------------------------------


async def test_a_selection_as_boost_is_shown_and_others_stay(corpus, settings):
    settings.TOP_K = 2
    question = "Which command is there to run?"
    plainly, _done = await asked(corpus, question)
    boosted, _done = await asked(corpus, question, selection=TIMING)

    assert not [p for p in plainly.passages.values() if p.url.endswith("#timing")]
    assert [p for p in boosted.passages.values() if p.url.endswith("#timing")]
    assert len(boosted.passages) == 2


async def test_what_a_question_about_a_selection_means_is_searched(corpus):
    turn, _done = await asked(corpus, "What does this mean?", selection=TIMING)

    assert turn.trace["query"] == "What does this mean? (lamp turns twelve seconds)"
    assert turn.trace["rewrite"]["method"] == "selection"


async def test_a_boost_that_is_not_found_is_ignored_and_noted(corpus):
    turn, done = await asked(corpus, LAMP, selection="A text of nobody's.")

    assert done.outcome == "answered"
    assert turn.trace["context"] == {"selection": "not_found"}


# --- What was cited before --------------------------------------------------------------------


async def test_a_follow_up_weighs_what_was_cited_before(corpus):
    first, _done = await asked(corpus, LAMP)
    cited = {cited.chunk_id for cited in first.cited}

    second, _done = await asked(corpus, "And its colours?", first.conversation)

    rows = candidates(second.trace)
    marked = {row["id"] for row in rows if row.get("context") == CITED_BEFORE}
    assert marked == {chunk_id.replace("-", "") for chunk_id in cited}
    assert second.trace["context"] == {"cited": len(cited)}


async def test_a_question_that_stands_alone_weighs_nothing_of_it(corpus):
    first, _done = await asked(corpus, LAMP)

    second, _done = await asked(corpus, "Where is the log written?", first.conversation)

    assert not second.context.cited


@contextmanager
def queries():
    with CaptureQueriesContext(connection) as captured:
        yield captured


async def test_cited_sections_are_loaded_live_in_one_query(corpus):
    first, _done = await asked(corpus, LAMP)

    @in_database_thread
    def load(scope):
        with queries() as captured:
            found = _cited_before(first.conversation, scope)
        return found, len(captured)

    found, count = await load(first.scope)
    assert count == 1 and {str(p.chunk_id) for p in found} == {c.chunk_id for c in first.cited}

    await Document.objects.filter(url=LAMP_PAGE).aupdate(status="withdrawn")
    assert (await load(first.scope))[0] == ()


async def test_cited_sections_of_a_conversation_stay_in_the_scope(corpus):
    first, _done = await asked(corpus, LAMP)
    elsewhere = [
        Scope(frozenset([corpus.pk + 1])),
        replace(first.scope, sources=frozenset(["elsewhere"])),
        replace(first.scope, sections=frozenset(["Colours"])),
    ]

    for scope in elsewhere:
        assert await in_database_thread(_cited_before)(first.conversation, scope) == ()


async def test_another_conversation_cites_nothing_here(corpus):
    first, _done = await asked(corpus, LAMP)
    other = await new_turn(corpus, LAMP)

    assert await in_database_thread(_cited_before)(other.conversation, first.scope) == ()
