"""What a page tells a crawler: where it leads to, which address is its own, what is allowed."""

from dataclasses import dataclass
from urllib.parse import quote, urldefrag, urljoin, urlsplit, urlunsplit

from selectolax.lexbor import LexborHTMLParser

from ingestion.parsing.html_tree import attribute, read_tree

AS_WRITTEN = "%/:=&?~#+!$,;'@()*[]"  # what an address may hold without an escape, and escapes


@dataclass(frozen=True)
class PageLinks:
    links: tuple[str, ...] = ()  # absolute, without fragment, each once, in reading order
    canonical: str = ""  # absolute; "" when the page names none
    noindex: bool = False
    nofollow: bool = False  # of the whole page; single links marked so are left out of `links`


def read_links(text: str, url: str) -> PageLinks:
    """Raises ParseError as parse_html does. `url` is where the page was found."""
    tree = read_tree(text)
    base = _base(tree, url)
    found = (
        absolute(attribute(node, "href"), base)
        for node in tree.css("a[href], area[href]")
        if "nofollow" not in attribute(node, "rel").lower().split()
    )
    rules = robots(tree)
    return PageLinks(
        links=tuple(dict.fromkeys(filter(None, found))),
        canonical=canonical(tree, base),
        noindex=bool(rules & {"noindex", "none"}),
        nofollow=bool(rules & {"nofollow", "none"}),
    )


def canonical(tree: LexborHTMLParser, base: str) -> str:
    for node in tree.css("link[href]"):
        if "canonical" in attribute(node, "rel").lower().split():
            return absolute(attribute(node, "href"), base)
    return ""


def robots(tree: LexborHTMLParser) -> set[str]:
    """The words of `<meta name="robots">`, of all of them when there are several."""
    found: set[str] = set()
    for node in tree.css("meta[name][content]"):
        if attribute(node, "name").strip().lower() == "robots":
            found.update(attribute(node, "content").lower().replace(",", " ").split())
    return found


def absolute(href: str, base: str) -> str:
    """The http(s) address behind a link, without fragment; "" for any other and for nonsense."""
    try:
        address = urldefrag(urljoin(base, "".join(href.split("\n")).strip())).url
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
    except ValueError:  # `http://[`
        return ""
    path, query = (quote(part, safe=AS_WRITTEN) for part in (parts.path or "/", parts.query))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _base(tree: LexborHTMLParser, url: str) -> str:
    node = tree.css_first("base[href]")
    try:
        return urljoin(url, attribute(node, "href").strip()) if node else url
    except ValueError:
        return url
