"""RawDocument to ParsedDocument: one entry, a parser for each media type."""

from ingestion.loaders.base import RawDocument
from ingestion.loaders.decoding import decode
from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.markdown import parse_markdown
from ingestion.parsing.routes import DOCUSAURUS, PLAIN

__all__ = ["ParseError", "ParsedDocument", "parse"]

MARKDOWN = "text/markdown"
MDX = "text/mdx"


def parse(raw: RawDocument, *, site_kind: str = PLAIN) -> ParsedDocument:
    """`site_kind` is that of the site the page belongs to: it decides anchors and dialect."""
    if raw.media_type not in (MARKDOWN, MDX):
        raise ParseError(f"no parser for {raw.media_type}")
    text, decoding_warnings = decode(raw.content)
    mdx = raw.media_type == MDX or site_kind == DOCUSAURUS
    return parse_markdown(
        text, key=raw.key, mdx=mdx, site_kind=site_kind, warnings=decoding_warnings
    )
