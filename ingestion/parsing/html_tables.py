"""The rows of an HTML table, as a grid without spans."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from ingestion.parsing.html_tree import attribute


def rows_of(table: LexborNode) -> Iterator[list[LexborNode]]:
    """The cells of each row, not those of tables inside."""
    for child in table.iter():
        for row in child.iter() if child.tag in ("thead", "tbody", "tfoot") else (child,):
            cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
            if row.tag == "tr" and cells:
                yield cells


def spread(rows: list[list[LexborNode]]) -> Iterator[list[LexborNode | None]]:
    """A cell over several columns or rows stands in the first, so that the others line up."""
    hanging: dict[int, int] = {}  # column: rows still covered from above
    for row in rows:
        line: list[LexborNode | None] = []

        def skip_covered(line: list[LexborNode | None]) -> None:
            while hanging.get(len(line), 0):
                hanging[len(line)] -= 1
                line.append(None)

        for cell in row:
            skip_covered(line)
            for column in range(_span(cell, "colspan")):
                if covered := _span(cell, "rowspan") - 1:
                    hanging[len(line)] = covered
                line.append(None if column else cell)
        skip_covered(line)
        yield line


def _span(cell: LexborNode, name: str) -> int:
    value = attribute(cell, name).strip()
    return min(max(int(value), 1), 100) if re.fullmatch(r"\d{1,4}", value) else 1
