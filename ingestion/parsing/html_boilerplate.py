"""The content of a page that names no part of it so: trafilatura finds sentences, we find where.

Its own output has no ids and little structure, so it only tells which part of the tree is content.
"""

import logging
from collections.abc import Collection

from selectolax.lexbor import LexborNode

from ingestion.parsing.html_tree import first_inside

LARGEST = 1_000_000  # characters; trafilatura takes seconds for each million
SMALLEST = 2_000  # below it there is nothing to tell apart
SENTENCE = 40  # characters, at least, to recognise a line by
LEAVES = frozenset("p li dd td blockquote pre h1 h2 h3 h4 h5 h6".split())
MENUS = "ul, ol, div, table, section, dl, p"
LINKS = 0.7  # of the characters: more is a menu


def without_boilerplate(
    source: str, body: LexborNode, noise: Collection[int]
) -> tuple[LexborNode, frozenset[int]]:
    """The smallest element around all that is content, and what in it is a menu."""
    text = "" if len(source) > LARGEST else body.text()
    if len(text) < SMALLEST:
        return body, frozenset()
    kept = _sentences(source)
    found = [
        node
        for node in body.css(", ".join(LEAVES))
        if node.mem_id not in noise
        and first_inside(node, LEAVES) is None
        and " ".join(node.text().split()) in kept
    ]
    if not found:
        return body, frozenset()
    paths = [_ancestors(node, body) for node in found]
    root = body
    for step in zip(*paths, strict=False):
        if len({node.mem_id for node in step}) > 1:
            break
        root = step[0]
    content = {node.mem_id for path in paths for node in path}
    return root, frozenset(_menus(root, content))


def _sentences(source: str) -> set[str]:
    import trafilatura

    # It reports each page it cannot make sense of as an error.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    kept = trafilatura.extract(source, favor_recall=True, include_comments=False) or ""
    lines = (" ".join(line.lstrip("-| ").split()) for line in kept.splitlines())
    return {line for line in lines if len(line) >= SENTENCE}


def _ancestors(node: LexborNode, body: LexborNode) -> list[LexborNode]:
    """From the body down to the node's parent."""
    path: list[LexborNode] = []
    around = node.parent
    while around is not None and around.mem_id != body.mem_id:
        path.append(around)
        around = around.parent
    return [body, *reversed(path)]


def _menus(root: LexborNode, content: Collection[int]) -> set[int]:
    found = set()
    for node in root.css(MENUS):
        links = node.css("a[href]") if node.mem_id not in content else []
        if len(links) > 2:
            linked = sum(len(link.text(strip=True)) for link in links)
            if linked > LINKS * len(node.text(strip=True)):
                found.add(node.mem_id)
    return found
