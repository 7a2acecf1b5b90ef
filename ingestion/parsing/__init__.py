"""RawDocument to ParsedDocument: one entry, a parser for each media type.

What a file is named, what it was declared as and what its first bytes say must agree. Parsers are
imported when the first file needs them; those of binary formats never are, but in a child.
"""

import logging
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingestion.parsing import formats
from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.decoding import clean, cleaned, decode
from ingestion.parsing.formats import BINARY, DOCX, PDF, PPTX, media_type_of
from ingestion.parsing.languages import detected_language, language_tag

if TYPE_CHECKING:  # loaders know parsing, not the other way round
    from ingestion.loaders.base import RawDocument

__all__ = ["ParseError", "ParsedDocument", "parse"]

logger = logging.getLogger(__name__)

# Named in the sandbox; what a person calls them.
CHILDREN = {PDF: "pdf", DOCX: "docx", PPTX: "pptx"}
NAMES = {PDF: "PDF", DOCX: "Word document", PPTX: "PowerPoint presentation"}
PDF_MARK, ZIP_MARK, OLE_MARK = b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
LINE_LIMIT, CHARACTER_LIMIT = 100_000, 5_000_000  # of Markdown
TEXT_LINE_LIMIT = 500_000  # of anything: cutting a listing of millions takes a gigabyte
PDF_MARK_WITHIN = 1024  # bytes: as readers of PDF do
# What no text begins with, however it is named; other binary content shows in its zero bytes.
OTHER_MARKS = {
    PDF_MARK: "a PDF", ZIP_MARK: "a zip archive", OLE_MARK: "an old or encrypted office file",
    b"\x89PNG\r\n": "a picture", b"\xff\xd8\xff": "a picture", b"\x1f\x8b\x08": "a gzip archive",
    b"\x7fELF": "a program", b"{\\rtf": "rich text", b"%!PS-": "PostScript",
}  # fmt: skip


def parse(raw: "RawDocument", *, site_kind: str = "") -> ParsedDocument:
    """`site_kind` decides anchors and dialect; without one it is what the loader found."""
    check_kind(raw.key, raw.media_type, raw.content)
    if raw.media_type in BINARY:
        from ingestion.parsing.sandbox import run_in_child

        parsed = run_in_child(CHILDREN[raw.media_type], raw.content, key=raw.key)
    else:
        parsed = _guarded(raw, site_kind or raw.site_kind)
    return _completed(parsed, raw)


def _guarded(raw: "RawDocument", site_kind: str) -> ParsedDocument:
    """What a stranger wrote must not end the run for everybody else's files."""
    try:
        return _parse_text(raw, site_kind)
    except ParseError:
        raise
    except RecursionError as error:
        raise ParseError("is nested too deeply") from error
    except Exception as error:
        logger.exception("The parser of %s failed", raw.media_type)
        raise ParseError(f"its parser failed ({type(error).__name__}); see the log") from error


def check_kind(key: str, media_type: str, content: bytes) -> None:
    """Raises ParseError when name, declared type and first bytes do not agree."""
    suffix, named = PurePosixPath(key).suffix.lower(), media_type_of(key)
    called = f"is named {suffix}" if named else f"was sent as {media_type}"
    if named and named != media_type and not BINARY.isdisjoint((named, media_type)):
        raise ParseError(f"is named {suffix} but was sent as {media_type}")
    if media_type == PDF:
        fits = PDF_MARK in content[:PDF_MARK_WITHIN]
    elif media_type in BINARY:
        fits = content.startswith(ZIP_MARK)
    else:
        other = [what for mark, what in OTHER_MARKS.items() if content.startswith(mark)]
        if other:
            raise ParseError(f"{called} but is {other[0]}")
        return
    if content.startswith(OLE_MARK):
        raise ParseError(f"{called} but is an old or encrypted office file; save it anew")
    if not fits:
        raise ParseError(f"{called} but is not a {NAMES[media_type]}")


def _parse_text(raw: "RawDocument", site_kind: str) -> ParsedDocument:
    text, warnings = decode(raw.content, is_html=raw.media_type == formats.HTML)
    match raw.media_type:
        case formats.MARKDOWN | formats.MDX:
            from ingestion.parsing.markdown import parse_markdown

            _check_size(text)
            mdx = raw.media_type == formats.MDX
            return parse_markdown(
                text, key=raw.key, mdx=mdx, site_kind=site_kind, warnings=warnings
            )
        case formats.HTML:
            from ingestion.parsing.html import parse_html

            return parse_html(text, key=raw.key, url=raw.url, warnings=warnings)
        case formats.REST:
            from ingestion.parsing.rest import parse_rest

            return parse_rest(text, key=raw.key, warnings=warnings)
        case formats.NOTEBOOK:
            from ingestion.parsing.notebook import parse_notebook

            return parse_notebook(text, key=raw.key, warnings=warnings)
        case formats.PLAIN_TEXT:
            from ingestion.parsing.plain import parse_plain

            return parse_plain(text, key=raw.key, warnings=warnings)
    raise ParseError(f"no parser for {raw.media_type}")


def _check_size(text: str) -> None:
    """Each line becomes a token of a kilobyte: what is larger took minutes and a gigabyte."""
    lines = text.count("\n")
    if lines > LINE_LIMIT or len(text) > CHARACTER_LIMIT:
        raise ParseError(
            f"has {lines:,} lines and {len(text):,} characters, more than the {LINE_LIMIT:,} and "
            f"{CHARACTER_LIMIT:,} that are read of one Markdown file; split it"
        )


def _completed(parsed: ParsedDocument, raw: "RawDocument") -> ParsedDocument:
    """Clean, with a title and a language: the document's own first, then what its place says."""
    if parsed.text.count("\n") > TEXT_LINE_LIMIT:
        raise ParseError(f"has more than {TEXT_LINE_LIMIT:,} lines of text; split it")
    parsed = cleaned(parsed)
    about, own = raw.about, parsed.metadata
    if title := " ".join(clean(str(about.get("title") or ""))[0].split()):
        from ingestion.parsing.markdown import readable_name

        if parsed.title == readable_name(raw.key):
            parsed = _retitled(parsed, title)
    said = [parsed.language, own.get("lang"), own.get("language"), about.get("language")]
    tag = next(filter(None, map(language_tag, said)), None)
    if raw.media_type == PDF:  # what it says is often only the language of the office program
        tag = detected_language(parsed) or tag
    return replace(parsed, language=tag or detected_language(parsed))


def _retitled(parsed: ParsedDocument, title: str) -> ParsedDocument:
    sections = (replace(s, heading_path=(title, *s.heading_path[1:])) for s in parsed.sections)
    return replace(parsed, title=title, sections=tuple(sections))
