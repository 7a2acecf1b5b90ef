"""PDFs: pages that a link can open, headings that can be told, facts that the file states."""

import os
import re
from pathlib import Path

import pypdfium2
import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import RawDocument
from ingestion.parsing import ParseError, parse
from ingestion.parsing.papers import doi_in, year_of
from ingestion.parsing.pdf import parse_pdf
from ingestion.parsing.pdf_layout import Line, paragraphs, with_whole_words
from tests.hostile.pdfs import encrypted, pdf, prose

CORPORA = Path(
    os.environ.get("EVAL_CORPORA")
    or Path(__file__).resolve().parents[3] / "shared" / "eval" / "corpora"
)
BODY = ("The lamp turns once in twelve seconds and shows three", "flashes over the open sea.")


def document(pages, **options):
    return parse_pdf(pdf(pages, **options), key="guide/the-lamp.pdf")


def test_each_page_is_a_section_that_a_link_can_open():
    parsed = document([prose(*BODY), prose("Another page, another text.")])
    assert [section.anchor for section in parsed.sections] == ["page=1", "page=2"]
    first, second = chunk_by_section(parsed)
    assert first.text == " ".join(BODY)
    assert (second.text, second.anchor) == ("Another page, another text.", "page=2")


def test_larger_lines_are_headings_and_a_section_goes_on_over_the_page():
    title, chapter = ("The Lighthouse", 24, 72, 740), ("The lamp", 16, 72, 715)
    pages = [[title, chapter, *prose(*BODY)], [*prose("It goes on."), ("Colours", 13, 72, 500)]]
    parsed = document([*pages, prose("The end of it.")])
    assert parsed.title == "The Lighthouse"
    assert [(section.anchor, section.heading_path) for section in parsed.sections] == [
        ("page=1", ("The Lighthouse",)),
        ("page=1", ("The Lighthouse", "The lamp")),
        ("page=2", ("The Lighthouse", "The lamp")),
        ("page=2", ("The Lighthouse", "The lamp", "Colours")),
        ("page=3", ("The Lighthouse", "The lamp", "Colours")),
    ]


def test_a_heading_over_two_lines_is_one():
    lines = [("How the lamp was", 16, 72, 740), ("built and lit", 16, 72, 722), *prose(*BODY)]
    parsed = document([lines, lines])
    assert parsed.sections[0].heading_path[-1] == "How the lamp was built and lit"


def test_bookmarks_name_the_headings_where_they_fit():
    """Of the size of the text, they could not be told otherwise."""
    outline = {
        5: "<< /Type /Outlines /First 6 0 R /Last 7 0 R >>",
        6: "<< /Title (The lamp) /Parent 5 0 R /Next 7 0 R /Dest [10 0 R /Fit] "
           "/First 8 0 R /Last 8 0 R >>",
        7: "<< /Title (Colours) /Parent 5 0 R /Prev 6 0 R /Dest [12 0 R /Fit] >>",
        8: "<< /Title (Timing) /Parent 6 0 R /Dest [10 0 R /Fit] >>",
    }  # fmt: skip
    parsed = document(
        [prose("The lamp", *BODY, "1.1 Timing", "It is exact."), prose("Colours", "White.")],
        info="/Title (The Lighthouse)",
        catalog="/Outlines 5 0 R",
        extra=outline,
    )
    assert [section.heading_path[1:] for section in parsed.sections] == [
        ("The lamp",),
        ("The lamp", "1.1 Timing"),
        ("Colours",),
    ]


def test_running_headers_and_page_numbers_are_no_text():
    header = ("Handbook of Lamps", 9, 72, 770)
    pages = [
        [header, *prose(f"Page of text {word}.", *BODY), (str(number), 9, 300, 30)]
        for number, word in enumerate(["one", "two", "three", "four"], 7)
    ]
    text = "\n".join(chunk.text for chunk in chunk_by_section(document(pages)))
    assert "Handbook" not in text
    assert not re.search(r"\d", text)
    assert "Page of text three." in text


def test_pages_that_only_repeat_keep_their_text():
    assert len(chunk_by_section(document([prose("The same words.")] * 5))) == 5


def test_paragraphs_are_told_by_gaps_bullets_and_short_last_lines():
    rows = [
        ("A first line that runs to the", 700), ("edge, and its end.", 686),
        ("A second paragraph begins here", 672), ("and goes on.", 658),
        ("• A point", 644), ("• Another", 630), ("After a gap.", 590),
    ]  # fmt: skip
    lines = [Line(text, 10, 72, 72 + 8 * len(text), base) for text, base in rows]
    assert list(paragraphs(lines)) == [
        "A first line that runs to the edge, and its end.",
        "A second paragraph begins here and goes on.",
        "• A point",
        "• Another",
        "After a gap.",
    ]


def test_a_word_parted_at_the_end_of_a_line_is_joined():
    lines = [
        Line("a light\ufffehouse, a well\ufffeknown and North\ufffeSea one"),
        Line("as well-known"),
    ]
    ((first, _),) = with_whole_words([lines])
    assert first.text == "a lighthouse, a well-known and North-Sea one"


def test_properties_and_the_first_page_state_the_facts():
    parsed = document(
        [prose("Light and fog", *BODY, "Published 3 May 2019. https://doi.org/10.1234/ab(c)1.")],
        info="/Title (Light and Fog: A Study) /Author (A. Fresnel and B. Reynaud) "
             "/CreationDate (D:20240101000000Z)",
        catalog="/Lang (en-GB)",
    )  # fmt: skip
    assert parsed.title == "Light and Fog: A Study"
    assert parsed.language == "en-GB"
    assert parsed.metadata == {
        "title": "Light and Fog: A Study", "author": "A. Fresnel and B. Reynaud", "year": 2019,
        "doi": "10.1234/ab(c)1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "title", ["untitled", "Microsoft Word - draft3.docx", "paper_final.pdf", "x1"]
)
def test_what_a_program_wrote_is_no_title(title):
    assert document([prose(*BODY)], info=f"/Title ({title})").title == "The lamp"


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("see https://doi.org/10.1038/s41586-020-2649-2.", "10.1038/s41586-020-2649-2"),
        ("(doi:10.1000/182)", "10.1000/182"),
        ("10.1016/S0140-6736(20)30183-5)", "10.1016/S0140-6736(20)30183-5"),
        ("version 10.15/2", ""), ("none", ""),
    ],
)  # fmt: skip
def test_a_doi_ends_where_its_sentence_begins(text, doi):
    assert doi_in(text) == doi


def test_the_day_a_file_was_made_is_only_a_hint():
    assert year_of("Published online 4 March 2011", "D:20240101") == 2011
    assert year_of("Proceedings of the meeting in 2024", "D:20240101") == 2024
    assert year_of("Nothing is said", "D:20240101") is None


def test_the_text_decides_the_language_before_the_office_program_does():
    german = "Der Leuchtturm zeigt den Schiffen in jeder Nacht den Weg in den Hafen. " * 2
    content = pdf([prose(german, german, german)], catalog="/Lang (en-US)")
    assert parse(RawDocument("a.pdf", content, "application/pdf", "/a")).language == "de"
    short = pdf([prose("Der Turm")], catalog="/Lang (en-US)")
    assert parse(RawDocument("a.pdf", short, "application/pdf", "/a")).language == "en-us"


def test_a_file_that_is_free_to_read_is_read_although_it_is_encrypted():
    parsed = parse_pdf(encrypted(""), key="a.pdf")
    assert chunk_by_section(parsed)[0].text == "A secret about lighthouses."


def test_files_without_text_say_what_to_do():
    with pytest.raises(ParseError, match="protected by a password; remove it"):
        parse_pdf(encrypted("sesame"), key="a.pdf")
    with pytest.raises(ParseError, match="run OCR on it first"):
        document([[], []])
    with pytest.raises(ParseError, match="damaged PDF"):
        parse_pdf(pdf([prose(*BODY)])[:300], key="a.pdf")
    assert document([prose(*BODY), []]).warnings == (
        "1 of 2 pages hold no text; pictures of text need OCR",
    )


def collapsed(text):
    return re.sub(r"\s+", " ", text)


def page_texts(path):
    return [collapsed(page.get_textpage().get_text_range()) for page in pypdfium2.PdfDocument(path)]


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no evaluation corpora; set EVAL_CORPORA")
def test_every_chunk_of_the_corpora_stands_on_its_page():
    """Character by character, but for white space and hyphens at the ends of lines."""
    count = 0
    for path in sorted(CORPORA.rglob("*.pdf")):
        try:
            parsed = parse_pdf(path.read_bytes(), key=path.name)
        except ParseError as error:
            assert "run OCR" in str(error), path.name
            continue
        pages = page_texts(path)
        for chunk in chunk_by_section(parsed):
            page = pages[int(chunk.anchor.removeprefix("page=")) - 1]
            shown = {page.replace("\ufffe", hyphen) for hyphen in ("", "-")}
            assert any(collapsed(chunk.text) in text for text in shown), (path.name, chunk.text)
            count += 1
    assert count > 30
