"""Verdicts on sentences: from what they cite, or not."""

import time

import numpy as np
import pytest

from chat.claims import Verdict, check_claims
from documents.embedding.base import EmbeddingError
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


def reason(answer: str, **more) -> str:
    [claim] = [c for c in check_claims(answer, CITED, **more) if c.reason]
    assert claim.verdict is Verdict.UNSUPPORTED
    return claim.reason


def test_a_citation_of_the_wrong_passage_is_told_the_right_one():
    assert "[2]" in reason("Backups are written every night [1].")


def test_a_passage_that_was_found_and_not_cited_does_not_count():
    found = passage("The tower is built of granite from Bohus.", title="Tower", heading="Walls")

    said = reason("The tower is built of granite from Bohus [1].", retrieved=[found])

    assert "Tower › Walls" in said and "does not cite" in said


def test_names_must_stand_in_the_cited_sentences_and_not_merely_in_the_passage():
    cited = {
        1: passage(
            "`KEEP` is 30. `FETCH` is 50. Both may be changed. A restart is needed. `TOP` is 6."
        )
    }

    verdicts = [c.verdict.value for c in check_claims("`KEEP` is 6 [1]. `TOP` is 6 [1].", cited)]

    assert verdicts == ["unsupported", "supported"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("The page says “the lamp rotates once in 12 seconds” [1].", "in no passage"),
        ("“Backups are written every night” [1]", "does not cite"),
        ("```\nlamp --stop\n```\n\n[1]", "this code"),
        ("The lamp turns [once](https://evil.example/x) in 12 seconds [1].", "evil.example"),
        ("![](https://evil.example/x.png)\n\nThe lamp turns once [1].", "evil.example"),
        ("The lamp turns once in `12 seconds [1]`.", "cites nothing"),
        ("The lamp turns once [1].\n\nIt was built in 1843.", "cites nothing"),
        (f"The lamp turns {'and turns ' * 300} [1].", "too long"),
    ],
)
def test_what_is_wrong_is_said(answer, why):
    assert why in reason(answer)


def test_a_citation_counts_for_its_paragraph_and_its_list():
    answer = (
        "The lamp turns once in 12 seconds. It never stops [1].\n\n"
        "Of the lamp [1]:\n\n- it turns once in 12 seconds\n- a full turn shows three flashes"
    )

    assert "unsupported" not in verdicts(answer)


def test_two_citations_bear_out_a_sentence_together():
    both = (
        "The lamp shows three flashes in a full turn, and backups are written every night [1][2]."
    )

    assert verdicts(both) == ["supported"]


def test_code_is_supported_where_all_its_lines_stand():
    text = "Run this:\n\n```\nlamp --on\nlamp --turn 12\n```\n\nThen wait."
    answer = "Run this [1]:\n\n```\nlamp --on\n  lamp --turn 12\n```"

    *_, claim = check_claims(answer, {1: passage(text)})

    assert claim.verdict is Verdict.SUPPORTED
    assert text[claim.support_start : claim.support_end] == "lamp --on\nlamp --turn 12"


def test_what_the_passages_do_not_say_is_no_claim():
    assert verdicts("The passages do not say who built the lamp.") == ["no_claim"]


class CountingVectors:
    def __init__(self):
        self.calls = []

    def embed_documents(self, texts):
        self.calls.append(list(texts))
        return np.eye(len(texts), 8, dtype=np.float32)


def test_undecided_sentences_are_embedded_in_one_batch():
    vectors = CountingVectors()
    answer = "The lamp rotates within 12 seconds [1]. Copies get written each night [2]."

    check_claims(answer, CITED, vectors=vectors)

    [texts] = vectors.calls
    assert len(texts) == 4


class BrokenVectors:
    def embed_documents(self, texts):
        raise EmbeddingError("out of order")


def test_without_vectors_words_alone_decide():
    answer = "Each 12 seconds the lamp turns about [1]."

    broken = check_claims(answer, CITED, vectors=BrokenVectors())

    assert broken == check_claims(answer, CITED, vectors=None)


@pytest.mark.parametrize(
    "part", ["](", "[x](", "`", "“a", "not ", "7 ", "Na_me ", "<a ", "> ", "a before ", "'", "<!--"]
)
def test_no_answer_keeps_the_ledger_busy(part):
    began = time.process_time()

    check_claims(part * (6000 // len(part)) + " [1].", CITED)

    assert time.process_time() - began < 2
