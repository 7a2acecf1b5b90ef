"""HTML to sections: the content of a page without what stands around it, with its live anchors."""

from collections.abc import Sequence

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingestion.parsing.base import ParsedDocument
from ingestion.parsing.building import PageBuilder
from ingestion.parsing.html_blocks import BlockReader
from ingestion.parsing.html_inline import text_of
from ingestion.parsing.html_metadata import head_title, read_language, read_metadata
from ingestion.parsing.html_profiles import Content, find_content
from ingestion.parsing.html_tree import read_tree
from ingestion.parsing.markdown import readable_name


def parse_html(
    text: str, *, key: str, url: str = "", warnings: Sequence[str] = ()
) -> ParsedDocument:
    """Raises ParseError for a page that no parser should be given (see html_tree)."""
    tree = read_tree(text)
    content = find_content(tree, text)
    builder = PageBuilder()
    reader = BlockReader(tree, builder, content.noise)
    for root in content.roots:
        reader.read(root)
    metadata = read_metadata(tree, url)
    language = read_language(tree) or metadata.get("lang")
    title = _title(tree, content) or metadata.get("title") or readable_name(key)
    return builder.page(title, language=language, metadata=metadata, warnings=warnings)


def parse_fragment(
    html: str, *, title: str, language: str | None = None, metadata: dict | None = None,
    warnings: Sequence[str] = (),
) -> ParsedDocument:  # fmt: skip
    """HTML that another converter wrote: all of it is content."""
    tree = read_tree(html)
    builder = PageBuilder()
    if tree.body is not None:
        BlockReader(tree, builder, frozenset()).read(tree.body)
    return builder.page(title, language=language, metadata=metadata, warnings=warnings)


def _title(tree: LexborHTMLParser, content: Content) -> str:
    """The main heading of the content, else of the page, else what the head says."""
    inside = [heading for root in content.roots for heading in root.css("h1")]
    headings: list[LexborNode] = inside[:1] or tree.css("h1")[:1]
    shown = text_of(headings[0], content.noise, ticks=False) if headings else ""
    return shown[:300] or head_title(tree)
