"""RawDocument to ParsedDocument: one entry, a parser for each media type."""

from typing import TYPE_CHECKING

from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.decoding import decode
from ingestion.parsing.markdown import parse_markdown
from ingestion.parsing.routes import DOCUSAURUS

if TYPE_CHECKING:  # loaders know parsing, not the other way round
    from ingestion.loaders.base import RawDocument

__all__ = ["ParseError", "ParsedDocument", "parse"]

MARKDOWN = "text/markdown"
MDX = "text/mdx"


def parse(raw: "RawDocument", *, site_kind: str = "") -> ParsedDocument:
    """`site_kind` decides anchors and dialect; without one it is what the loader found."""
    site_kind = site_kind or raw.site_kind
    if raw.media_type not in (MARKDOWN, MDX):
        raise ParseError(f"no parser for {raw.media_type}")
    text, decoding_warnings = decode(raw.content)
    mdx = raw.media_type == MDX or site_kind == DOCUSAURUS
    return parse_markdown(
        text, key=raw.key, mdx=mdx, site_kind=site_kind, warnings=decoding_warnings
    )
