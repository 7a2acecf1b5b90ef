"""Faults of a model are caught on the production path, and sound answers are let alone."""

from dataclasses import replace

import pytest

from chat.events import Cited, Claims
from chat.llm.scripted import ScriptedModel
from chat.models import Claim, Message
from chat.pipeline import AnswerPipeline
from tests.chat.scripted_answers import (
    COPIED,
    GOOD,
    INVENTED_MARKERS,
    PAGES,
    QUESTION,
    UNSUPPORTED,
)
from tests.chat.turns import events_of, new_turn

# Sound, and called unsupported all the same: what the ledger is known to be too strict for.
SOUND = {text for texts in GOOD.values() for text in texts}
FLAGGED_ALL_THE_SAME = {
    "`/etc/lighthouse/config.toml` is read first, the environment after it {Steps}.",
}


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
def site(write_pages, settings):
    settings.QUESTIONS_PER_MINUTE = 1000
    return write_pages(PAGES)


async def told(corpus, text):
    """The turn of an answer, its events, and its rows."""
    turn = await new_turn(corpus, QUESTION)
    pipeline = replace(AnswerPipeline.from_settings(), model=AttentiveModel([text]))
    return turn, await events_of(turn, pipeline)


async def unsupported(corpus, text) -> bool:
    """As sent, as counted in the outcome, and as stored: all three, or none."""
    turn, events = await told(corpus, text)
    sent = next(event for event in events if isinstance(event, Claims))
    assert not (sent.copied and text in SOUND), text
    said = any(claim["verdict"] == "unsupported" for claim in sent.claims)
    stored = [c.verdict async for c in Claim.objects.filter(message_id=turn.message_id)]
    message = await Message.objects.aget(pk=turn.message_id)
    assert ("unsupported" in stored) == said
    assert message.outcome == events[-1].outcome
    assert (message.outcome == "partial") == (said or "supported" not in stored)
    return message.outcome == "partial"


@pytest.mark.parametrize("fault", UNSUPPORTED)
async def test_a_fault_makes_the_answer_partial(corpus, fault):
    missed = [text for text in UNSUPPORTED[fault] if not await unsupported(corpus, text)]

    assert missed == []


async def test_an_invented_marker_is_dropped_and_counted(corpus):
    for text in INVENTED_MARKERS:
        turn, events = await told(corpus, text)

        assert turn.trace["unknown_markers"] > 0, text
        assert len([event for event in events if isinstance(event, Cited)]) == text.count("{")
        assert "[z9z]" not in turn.text and "[99]" not in turn.text


@pytest.mark.parametrize("form", COPIED)
async def test_a_copy_is_reported(corpus, form):
    for text in COPIED[form]:
        _turn, events = await told(corpus, text)

        sent = next(event for event in events if isinstance(event, Claims))
        assert sent.copied, text
        assert events[-1].copied == sent.copied


@pytest.mark.parametrize("form", GOOD)
async def test_a_sound_answer_is_let_alone(corpus, form):
    flagged = {text for text in GOOD[form] if await unsupported(corpus, text)}

    assert flagged == FLAGGED_ALL_THE_SAME & set(GOOD[form])


def test_there_are_enough_cases():
    faults = [*UNSUPPORTED.values(), *COPIED.values(), INVENTED_MARKERS]

    assert sum(map(len, faults)) >= 80
    assert sum(map(len, GOOD.values())) >= 40
