"""Plain text to sections: paragraphs between blank lines, kept to the character.

Only a heading that is underlined is taken for one: nothing else tells it from a short line.
"""

import re
from collections.abc import Iterator, Sequence

from ingestion.parsing.base import Block, ParsedDocument, Section
from ingestion.parsing.markdown import readable_name
from ingestion.parsing.slugs import GithubAnchors

UNDERLINED = re.compile(
    r"(?:\A|(?<=\n\n))[ \t]*(?P<title>\S[^\n]{0,118})\n"
    r"[ \t]*(?P<line>={3,}|-{3,}|~{3,})[ \t]*(?=\n|\Z)"
)
LEVELS = {"=": 1, "-": 2, "~": 3}


def parse_plain(text: str, *, key: str, warnings: Sequence[str] = ()) -> ParsedDocument:
    headings = [match for match in UNDERLINED.finditer(text) if _fits(match)]
    first = next((h["title"].strip() for h in headings if h["line"][0] == "="), "")
    title = first or readable_name(key)
    sections = tuple(_sections(text, title, headings))
    if not any(section.blocks for section in sections):
        warnings = [*warnings, "no text"]
    return ParsedDocument(title, text, sections, warnings=tuple(warnings))


def _fits(match: re.Match[str]) -> bool:
    """The line is about as long as the title, as people draw it; else it is a rule or a table."""
    title, line = match["title"].strip(), match["line"]
    return abs(len(title) - len(line)) <= 3 and any(map(str.isalpha, title)) and "  " not in title


def _sections(text: str, title: str, headings: list[re.Match[str]]) -> Iterator[Section]:
    anchors = GithubAnchors()
    path: list[tuple[int, str]] = []
    edges = [*(heading.start() for heading in headings), len(text)]
    if blocks := tuple(_blocks(text, 0, edges[0])):
        yield Section((title,), "", 0, blocks)
    for heading, end in zip(headings, edges[1:], strict=True):
        name, level = heading["title"].strip(), LEVELS[heading["line"][0]]
        path = [step for step in path if step[0] < level] + [(level, name)]
        names = [name for _, name in path]
        if names[0] == title:
            names.pop(0)
        blocks = tuple(_blocks(text, heading.end(), end))
        yield Section((title, *names), anchors.anchor(name, None), level, blocks)


def _blocks(text: str, start: int, end: int) -> Iterator[Block]:
    first = position = start
    for line in text[start:end].split("\n"):
        if not line.strip():
            if first < position:
                yield Block("paragraph", first, position - 1)  # without the line feed
            first = position + len(line) + 1
        position += len(line) + 1
    if first < end:
        yield Block("paragraph", first, end)
