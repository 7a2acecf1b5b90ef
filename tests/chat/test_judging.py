"""A model's second opinion on the ledger: what it may change, and what not."""

import json
from dataclasses import replace

import pytest

from chat.claims import Verdict, check_claims
from chat.events import Claims, Restart, Stage
from chat.judging import BadVerdicts, Opinion, verdicts_in
from chat.llm.base import ChatModelError
from chat.llm.scripted import ScriptedModel
from chat.pipeline import AnswerPipeline
from tests.chat.passages import passage
from tests.chat.test_rephrasing import COPY, OWN
from tests.chat.turns import events_of, new_turn

LAMP = "How often does the lamp turn?"
SAID = "The lamp turns once in twelve seconds [{marker:1}]."
NO = '{"verdicts": [{"n": 0, "supported": false}]}'
YES = '{"verdicts": [{"n": 0, "supported": true}]}'


@pytest.fixture
def asked(corpus, settings):
    """Ask with a scripted answer and a scripted opinion."""
    settings.CLAIM_JUDGE = True

    async def ask(*scripts, question=LAMP):
        turn = await new_turn(corpus, question)
        model = ScriptedModel(
            *([script] if isinstance(script, str) else script for script in scripts)
        )
        events = await events_of(turn, replace(AnswerPipeline.from_settings(), model=model))
        return turn, events, model

    return ask


async def test_it_finds_unsupported_what_the_ledger_missed(asked):
    turn, events, _model = await asked(SAID, NO)

    assert [c.claims[0]["verdict"] for c in events if isinstance(c, Claims)] == ["unsupported"]
    assert (turn.outcome, turn.trace["judge"]["changed"]) == ("partial", 1)


async def test_it_cannot_save_a_wrong_number(asked):
    turn, _events, model = await asked("The lamp turns once in 15 seconds [{marker:1}].", YES)

    assert turn.outcome == "partial"
    assert len(model.prompts) == 1  # there was nothing to ask


def test_it_can_save_a_paraphrase_that_is_only_too_far():
    cited = {1: passage("The lamp turns once in twelve seconds.")}
    [claim] = check_claims("Rotation of this beacon is rather leisurely [1].", cited)

    [judged] = Opinion({0: True}).applied([claim])

    assert (claim.verdict, claim.only_far) == (Verdict.UNSUPPORTED, True)
    assert judged.verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("reply", ["", "yes", [ChatModelError("down")], NO.replace("0", "7")])
async def test_if_it_fails_the_ledgers_verdicts_stand_and_the_trace_says_so(asked, reply):
    turn, _events, _model = await asked(SAID, reply)

    assert turn.outcome == "answered"
    assert turn.trace["judge"]["failed"]


async def test_the_sentences_go_to_it_as_json_with_what_they_cite(asked):
    _turn, events, model = await asked(SAID, YES)

    [entry] = json.loads(model.prompts[1].messages[-1].content)
    assert entry["sentence"] == "The lamp turns once in twelve seconds [1]."
    assert "The lamp turns once in twelve seconds." in entry["evidence"]
    assert "checking" in [event.stage for event in events if isinstance(event, Stage)]


async def test_it_judges_the_answer_that_was_put_into_other_words(asked):
    turn, events, model = await asked(COPY, OWN, NO, question="When is the log written?")

    assert Restart("copied") in events
    assert (len(model.prompts), turn.outcome) == (3, "partial")


async def test_it_is_not_asked_unless_it_is_switched_on(asked, settings):
    settings.CLAIM_JUDGE = False

    _turn, _events, model = await asked(SAID, NO)

    assert len(model.prompts) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "", "null", "[]", "{}", '{"verdicts": {}}', '{"verdicts": []}', f"Sure! {YES}",
        '{"verdicts": [{"n": 0, "supported": "true"}]}', '{"verdicts": [{"n": 0}]}',
        '{"verdicts": [{"n": true, "supported": true}]}', YES.replace("0", "1"),
        '{"verdicts": [{"n": 0, "supported": true, "why": ""}]}', YES[:-1] + ', "x": 1}',
        '{"verdicts": [{"n": 0, "supported": true}, {"n": 0, "supported": false}]}',
        "[" * 9000, YES + " " * 20_000,
    ],
)  # fmt: skip
def test_anything_but_what_was_asked_for_is_refused(reply):
    with pytest.raises(BadVerdicts):
        verdicts_in(reply, {0})


def test_a_reply_in_a_fence_is_read():
    assert verdicts_in(f"```json\n{YES}\n```", {0}) == {0: True}
