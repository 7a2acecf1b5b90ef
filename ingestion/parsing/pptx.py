"""PowerPoint slides to sections, one each, named by its title; `slide-N` is its anchor.

No program opens a presentation at an anchor, but our own reader does, and a person can read it.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.building import PageBuilder, collapsed
from ingestion.parsing.markdown import readable_name
from ingestion.parsing.ooxml import open_package, read_properties

# python-pptx types its shapes by their base class, which lacks what they hold.
Shape: TypeAlias = Any
Slide: TypeAlias = Any
TextFrame: TypeAlias = Any

SLIDE_LEVEL = 2  # under the title of the presentation
ROW = 457_200  # half an inch: shapes that begin within it stand side by side
DEPTH = 10  # of groups in groups


def parse_pptx(content: bytes, *, key: str) -> ParsedDocument:
    """To be run where memory and time are limited. Raises ParseError."""
    from pptx import Presentation

    metadata = read_properties(open_package(content))
    builder = PageBuilder()
    titles: list[str] = []
    try:
        for number, slide in enumerate(Presentation(io.BytesIO(content)).slides, start=1):
            if slide.element.get("show") != "0":  # hidden
                titles.append(_slide(builder, slide, number))
    except RecursionError as error:
        raise ParseError("The presentation is nested too deeply.") from error
    except Exception as error:  # python-pptx raises whatever a damaged part leads it to
        raise ParseError(f"The presentation cannot be read: {error}") from error
    title = metadata.get("title") or next(filter(None, titles), "") or readable_name(key)
    return builder.page(title, language=metadata.get("lang"), metadata=metadata)


def _slide(builder: PageBuilder, slide: Slide, number: int) -> str:
    heading = slide.shapes.title
    title = collapsed(heading.text_frame.text) if heading is not None else ""
    builder.heading(SLIDE_LEVEL, title or f"Slide {number}", f"slide-{number}", shown=bool(title))
    for shape in _in_reading_order(slide.shapes):
        if heading is None or shape.shape_id != heading.shape_id:
            _shape(builder, shape)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame):
        for line in notes.text.splitlines():
            builder.paragraph(line)
    return title


def _in_reading_order(shapes: Iterable[Shape], depth: int = 0) -> Iterator[Shape]:
    """From the top, then from the left; what is grouped stays together."""
    for shape in sorted(shapes, key=lambda shape: ((shape.top or 0) // ROW, shape.left or 0)):
        if hasattr(shape, "shapes") and depth < DEPTH:
            yield from _in_reading_order(shape.shapes, depth + 1)
        else:
            yield shape


def _shape(builder: PageBuilder, shape: Shape) -> None:
    if shape.has_table:
        rows = [[_cell(cell) for cell in row.cells] for row in shape.table.rows]
        builder.table([row for row in rows if any(row)])
    elif shape.has_chart:
        if shape.chart.has_title:
            builder.paragraph(shape.chart.chart_title.text_frame.text)
    elif shape.has_text_frame:
        _text(builder, shape.text_frame, listed=shape.is_placeholder)
    else:
        described = shape.element.xpath("string(.//p:cNvPr/@descr)")
        if len(described.split()) >= 3:
            builder.paragraph(described)


def _cell(cell: Any) -> str:
    """A cell over several columns or rows stands in the first."""
    return "" if cell.is_spanned else cell.text


def _text(builder: PageBuilder, frame: TextFrame, *, listed: bool) -> None:
    """Paragraphs; those of a placeholder are the points of a list, indented by their level."""
    paragraphs = [(p.level, collapsed(p.text)) for p in frame.paragraphs if p.text.strip()]
    if not listed or len(paragraphs) < 2:
        for _, text in paragraphs:
            builder.paragraph(text)
        return
    above: list[int] = []  # the levels of the open lists, each with an open item
    for level, text in paragraphs:
        while above and above[-1] > level:
            _close(builder, above)
        if above and above[-1] == level:
            builder.close()
        else:
            builder.open("list")
            above.append(level)
        builder.open("item", "- ")
        builder.paragraph(text)
    while above:
        _close(builder, above)


def _close(builder: PageBuilder, above: list[int]) -> None:
    above.pop()
    builder.close()
    builder.close()
