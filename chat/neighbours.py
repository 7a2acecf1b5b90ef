"""What stands beside a passage that is too small to answer: a heading with one line, an example.

A neighbour is a passage of its own, so that a citation still points at exactly one live chunk and
at characters of its text; it stands next to the one that brought it only where a model reads them.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from documents.index.base import IndexHit
from documents.models import Chunk
from documents.passages import Passage
from documents.scope import Scope
from documents.threads import in_database_thread

SMALL = 200  # characters


async def neighbours(
    passages: Sequence[Passage], scope: Scope, without: Collection[UUID] = ()
) -> dict[UUID, Passage]:
    """By the chunk that they complete; loaded in one query, and in none where all are large."""
    small = [passage for passage in passages if len(passage.text) < SMALL]
    if not small:
        return {}
    return await _loaded(small, {*without, *(passage.chunk_id for passage in passages)}, scope)


def load(small: Sequence[Passage], settled: set[UUID], scope: Scope) -> dict[UUID, Passage]:
    """Synchronous. The one behind if it is of the section, else the one before."""
    places = {(one.document_id, one.position + step) for one in small for step in (-1, 1)}
    around = {
        (chunk.document_id, chunk.position): chunk
        for chunk in Chunk.objects.live(scope).at(places)
        if not scope.sections or not scope.sections.isdisjoint(chunk.heading_path)
    }
    found: dict[UUID, Passage] = {}
    for one in small:
        after = around.get((one.document_id, one.position + 1))
        before = around.get((one.document_id, one.position - 1))
        if after is not None and within(after.heading_path, one.heading_path):
            chosen = after
        elif before is not None and within(one.heading_path, before.heading_path):
            chosen = before
        else:
            continue
        if chosen.pk not in settled:  # else it is there already, or repeats another
            settled.add(chosen.pk)
            found[one.chunk_id] = chosen.as_passage(IndexHit(chosen.pk, one.score))
    return found


_loaded = in_database_thread(load)


def within(path: Sequence[str], outer: Sequence[str]) -> bool:
    """Is it the same section, or one inside of it?"""
    return list(path[: len(outer)]) == list(outer)


def in_reading_order(passages: Sequence[Passage], beside: dict[UUID, Passage]) -> list[Passage]:
    """Each with its neighbour before or behind it, as they stand in the document."""
    ordered: list[Passage] = []
    for passage in passages:
        pair = [passage, beside[passage.chunk_id]] if passage.chunk_id in beside else [passage]
        ordered += sorted(pair, key=lambda one: one.position)
    return ordered
