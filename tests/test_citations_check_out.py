"""A hundred questions to the handbook: every citation leads to a place that holds its quote.

The source files and their headings are read here by other means than the application's parser.
"""

import re
import unicodedata
from pathlib import Path

import pytest
from django.core.management import call_command

from chat.models import Citation, Message
from documents.models import Chunk, Corpus
from tests.chat.turns import events_of, new_turn

HANDBOOK = Path(__file__).resolve().parent.parent / "docs" / "handbook"
QUESTIONS = 100
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def anchors(markdown: str) -> set[str]:
    """GitHub's rule: lower case, letters, digits, hyphens; spaces become hyphens."""
    seen: dict[str, int] = {}
    found = set()
    for heading in HEADING.findall(re.sub(r"^```.*?^```", "", markdown, flags=re.S | re.M)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = "".join(
            c for c in plain if c in " -_" or unicodedata.category(c)[0] in "LN"
        ).replace(" ", "-")
        number = seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


@pytest.fixture
def handbook(transactional_db) -> Corpus:
    call_command("ingest", str(HANDBOOK), corpus="handbook", public=True, json=True)
    return Corpus.objects.get(slug="handbook")


async def test_every_citation_of_a_hundred_answers_stands_in_its_source(handbook, settings):
    settings.QUESTIONS_PER_MINUTE = 10_000
    headings = sorted({c.heading_path[-1] async for c in Chunk.objects.all()})
    asked = headings[:: max(1, len(headings) // QUESTIONS)][:QUESTIONS]

    for heading in asked:
        await events_of(await new_turn(handbook, f"What about this: {heading}?"))

    assert await Message.objects.filter(role="assistant", status="complete").acount() == QUESTIONS
    citations = [c async for c in Citation.objects.select_related("chunk__document")]
    assert len(citations) > QUESTIONS
    for citation in citations:
        source = (HANDBOOK / citation.chunk.document.key).read_text(encoding="utf-8")
        page, _, anchor = citation.url.partition("#")
        assert citation.quote in source, citation.url
        assert page == f"/read/handbook/{citation.chunk.document.key.removesuffix('.md')}"
        assert not anchor or anchor in anchors(source), citation.url
        lines = source.splitlines()[citation.chunk.line_start - 1 : citation.chunk.line_end]
        assert citation.quote.splitlines()[0] in "\n".join(lines)
