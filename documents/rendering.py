"""Markdown of unknown origin to HTML that can do nothing."""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

TAGS = {
    "a", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
HREF = re.compile(r'(?<=<a href=")[^"]*')  # in what nh3 writes, `<` and `"` stand for nothing else


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def markdown_to_html(text: str, link: Callable[[str], str] = str) -> str:
    """No images, no raw HTML, no scheme but http, https and mailto.

    `link` may turn the address of a link into a better one; it is trusted, the text is not.
    """

    def better(match: re.Match[str]) -> str:
        address = unescape(match[0])
        changed = link(address)
        return match[0] if changed == address else escape(changed)

    return HREF.sub(better, rendered(text))


@lru_cache(maxsize=4096)
def rendered(text: str) -> str:
    """Sanitised last. Kept, since a long page takes seconds: some megabytes of chunks."""
    import nh3

    return nh3.clean(
        _markdown().render(text),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
