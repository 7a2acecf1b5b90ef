"""Tabs: which label belongs to which panel."""

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingestion.parsing.html_inline import LEFT_OUT
from ingestion.parsing.html_tree import attribute


def read_tabs(tree: LexborHTMLParser) -> tuple[dict[int, str], frozenset[int]]:
    """A row of labels above a row of panels: each label goes to its panel."""
    labels: dict[int, str] = {}
    done: set[int] = set()
    for bar in tree.css("[role=tablist], .tabbed-labels, .vp-code-group > .tabs"):
        names = [
            " ".join(tab.text().split())
            for tab in bar.css("[role=tab], label") or list(bar.iter())
            if tab.tag not in LEFT_OUT or tab.tag == "button"
        ]
        panels = _panels(bar)
        if names and len(names) == len(panels):
            labels |= {panel.mem_id: name for panel, name in zip(panels, names, strict=True)}
            done.add(bar.mem_id)
    return labels, frozenset(done)


def _panels(bar: LexborNode) -> list[LexborNode]:
    after = []
    node = bar.next
    while node is not None:
        if node.is_element_node:
            after.append(node)
        node = node.next
    beside = [node for node in after if attribute(node, "role") == "tabpanel"]
    return beside or (list(after[0].iter()) if after else [])
