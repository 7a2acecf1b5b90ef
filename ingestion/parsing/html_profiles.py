"""Which part of a page is its content, and what in it is not: by the tool that made the page.

The selectors were taken from pages built with each tool (GitBook: from its published source).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingestion.parsing.html_tree import attribute


@dataclass(frozen=True)
class Profile:
    name: str
    content: tuple[str, ...]  # selectors, the first that matches is taken
    noise: str = ""  # inside the content
    mark: str = ""  # a selector only pages of this tool match; "" when its content's does


PROFILES = (
    Profile(
        "docusaurus",
        content=(".theme-doc-markdown", "[class^=generatedIndexPage_]",
                 "main > article",  # a post of a blog, each post of a list
                 "article .markdown", "main article", "main"),
        noise=".hash-link, .theme-doc-breadcrumbs, .theme-doc-toc-mobile, .theme-doc-footer,"
        " .pagination-nav, .theme-doc-version-badge, .theme-doc-version-banner,"
        " .theme-last-updated, .theme-edit-this-page, [class*=buttonGroup_], .table-of-contents,"
        " [class*=codeBlockLineNumber_], [class*=cardIcon_], .theme-doc-card-icon,"
        " [class*=tagWithCount_] > span, main > article > header > div, main > article > footer",
        mark="meta[name=generator][content^=Docusaurus]",
    ),
    Profile(
        "vitepress",
        content=(".vp-doc", "main"),
        noise=".header-anchor, .copy, .lang, .line-numbers-wrapper, .VPDocFooter",
        mark="meta[name=generator][content^=VitePress], .vp-doc",
    ),
    Profile(
        "material for mkdocs",
        content=("article.md-content__inner",),
        noise=".headerlink, .md-content__button, .md-source-file, .md-feedback, .md-tags,"
        " .md-nav, .md-clipboard, .md-code__nav, .md-status, .linenos, .footnote-backref",
    ),
    Profile(
        "sphinx, or mkdocs with its own themes",
        content=("[role=main] [itemprop=articleBody]", "article.bd-article", "[role=main] .body",
                 "article[role=main]", "[role=main]"),
        noise=".headerlink, .linenos, .viewcode-link, .viewcode-back, .copybtn, .toctree-wrapper,"
        " .contents.topic, nav.contents, .footnote-backref, .sphinxsidebar, .related,"
        " .prev-next-area, .rst-footer-buttons, .sd-summary-state-marker",
        mark="#documentation_options, script[src*='_static/doctools.js'],"
        " script[src*='documentation_options.js'], .rst-content, .col-md-9[role=main]",
    ),
    Profile(
        "gitbook",
        content=(".page-inner .markdown-section", "main"),
        noise="header nav, .hash, [aria-label^='Direct link to'], .highlight-line-number,"
        " [class*=page-footer], main > nav, main > header + div.sr-only",
        mark="meta[name=generator][content*=GitBook], meta[name=generator][content*=HonKit]",
    ),
    Profile(
        "mediawiki",
        content=(".mw-parser-output",),
        noise=".mw-editsection, .navbox, .toc, .mw-jump-link, .noprint, .metadata, .catlinks,"
        " .mw-cite-backlink, .reference, .shortdescription, .sistersitebox, .authority-control",
    ),
    Profile(
        "others",
        content=(".sl-markdown-content", ".markdown-body", ".td-content", "article.doc",
                 "#content > main", ".post-content", ".entry-content"),
        noise=".nav-chapters, .nav-wrapper, .anchor, .breadcrumbs, .pagination, .sharedaddy",
    ),
)  # fmt: skip

# Never text, whoever made the page. A tab that is not chosen is hidden, but a reader can choose it.
HIDDEN = (
    "[hidden]:not([role=tabpanel]), [aria-hidden=true]:not(main):not(article):not(body),"
    " [style*='display:none']:not([role=tabpanel]), [style*='display: none']:not([role=tabpanel]),"
    # One heading for screen readers alone parts something: the notes from the last section.
    " .sr-only:not(#footnote-label), .visually-hidden, .screen-reader-text, .skip-link,"
    # 10<sup>1</sup> would be taken for a power, and [1] for a citation.
    " [data-footnote-ref], [data-footnote-backref], .footnote-ref, .footnote-backref,"
    " .headerlink, .header-anchor, .hash-link, .anchor-link, .headeranchor, .anchorjs-link,"
    " .linenos, .linenodiv, .lineno, .line-numbers-rows, .hljs-ln-numbers, .copybtn, .copy-button,"
    " [role=navigation], [role=search], nav"
)
# Around the content of a page that no profile knows.
AROUND = (
    "footer, [role=banner], [role=contentinfo], [role=complementary], .breadcrumb, .breadcrumbs,"
    " .pagination, .sidebar, #sidebar, .navbar, .nav, .menu, #menu, .toc, #toc, .cookie-banner,"
    " .cookie-consent, .share, .social, .jump, .print-only"
)
MAIN = "main, [role=main], article"
NOTES = frozenset("note tip warning admonition callout footnote sidenote important".split())
SHARE = 0.3  # of the page's text, at least, or a `<main>` is none


@dataclass(frozen=True)
class Content:
    roots: tuple[LexborNode, ...]
    noise: frozenset[int]  # ids of the elements to leave out


def find_content(tree: LexborHTMLParser, source: str) -> Content:
    """By profile; else `<main>` or the longest article; else what trafilatura keeps; else all."""
    for profile in PROFILES:
        if not profile.mark or tree.css_first(profile.mark):
            for selector in profile.content:
                if roots := _outermost(tree.css(selector)):
                    return Content(roots, _ids(tree, HIDDEN, profile.noise))
    body = tree.body
    if body is None:
        return Content((), frozenset())
    if main := _main(tree, body):
        return Content((main,), _ids(tree, HIDDEN, AROUND))
    from ingestion.parsing.html_boilerplate import without_boilerplate

    noise = _ids(tree, HIDDEN, AROUND) | {node.mem_id for node in _around_body(tree)}
    root, more_noise = without_boilerplate(source, body, noise)
    return Content((root,), noise | more_noise)


def _main(tree: LexborHTMLParser, body: LexborNode) -> LexborNode | None:
    candidates = [(len(node.text()), node) for node in _outermost(tree.css(MAIN))]
    length, longest = max(candidates, key=lambda candidate: candidate[0], default=(0, None))
    return longest if length and length >= SHARE * len(body.text()) else None


def _around_body(tree: LexborHTMLParser) -> Iterator[LexborNode]:
    for node in tree.css("body > header, body > div > header"):
        if node.css_first("h1") is None:
            yield node
    for node in tree.css("aside"):
        if not NOTES.intersection(attribute(node, "class").lower().split()):
            yield node


def _outermost(nodes: list[LexborNode]) -> tuple[LexborNode, ...]:
    """Without those inside another, and those without text."""
    ids = {node.mem_id for node in nodes}

    def inside(node: LexborNode) -> bool:
        around = node.parent
        while around is not None:
            if around.mem_id in ids:
                return True
            around = around.parent
        return False

    once = {node.mem_id: node for node in nodes}.values()
    return tuple(node for node in once if node.text(strip=True) and not inside(node))


def _ids(tree: LexborHTMLParser, *selectors: str) -> frozenset[int]:
    return frozenset(
        node.mem_id for selector in selectors if selector for node in tree.css(selector)
    )
