"""What of a sentence is put into its address; tests/browser shows that a browser finds it."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.citations import CitationStream
from chat.fragments import link_to, text_directive
from chat.llm.base import MarkedPassage
from tests.chat.passages import passage

PAGE = "https://docs.example.org/lamp#timing"


def directive(text: str, part: str) -> str:
    """The directive for `part` of the text, decoded."""
    start = text.index(part)
    return unquote(text_directive(text, start, start + len(part)))


def test_a_sentence_is_told_whole():
    text = "The lamp turns once in twelve seconds, day and night. A full turn shows three flashes."

    link = link_to(PAGE, text, 0, 50)

    assert link == (
        "https://docs.example.org/lamp#timing:~:text="
        "The%20lamp%20turns%20once%20in%20twelve%20seconds%2C%20day%20and%20night."
    )


def test_an_address_without_an_anchor_gets_the_hash_sign():
    link = link_to("/read/site/lamp", "The lamp turns once in twelve seconds, always.", 0, 9)
    assert link.startswith("/read/site/lamp#:~:text=The%20lamp")


def test_what_means_something_in_a_directive_is_encoded():
    text = "A well-known, long-lasting lamp & its horn cost 100% more than both of them."
    encoded = text_directive(text, 0, len(text)).removeprefix("text=")
    assert not set(encoded) & set("-,& ")
    assert unquote(encoded) == text


def test_a_long_sentence_is_told_by_its_beginning_and_its_end():
    text = "The keeper " + "winds the clockwork of the lamp and " * 6 + "then goes to bed at last."
    assert directive(text, text) == (
        "text=The keeper winds the clockwork of the,and then goes to bed at last."
    )


def test_what_a_reader_does_not_see_is_not_looked_for():
    text = "The **bold** and *slanted* [words](https://example.org/a-b) of `the --code` are shown."
    assert directive(text, text) == "text=The bold and slanted words of the,code are shown."


@pytest.mark.parametrize(
    "hidden",
    ["![a picture](x.png)", "<kbd>Ctrl</kbd>", "[^note]", "$x^2$", "{props.name}", ":tada:"],
)
def test_what_is_shown_otherwise_than_written_ends_a_term(hidden):
    text = f"The lamp of the northern tower {hidden} turns once in twelve seconds."
    assert directive(text, text).startswith("text=The lamp of the northern tower,")
    assert directive(text, text).endswith("turns once in twelve seconds.")


def test_a_short_sentence_brings_the_words_around_it():
    text = "The red lamp is on. It turns. The white lamp is off."
    assert directive(text, "It turns.") == "text=red lamp is on.-,It turns.,-The white lamp is"


def test_a_sentence_that_stands_twice_brings_the_words_around_it():
    said = "The lamp must be lit by hand every single evening."
    text = f"In summer it is early. {said} In winter it is late. {said}"
    assert directive(text, said) == f"text=summer it is early.-,{said},-In winter it is"


def test_nothing_of_another_block_is_taken_along():
    text = "The lamp is on.\n\nIt turns fast.\n\n- The horn is off."
    assert directive(text, "It turns fast.") == "text=It turns fast."


def test_of_a_row_its_longest_cell_is_told_if_it_tells_anything():
    text = "| day | lamp |\n|---|---|\n| Monday | yes |\n| Sunday | when the fog comes in |"
    assert directive(text, "Sunday | when the fog comes in") == "text=when the fog comes in"
    assert directive(text, "Monday | yes") == ""


@pytest.mark.parametrize("text", ["```\nlighthouse restore\n```", "## Timing", "—", "**", ""])
def test_there_is_none_for_code_for_headings_and_for_what_has_no_words(text):
    assert link_to(PAGE, text, 0, len(text)) == PAGE


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example/x", "/\\evil.example", "file:///x",
     "https://docs.example.org/paper.pdf#page=3", "/read/uploads/Talk.PPTX", "/read/x.docx", "x",
     "https://docs.example.org/x#:~:text=other", "https:///x", ""],
)  # fmt: skip
def test_there_is_none_where_no_browser_shows_a_page(url):
    assert link_to(url, "The lamp turns once in twelve seconds, always.", 0, 20) == url


def test_a_citation_has_the_address_and_the_link_to_its_sentence():
    marked = MarkedPassage(
        "a1b", passage("It shines. A full turn of the lamp shows three flashes.")
    )
    stream = CitationStream([marked])

    list(stream.feed("There are three flashes in a full turn [a1b]."))
    list(stream.finish())

    (cited,) = stream.cited
    assert cited.url == "https://docs.example.org/Lamp#x"
    assert cited.link == link_to(cited.url, marked.passage.text, cited.quote_start, cited.quote_end)
    assert cited.link.endswith("%20three%20flashes.")


@given(st.text(max_size=300), st.data())
def test_whatever_a_document_says_the_address_stays_one(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    link = link_to(PAGE, text, start, end)

    assert link.startswith(PAGE)
    assert link.isascii() and not set(link) & set(" \n\"'<>`\\")
