"""PDF to sections: one for each page at least, with the anchor that viewers know: `page=N`.

The text is PDFium's, in the order of the page. White space is all that changes, but for this:
running headers and footers go; a word that is parted at the end of a line is joined, and keeps its
hyphen only if the same document writes it with one elsewhere.
"""

import ctypes
import math
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

import pypdfium2 as pdfium
from pypdfium2 import PdfiumError, raw

from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.building import PageBuilder
from ingestion.parsing.decoding import clean
from ingestion.parsing.papers import facts_of
from ingestion.parsing.pdf_layout import (
    Line,
    Page,
    body_size,
    paragraphs,
    title_of,
    with_outline,
    with_sizes,
    with_whole_words,
    without_running_lines,
)

PAGE_LIMIT = 2000
CHARACTER_LIMIT = 20_000_000
OUTLINE_LIMIT = 5000
HYPHEN, PLACEHOLDER = "\ufffe", "\ue000"
PAGE_LEVEL = 6  # below every heading, so that the path goes on over the page


def parse_pdf(content: bytes, *, key: str) -> ParsedDocument:
    document = _opened(content)
    warnings: list[str] = []
    pages = list(_pages(document, warnings))
    empty = sum(not page for page in pages)
    if empty == len(pages):
        raise ParseError("holds no text; if its pages are pictures, run OCR on it first")
    if empty:
        warnings.append(f"{empty} of {len(pages)} pages hold no text; pictures of text need OCR")
    first_page = "\n".join(line.text for line in pages[0])
    facts = facts_of(document.get_metadata_dict(), content, first_page)
    pages = with_whole_words(pages)
    body = body_size(pages)
    pages = without_running_lines(pages, body)
    title = facts.get("title") or title_of(pages, body) or _name(key)
    pages = with_outline(pages, _outline(document)) or with_sizes(pages, body)
    builder = PageBuilder()
    for number, page in enumerate(pages, 1):
        _build(builder, page, f"page={number}")
    return builder.page(
        title, language=_language(document), metadata=facts, warnings=tuple(warnings)
    )


def _opened(content: bytes) -> pdfium.PdfDocument:
    """With the empty password, too: much that is encrypted is free to read."""
    try:
        document = pdfium.PdfDocument(content)
    except PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            raise ParseError("is protected by a password; remove it and try again") from error
        if error.err_code == raw.FPDF_ERR_SECURITY:
            raise ParseError("is protected in a way that cannot be read") from error
        raise ParseError("is a damaged PDF") from error
    if not len(document):
        raise ParseError("is a PDF without pages")
    return document


def _pages(document: pdfium.PdfDocument, warnings: list[str]) -> Iterator[Page]:
    count, characters = len(document), 0
    if count > PAGE_LIMIT:
        warnings.append(f"only the first {PAGE_LIMIT:,} of its {count:,} pages were read")
    for index in range(min(count, PAGE_LIMIT)):
        try:
            page = document[index]
            text = page.get_textpage()
        except PdfiumError:
            warnings.append(f"page {index + 1} is damaged")
            yield []
            continue
        characters += text.count_chars()
        if characters > CHARACTER_LIMIT:
            warnings.append(
                f"only the first {index} of its {count:,} pages were read: too much text"
            )
            return
        yield list(_lines(text))
        text.close()
        page.close()


def _lines(page: pdfium.PdfTextPage) -> Iterator[Line]:
    position = 0
    for found in page.get_text_range().split("\r\n"):
        start = position + len(found) - len(found.lstrip())
        end = position + len(found.rstrip()) - 1
        position += len(found) + 2
        # Cleaned only now: the places of the characters hang on the text as it was.
        text = clean(found.replace(HYPHEN, PLACEHOLDER))[0].replace(PLACEHOLDER, HYPHEN)
        if text := " ".join(text.split()):
            left, base = _origin(page, start)
            right, _ = _origin(page, end)
            yield Line(
                text, _size(page, (start + end) // 2), min(left, right), max(left, right), base
            )


def _origin(page: pdfium.PdfTextPage, position: int) -> tuple[float, float]:
    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(page, _index(page, position), x, y)
    return x.value, y.value


def _size(page: pdfium.PdfTextPage, position: int) -> float:
    """As it shows: many programs write everything in size 1 and scale it up."""
    index, matrix = _index(page, position), raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(page, index, matrix)
    size = raw.FPDFText_GetFontSize(page, index) * math.hypot(matrix.c, matrix.d)
    return round(size * 2) / 2 if math.isfinite(size) else 0.0


def _index(page: pdfium.PdfTextPage, position: int) -> int:
    index: int = raw.FPDFText_GetCharIndexFromTextIndex(page, position)
    return index


def _outline(document: pdfium.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """The bookmarks of each page."""
    outline: dict[int, list[tuple[int, str]]] = {}
    for bookmark in islice(document.get_toc(), OUTLINE_LIMIT):
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        if index is not None:
            outline.setdefault(index, []).append((bookmark.level + 1, bookmark.get_title()))
    return outline


def _language(document: pdfium.PdfDocument) -> str | None:
    buffer = (ctypes.c_ushort * 50)()
    size = raw.FPDFCatalog_GetLanguage(document, buffer, ctypes.sizeof(buffer))
    return bytes(buffer)[: max(0, size - 2)].decode("utf-16-le", "ignore") or None


def _build(builder: PageBuilder, page: Sequence[Line], anchor: str) -> None:
    """The page as sections: what is above its first heading goes on from the page before."""
    if page and not page[0].level:
        builder.heading(PAGE_LEVEL, "", anchor)
    for level, lines in groupby(page, key=lambda line: line.level):
        if level:
            for line in lines:
                builder.heading(level, line.text, anchor)
        else:
            for text in paragraphs(list(lines)):
                builder.paragraph(text)


def _name(key: str) -> str:
    from ingestion.parsing.markdown import readable_name

    return readable_name(key)
