"""What becomes of the model's markers, however they are cut up on their way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.citations import CitationStream, best_sentence
from chat.events import Cited
from chat.llm.base import MarkedPassage
from tests.chat.passages import passage

TIMING = passage("The lamp turns once in twelve seconds. A full turn shows three flashes.")
COLOUR = passage("It shines white to the sea and red over the rocks.", heading="Colours")
MARKED = (MarkedPassage("a1b", TIMING), MarkedPassage("c2d", COLOUR))


def run(*parts: str) -> tuple[str, list[Cited], CitationStream]:
    stream = CitationStream(MARKED)
    out = [item for part in parts for item in stream.feed(part)] + list(stream.finish())
    text = "".join(item for item in out if isinstance(item, str))
    return text, [item for item in out if isinstance(item, Cited)], stream


def test_markers_are_numbered_in_the_order_they_are_first_cited():
    text, cited, _ = run("Red [c2d]. Twelve seconds [a1b]. Red again [c2d].")

    assert text == "Red [1]. Twelve seconds [2]. Red again [1]."
    assert [(c.number, c.heading_path[-1]) for c in cited] == [(1, "Colours"), (2, "Timing")]


def test_an_invented_marker_is_dropped_and_counted():
    text, cited, stream = run("Blue [z9z]. Green [7].")

    assert (text, cited, stream.unknown_markers) == ("Blue . Green .", [], 2)


@pytest.mark.parametrize("text", ["htt[z9z]ps://evil.example", "<[none]img src=x>", "www[7].evil"])
def test_nothing_grows_together_where_a_marker_was_dropped(text):
    before, _, after = text.replace("]", "[").split("[")

    assert run(text)[0] == f"{before} {after}"


def test_a_number_in_brackets_cannot_pose_as_a_citation():
    text, _, _ = run("Trust me [1].")

    assert "[1]" not in text


def test_two_markers_in_one_pair_of_brackets_are_both_cited():
    text, cited, _ = run("Both [a1b, c2d].")

    assert text == "Both [1][2]."
    assert len(cited) == 2


def test_half_a_marker_is_never_shown():
    stream = CitationStream(MARKED)

    shown = [list(stream.feed(part)) for part in ("Turns [a", "1", "b", "]", " often.")]

    assert [item for step in shown[:4] for item in step] == ["Turns "]
    assert [item for item in shown[4] if isinstance(item, str)] == ["[1]", " often."]


@pytest.mark.parametrize(
    "text", ["[optional] words", "a [link](https://x.org) here", "x[i] = y[0:2]"]
)
def test_ordinary_brackets_stay(text):
    assert run(text)[0] == text


@pytest.mark.parametrize("text", ["```\nuse [a1b]\n```", "call `f[a1b]` now"])
def test_markers_in_code_are_left_alone(text):
    shown, cited, _ = run(text)

    assert (shown, cited) == (text, [])


def test_none_means_that_nothing_was_found():
    text, _, stream = run("[none]")

    assert (text, stream.says_nothing_found) == ("", True)


def test_the_quote_is_the_sentence_that_the_claim_rests_on():
    _, cited, _ = run("There are three flashes in every turn [a1b].")

    assert cited[0].quote == "A full turn shows three flashes."
    assert TIMING.text[cited[0].quote_start : cited[0].quote_end] == cited[0].quote


def test_a_passage_without_a_sentence_is_quoted_whole():
    odd = passage("—")

    assert best_sentence("anything", odd).text == "—"


PIECES = st.sampled_from(
    ["[a1b]", "[c2d]", "[a1b, c2d]", "[z9z]", "[", "]", "a ", "`", "\n", "[4]"]
)


@given(st.lists(PIECES, max_size=12), st.integers(1, 5))
def test_how_the_text_is_cut_up_changes_nothing(pieces, size):
    whole = "".join(pieces)
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]

    at_once, in_parts = run(whole), run(*parts)

    assert in_parts[0] == at_once[0]
    assert [c.number for c in in_parts[1]] == [c.number for c in at_once[1]]


@given(st.text(max_size=200))
def test_whatever_a_model_says_only_known_passages_are_cited(text):
    _, cited, _ = run(text)

    assert {c.chunk_id for c in cited} <= {str(TIMING.chunk_id), str(COLOUR.chunk_id)}
