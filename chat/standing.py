"""Whether what an old citation rests on is still so, told by the rows that are there today.

Four states: `current`; `moved` (the same text stands elsewhere in the corpus); `changed` (the
section has another text now); `gone` (section or document are no longer there, or were withdrawn).
A chunk's id is made of its text and its headings: where the id is, the words are.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from uuid import UUID

from django.db.models import Q

from chat.models import Citation
from documents.models import Chunk, Document

State = Literal["current", "moved", "changed", "gone"]


@dataclass(frozen=True)
class Standing:
    """`withheld`: a curator took back what was cited, and readers are not shown it any longer."""

    state: State
    moved_to: str = ""  # the url where the same text stands
    withheld: bool = False


COLUMNS = ("pk", "text_hash", "document__url", "anchor", "enabled", "document__status")


class _Row(NamedTuple):
    chunk_id: UUID
    text_hash: str
    page: str
    anchor: str
    enabled: bool
    status: str

    @property
    def live(self) -> bool:
        return self.enabled and self.status == Document.Status.PUBLISHED

    @property
    def url(self) -> str:
        return f"{self.page}#{self.anchor}" if self.anchor else self.page


def standings(citations: Iterable[Citation], corpus_id: int) -> Mapping[int, Standing]:
    """By citation; one query for all of them, which all belong to this corpus."""
    cited = list(citations)
    today = _Today.of(_rows(cited, corpus_id) if cited else ())
    return {citation.pk: today.standing(citation) for citation in cited}


def _rows(cited: Collection[Citation], corpus_id: int) -> Iterator[_Row]:
    """Everything that may be what is cited. A union: each part has an index of its own."""
    pages = {_page(citation.url) for citation in cited}
    anchors = {citation.url.partition("#")[2] for citation in cited}
    wanted = (
        Q(pk__in={citation.chunk_id for citation in cited}),
        Q(text_hash__in={citation.text_hash for citation in cited} - {""}),
        # The first one tells of a page whose sections are all others now.
        Q(document__url__in=pages) & (Q(anchor__in=anchors) | Q(position=0)),
    )
    first, *others = (
        Chunk.objects.filter(query, document__corpus_id=corpus_id).order_by().values_list(*COLUMNS)
        for query in wanted
    )
    return (_Row(*row) for row in first.union(*others))


@dataclass
class _Today:
    by_id: dict[UUID, _Row] = field(default_factory=dict)
    by_hash: defaultdict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    by_page: defaultdict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, rows: Iterable[_Row]) -> "_Today":
        today = cls()
        for row in rows:
            today.by_id[row.chunk_id] = row
            today.by_page[row.page].append(row)
            if row.live and row.text_hash:
                today.by_hash[row.text_hash].append(row)
        return today

    def standing(self, citation: Citation) -> Standing:
        itself, here = self.by_id.get(citation.chunk_id), self.by_page[_page(citation.url)]
        same = [itself] if itself and itself.live else self.by_hash[citation.text_hash]
        if any(row.url == citation.url for row in same):
            return Standing("current")
        if same:
            return Standing("moved", moved_to=same[0].url)
        if any(row.live and row.url == citation.url for row in here):
            return Standing("changed")
        taken_back = any(row.status == Document.Status.WITHDRAWN for row in here)
        return Standing("gone", withheld=taken_back or itself is not None)


def _page(url: str) -> str:
    return url.partition("#")[0]
