"""Markdown of unknown origin to HTML that can do nothing."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

TAGS = {
    "a", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def markdown_to_html(text: str, link: Callable[[str], str] = str) -> str:
    """No images, no raw HTML, no scheme but http, https and mailto; sanitised last.

    `link` may turn the address of a link into a better one.
    """
    import nh3

    def better(_tag: str, attribute: str, value: str) -> str:
        return link(value) if attribute == "href" else value

    return nh3.clean(
        _markdown().render(text),
        attribute_filter=better,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
