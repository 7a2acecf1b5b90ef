"""Verdicts on sentences: from what they cite, or not."""

import pytest

from chat.claims import Verdict, check_claims
from tests.chat.passages import passage

CITED = {
    1: passage(
        "The lamp turns once in 12 seconds. A full turn shows three flashes. It never stops."
    ),
    2: passage(
        "Backups are written every night at three o'clock.", title="Backups", heading="When"
    ),
}


def verdicts(answer: str) -> list[str]:
    return [claim.verdict.value for claim in check_claims(answer, CITED)]


def test_a_sentence_that_follows_from_its_citation_is_supported():
    [claim] = check_claims("Every 12 seconds the lamp turns once [1].", CITED)

    assert (claim.verdict, claim.citation) == (Verdict.SUPPORTED, 1)
    supporting = CITED[1].text[claim.support_start : claim.support_end]
    assert supporting.startswith("The lamp turns once in 12 seconds.")


def test_another_number_is_not_supported():
    [claim] = check_claims("The lamp turns once in 15 seconds [1].", CITED)

    assert claim.verdict is Verdict.UNSUPPORTED
    assert "15" in claim.reason


def test_a_negation_turned_round_is_not_supported():
    assert verdicts("The lamp does not turn in 12 seconds [1].") == ["unsupported"]


def test_other_words_are_not_supported():
    assert verdicts("The keeper feeds seven seals beside the harbour [1].") == ["unsupported"]


def test_a_sentence_without_a_citation_may_rest_on_another_one_of_the_answer():
    answer = "Backups are written every night [2]. A full turn of the lamp shows three flashes [1]."

    assert verdicts(answer) == ["supported", "supported"]


@pytest.mark.parametrize("text", ["Here is what was found:", "Anything else?", "Yes.", "## Step 1"])
def test_some_sentences_claim_nothing(text):
    assert verdicts(text) == ["no_claim"]


def test_a_marker_after_the_full_stop_belongs_to_the_sentence_before_it():
    answer = "The lamp turns once in 12 seconds. [1] Backups are written every night. [2]"

    assert verdicts(answer) == ["supported", "supported"]


def test_a_claim_of_an_answer_without_citations_is_unsupported():
    [claim] = check_claims("The lamp turns once in 12 seconds.", {})

    assert (claim.verdict, claim.reason) == (Verdict.UNSUPPORTED, "cites nothing")


def test_spans_are_characters_of_the_answer():
    answer = "First: the lamp turns once in 12 seconds [1].\n\nBackups are written every night [2]."

    spans = [answer[claim.start : claim.end] for claim in check_claims(answer, CITED)]

    assert spans[-1] == "Backups are written every night [2]."


def test_a_negation_next_to_the_sentence_does_not_touch_it():
    cited = {1: passage("It is never shown again. Withdrawing keeps the document and its chunks.")}

    [claim] = check_claims("“Withdrawing keeps the document and its chunks.” [1]", cited)

    assert claim.verdict is Verdict.SUPPORTED
