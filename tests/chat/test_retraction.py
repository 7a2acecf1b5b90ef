"""Retracted content never answers without saying so."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from chat.events import Cited, Delta
from chat.llm.scripted import ScriptedModel
from chat.models import Citation, Message
from chat.pipeline import AnswerPipeline
from chat.retraction import RetractionNotice
from documents.models import Document
from tests.chat.passages import passage
from tests.chat.turns import events_of, new_turn

OLD, NEW = passage("old", trust_tier="retracted"), passage("new")
LAMP = "How often does the lamp turn?"
NOTICE = "All that this answer rests on was retracted by its publisher:\n\n"


def cited(one) -> Cited:
    return Cited(
        number=1, chunk_id=str(one.chunk_id), title="", heading_path=[], url="", link="", quote="",
        quote_start=0, quote_end=0, trust_tier=one.trust_tier, peer_reviewed=False,
    )  # fmt: skip


def told(parts, offered) -> list:
    """What comes out after each part, and at the end."""
    notice = RetractionNotice("Notice:", offered)
    return [list(notice.feed([part])) for part in parts] + [list(notice.finish())]


def test_where_nothing_was_retracted_nothing_is_held_back():
    assert told(["a", "b"], [NEW]) == [["a"], ["b"], []]


def test_an_answer_that_rests_on_retracted_content_alone_says_so_first():
    citation = cited(OLD)

    assert told(["a", citation, "b"], [OLD, NEW]) == [
        [], [], [], ["Notice:\n\n", "a", citation, "b"],
    ]  # fmt: skip


def test_it_goes_on_as_soon_as_something_else_is_cited():
    old, new = cited(OLD), cited(NEW)

    assert told(["a", old, "b", new, "c"], [OLD, NEW]) == [
        [], [], [], ["a", old, "b", new], ["c"], [],
    ]  # fmt: skip


def test_it_goes_on_after_the_notice_where_nothing_else_is_offered():
    citation = cited(OLD)

    assert told(["a", citation, "b"], [OLD]) == [[], ["Notice:\n\n", "a", citation], ["b"], []]


def test_an_answer_that_cites_nothing_rests_on_nothing():
    assert told(["a"], [OLD, NEW]) == [[], ["a"]]


# --- In an answer -----------------------------------------------------------------------------


def scripted(*script) -> AnswerPipeline:
    return replace(AnswerPipeline.from_settings(), model=ScriptedModel(list(script)))


@pytest.fixture
def retracted_lamp(corpus):
    Document.objects.filter(key="guide/lamp.md").update(trust_tier="retracted")
    return corpus


def number_of_the_lamp(turn) -> int:
    urls = [one.url for one in turn.passages.values()]
    return 1 + next(n for n, url in enumerate(urls) if url.endswith("lamp#timing"))


async def test_the_text_says_it_before_the_answer_and_claims_nothing_by_it(retracted_lamp):
    first = await new_turn(retracted_lamp, LAMP)
    await events_of(first)
    marker = f"[{{marker:{number_of_the_lamp(first)}}}]"
    turn = await new_turn(retracted_lamp, LAMP)

    events = await events_of(turn, scripted("Once in twelve seconds ", marker, ", it turns."))

    done = events[-1]
    assert done.text == f"{NOTICE}Once in twelve seconds [1], it turns."
    assert "".join(e.text for e in events if isinstance(e, Delta)) == done.text
    assert [c["trust_tier"] for c in done.citations] == ["retracted"]
    assert done.claims[0]["verdict"] == "no_claim"
    assert done.text[: done.claims[0]["end"]] == NOTICE.strip()


async def test_quotations_name_their_source_as_retracted(retracted_lamp):
    turn = await new_turn(retracted_lamp, LAMP)

    done = (await events_of(turn))[-1]

    assert "From the retracted “The lamp”:" in done.text


async def test_the_prompt_marks_the_passage_and_says_what_to_do(retracted_lamp):
    turn, pipeline = await new_turn(retracted_lamp, LAMP), scripted("Nothing.")

    await events_of(turn, pipeline)

    system = pipeline.model.prompts[0].messages[0].content
    fences = [line for line in system.splitlines() if line.startswith("<<<")]
    assert {"The lamp" in line for line in fences if "RETRACTED" in line} == {True}
    assert {"The lamp" in line for line in fences if "RETRACTED" not in line} == {False}
    assert "A RETRACTED passage was taken back" in system


async def test_who_leaves_before_it_is_decided_has_been_shown_nothing(retracted_lamp):
    first = await new_turn(retracted_lamp, LAMP)
    await events_of(first)
    marker = f"[{{marker:{number_of_the_lamp(first)}}}]"
    turn = await new_turn(retracted_lamp, LAMP)
    pipeline = scripted("Once in twelve seconds ", marker, ", it turns.", RuntimeError("gone"))

    async with aclosing(pipeline.answer(turn)) as events:
        deltas = [event async for event in events if isinstance(event, Delta | Cited)]

    message = await Message.objects.aget(pk=turn.message_id)
    assert (deltas, message.text) == ([], "")
    assert not await Citation.objects.filter(message=message).aexists()
