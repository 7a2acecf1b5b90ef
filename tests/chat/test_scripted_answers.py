"""Faults of a model are caught on the production path, and sound answers are let alone."""

from dataclasses import replace

import pytest

from chat.events import Cited, Claims
from chat.llm.scripted import ScriptedModel
from chat.models import Claim, Message
from chat.pipeline import AnswerPipeline
from tests.chat.scripted import courier, lectures, lighthouse, manuals
from tests.chat.turns import events_of, new_turn

SITES = {"lighthouse": lighthouse, "courier": courier, "lectures": lectures, "manuals": manuals}
SOUND = {text for site in SITES.values() for texts in site.GOOD.values() for text in texts}


class AttentiveModel(ScriptedModel):
    """Cites by headings: "{Timing}" is the marker of the passage under "Timing"."""

    async def stream(self, prompt):
        markers = {
            marked.passage.heading_path[-1]: f"[{marked.marker}]" for marked in prompt.passages
        }
        async for output in super().stream(prompt):
            if text := getattr(output, "text", ""):
                for heading, marker in markers.items():
                    text = text.replace(f"{{{heading}}}", marker)
                output = replace(output, text=text)
            yield output


@pytest.fixture
def about(request):
    """The material that a case is about."""
    return SITES[getattr(request, "param", "lighthouse")]


@pytest.fixture
def site(write_pages, settings, about):
    settings.QUESTIONS_PER_MINUTE = 1000
    settings.EVIDENCE_THRESHOLD = 0.0001  # the gate has tests of its own
    return write_pages(about.PAGES)


def each(kinds):
    """Every site with every kind of answer about it."""
    cases = [(name, kind) for name, site in SITES.items() for kind in getattr(site, kinds)]
    return pytest.mark.parametrize(
        ("about", "kind"), cases, indirect=["about"], ids=[f"{n}: {k}" for n, k in cases]
    )


async def told(corpus, text, question=lighthouse.QUESTION):
    """The turn of an answer, and its events."""
    turn = await new_turn(corpus, question)
    pipeline = replace(AnswerPipeline.from_settings(), model=AttentiveModel([text]))
    return turn, await events_of(turn, pipeline)


async def unsupported(corpus, text, question) -> bool:
    """As sent, as counted in the outcome, and as stored: all three, or none."""
    turn, events = await told(corpus, text, question)
    sent = next(event for event in events if isinstance(event, Claims))
    assert not (sent.copied and text in SOUND), text
    said = any(claim["verdict"] == "unsupported" for claim in sent.claims)
    stored = [c.verdict async for c in Claim.objects.filter(message_id=turn.message_id)]
    message = await Message.objects.aget(pk=turn.message_id)
    assert ("unsupported" in stored) == said
    assert message.outcome == events[-1].outcome
    assert (message.outcome == "partial") == (said or "supported" not in stored)
    return message.outcome == "partial"


@each("UNSUPPORTED")
async def test_a_fault_makes_the_answer_partial(corpus, about, kind):
    texts = about.UNSUPPORTED[kind]
    missed = {text for text in texts if not await unsupported(corpus, text, about.QUESTION)}

    assert missed == about.MISSED & set(texts)


@each("GOOD")
async def test_a_sound_answer_is_let_alone(corpus, about, kind):
    texts = about.GOOD[kind]
    flagged = {text for text in texts if await unsupported(corpus, text, about.QUESTION)}

    assert flagged == about.FLAGGED & set(texts)


async def test_an_invented_marker_is_dropped_and_counted(corpus):
    for text in lighthouse.INVENTED_MARKERS:
        turn, events = await told(corpus, text)

        assert turn.trace["unknown_markers"] > 0, text
        assert len([event for event in events if isinstance(event, Cited)]) == text.count("{")
        assert "[z9z]" not in turn.text and "[99]" not in turn.text


async def test_links_and_pictures_are_taken_away_and_counted(corpus):
    for text in lighthouse.LINKS_AND_PICTURES:
        turn, _events = await told(corpus, text)

        assert turn.trace["disarmed"], text
        assert "](" not in turn.text
        assert "http" not in turn.text.replace("`https://backups.example/help`", "")


@pytest.mark.parametrize("form", lighthouse.COPIED)
async def test_a_copy_is_reported(corpus, form):
    for text in lighthouse.COPIED[form]:
        _turn, events = await told(corpus, text)

        sent = next(event for event in events if isinstance(event, Claims))
        assert sent.copied, text
        assert events[-1].copied == sent.copied


def test_there_are_enough_cases_and_hardly_any_is_misjudged():
    """Of the lighthouse every fault is caught; the other sites were written without looking."""
    bad = [text for site in SITES.values() for texts in site.UNSUPPORTED.values() for text in texts]
    missed = set().union(*(site.MISSED for site in SITES.values()))
    flagged = set().union(*(site.FLAGGED for site in SITES.values()))

    assert sum(map(len, lighthouse.UNSUPPORTED.values())) >= 80
    assert not lighthouse.MISSED
    assert len(missed) <= 0.04 * len(bad)
    assert len(flagged) <= 0.05 * len(SOUND)
