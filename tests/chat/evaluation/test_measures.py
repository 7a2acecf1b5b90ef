"""What is measured of one question, on answers made by hand."""

from dataclasses import replace

import pytest

from chat.evaluation import measures
from chat.evaluation.cases import Case, Section
from chat.evaluation.measures import Asked, Place, Statement, values_of
from chat.evaluation.ranking import ranked

CASE = Case(
    id="1", question="How often does the lamp turn?", answer_page="guide/lamp.md",
    answer_heading="Timing", key_facts=("twelve seconds", "three flashes"),
)  # fmt: skip
UNANSWERABLE = Case(id="2", question="Who built it?", type="unanswerable")
TIMING = Place(
    "guide/lamp.md", ("The lamp", "Timing"), "https://docs.example.org/guide/lamp#timing"
)
COLOURS = Place("guide/lamp.md", ("The lamp", "Colours"))
OTHER = Place("index.md", ("Lighthouse",))


def asked(**fields) -> Asked:
    return Asked(**{"case": CASE, "outcome": "answered", **fields})


def test_page_and_section_count_within_the_first_five():
    last = [OTHER] * 4 + [TIMING]
    assert values_of(asked(passages=last))["page@5"] == 1
    assert values_of(asked(passages=last))["page@1"] == 0
    assert values_of(asked(passages=[OTHER, *last]))["page@5"] == 0
    assert values_of(asked(passages=[COLOURS]))["section@5"] == 0


def test_a_part_of_the_section_is_in_it():
    part = Place("guide/lamp.md", ("The lamp", "Timing", "In fog"))
    assert values_of(asked(passages=[part]))["section@5"] == 1


def test_retrieval_says_nothing_of_unanswerable_questions():
    values = values_of(asked(case=UNANSWERABLE, passages=[TIMING]))
    assert [values[name] for name in ("page@5", "section@5", "key_facts")] == [None] * 3


@pytest.mark.parametrize(
    ("url", "exact"),
    [
        ("https://docs.example.org/guide/lamp#timing", 1),
        ("https://docs.example.org/guide/lamp/#timing", 1),
        ("https://docs.example.org/guide/lamp#colours", 0),
        ("https://docs.example.org/guide/lamp", 0),
        ("https://docs.example.org/guide/lamps#timing", 0),
    ],
)
def test_the_anchor_must_be_exactly_the_sections(url, exact):
    case = replace(CASE, answer_route="/guide/lamp", answer_anchor="timing")
    anchors = {case.sections[0]: "timing"}
    cited = {1: replace(TIMING, url=url), 2: OTHER}
    assert measures.exact_anchor(asked(case=case, cited=cited, anchors=anchors)) == exact


def test_anchors_are_told_of_right_citations_only():
    anchors = {CASE.sections[0]: "timing"}
    assert measures.exact_anchor(asked(cited={1: OTHER}, anchors=anchors)) is None
    assert measures.exact_anchor(asked(cited={1: TIMING}, anchors={})) is None


def test_key_facts_are_looked_for_in_the_answer_and_in_the_passages():
    seen = asked(text="It turns once in Twelve\nseconds.", passage_text="three flashes")
    assert values_of(seen)["key_facts"] == 0.5
    assert values_of(seen)["facts_in_passages"] == 0.5


def test_facts_of_other_sections_count_too():
    case = replace(CASE, also=(Section("guide/lamp.md", "Colours", ("white", "red")),))
    assert measures.key_facts(asked(case=case, text="twelve seconds, white")) == 0.5


def test_abstentions_count_both_ways():
    silent = {"outcome": "not_in_content"}
    assert values_of(asked(**silent))["wrong_abstentions"] == 1
    assert values_of(asked(**silent))["right_abstentions"] is None
    assert values_of(asked(case=UNANSWERABLE, **silent))["right_abstentions"] == 1
    assert values_of(asked(case=UNANSWERABLE))["right_abstentions"] == 0


def test_citations_are_judged_by_the_ledger():
    said = [
        Statement("supported", 1), Statement("supported", 1), Statement("unsupported", 2),
        Statement("no_claim"),
    ]  # fmt: skip
    values = values_of(asked(text="…", cited={1: TIMING, 2: OTHER}, statements=said))
    assert values["citation_precision"] == 0.5
    assert values["citation_recall"] == pytest.approx(2 / 3)


def test_copied_words_are_a_share_of_the_answer():
    seen = asked(
        text="one two three four [1]", statements=[Statement("supported", 1)], copied_words=3
    )
    assert values_of(seen)["copy_rate"] == 0.75


def test_an_error_is_neither_an_answer_nor_an_abstention():
    values = values_of(asked(outcome="", error="model_timeout", passages=[TIMING]))
    assert (values["errors"], values["wrong_abstentions"], values["page@5"]) == (1, 0, 1)


# Rankings


def test_ranking_measures_are_those_of_trec_eval():
    values = ranked({"q": ["x", "a", "y", "b"]}, {"q": {"a": 1, "b": 1}})["q"]

    # (1 / log2 3 + 1 / log2 5) / (1 + 1 / log2 3)
    assert values["ndcg@10"] == pytest.approx(0.6509, abs=1e-4)
    assert (values["mrr"], values["recall@5"]) == (0.5, 1.0)


def test_a_page_counts_where_it_is_met_first():
    values = ranked({"q": ["x", "x", "x", "x", "x", "a"]}, {"q": {"a": 1}})["q"]
    assert (values["mrr"], values["recall@5"]) == (0.5, 1.0)


def test_a_query_that_found_nothing_counts_as_nothing():
    assert set(ranked({}, {"q": {"a": 1}})["q"].values()) == {0.0}
