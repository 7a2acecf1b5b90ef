"""PowerPoint presentations to sections."""

import io

import pytest
from pptx import Presentation
from pptx.util import Inches

from ingestion.parsing import ParseError
from ingestion.parsing.pptx import parse_pptx

TITLE_ONLY, TITLE_AND_TEXT, EMPTY = 5, 1, 6


@pytest.fixture
def deck():
    return Presentation()


def slide(deck, layout, title=""):
    added = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        added.shapes.title.text = title
    return added


def box(shapes, text, left, top):
    frame = shapes.add_textbox(Inches(left), Inches(top), Inches(1), Inches(1)).text_frame
    frame.text = text


def parsed(deck):
    content = io.BytesIO()
    deck.save(content)
    return parse_pptx(content.getvalue(), key="a-talk.pptx")


def test_each_slide_is_a_section_with_its_number_for_an_anchor(deck):
    slide(deck, TITLE_ONLY, "Kites")
    box(slide(deck, EMPTY).shapes, "text", 1, 1)
    slide(deck, TITLE_ONLY, "Wind")
    assert [(s.heading_path, s.anchor) for s in parsed(deck).sections] == [
        (("Kites",), "slide-1"),
        (("Kites", "Slide 2"), "slide-2"),
        (("Kites", "Wind"), "slide-3"),
    ]


def test_points_are_a_list(deck):
    frame = slide(deck, TITLE_AND_TEXT, "Points").placeholders[1].text_frame
    frame.text = "one"
    for text, level in (("inner", 1), ("deep", 3), ("two", 0)):
        paragraph = frame.add_paragraph()
        paragraph.text, paragraph.level = text, level
    assert parsed(deck).text == "## Points\n\n- one\n  - inner\n    - deep\n- two"


def test_shapes_are_read_from_the_top_and_the_left_and_groups_stay_together(deck):
    shapes = slide(deck, EMPTY).shapes
    box(shapes, "bottom", 1, 6)
    box(shapes, "right", 5, 1)
    box(shapes, "left", 1, 1.2)
    group = shapes.add_group_shape().shapes
    box(group, "grouped low", 1, 4)
    box(group, "grouped high", 3, 3)
    assert parsed(deck).text.split("\n\n") == [
        "left", "right", "grouped high", "grouped low", "bottom",
    ]  # fmt: skip


def test_tables_and_notes(deck):
    added = slide(deck, EMPTY)
    table = added.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    table.cell(1, 0).merge(table.cell(1, 1))
    table.cell(1, 0).text = "c"
    added.notes_slide.notes_text_frame.text = "Speak slowly.\nThen stop."
    assert parsed(deck).text == (
        "| a | b |\n| --- | --- |\n| c |  |\n\nSpeak slowly.\n\nThen stop."
    )


def test_hidden_slides_are_left_out(deck):
    slide(deck, TITLE_ONLY, "Shown")
    slide(deck, TITLE_ONLY, "Hidden").element.set("show", "0")
    assert "Hidden" not in parsed(deck).text


def test_properties_of_the_file(deck):
    deck.core_properties.title, deck.core_properties.author = "Given", "Ada"
    slide(deck, TITLE_ONLY, "Kites")
    page = parsed(deck)
    assert (page.title, page.metadata["authors"]) == ("Given", ["Ada"])
    assert page.sections[0].heading_path == ("Given", "Kites")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing"])
def test_what_is_no_presentation_is_an_error_in_plain_words(content):
    with pytest.raises(ParseError, match=r"damaged, encrypted"):
        parse_pptx(content, key="k.pptx")
