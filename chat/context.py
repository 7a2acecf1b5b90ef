"""What surrounds a question: the page its reader is on, a selected text, what was cited before.

None of it is believed: it is looked up among the live rows of the scope, or left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from django.db.models import Q

from chat.models import Citation, Conversation
from chat.selection import letters, spanned
from documents.index.base import IndexHit, IndexQuery, IndexSearcher
from documents.index.sparse import encode_query
from documents.models import Chunk, Document
from documents.passages import Passage
from documents.scope import Scope
from documents.threads import in_database_thread

# Multiplied into the score after fusion, like the weights of trust. A page is as good a reason as
# the best trust tier: it decides between hits that are about as good. A selection is pointed at: it
# overtakes all but a much better hit. What was cited before has mostly been found again anyway:
# enough to win a tie, not to keep an answer where the talk has moved on.
SELECTED, ON_PAGE, CITED_BEFORE = "selection", "page", "cited"
WEIGHTS = {SELECTED: 1.5, ON_PAGE: 1.1, CITED_BEFORE: 1.05}
MOST_CITED = 4  # sections cited last that are brought in
MOST_JOINED = 2  # of them, those that the search has not found: they take the last places
LOOKED_AT = 20  # hits in whose surroundings a selection is looked for
NEIGHBOURS = 8  # chunks on either side of a hit; no selection is longer
MOST_COMPARED = 400  # chunks; each takes a quarter of a millisecond
AS_STORED = "/@:!$&'()*+,;=~%"  # not escaped in the addresses of documents


class SelectionNotFound(Exception):
    """The selected text stands nowhere in the live content of the scope."""


@dataclass(frozen=True)
class Surroundings:
    """As the caller tells it."""

    page: str = ""  # an address
    selection: str = ""
    selection_only: bool = False  # nothing else may answer

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "Surroundings":
        selection = asked.get("selection") or {}
        only = selection.get("mode") == "only"
        return cls(asked.get("page", ""), selection.get("text", ""), only)


@dataclass(frozen=True)
class Context:
    """As it was found: live, and in the scope."""

    documents: frozenset[int] = frozenset()  # the page's; several where versions share an address
    title: str = ""  # of the page
    selected: tuple[Passage, ...] = ()
    cited: tuple[Passage, ...] = ()
    only: bool = False  # the selected passages alone may answer
    notes: Mapping[str, str] = field(default_factory=dict)  # for the trace

    @property
    def trace(self) -> dict[str, Any]:
        told = {**self.notes, **({CITED_BEFORE: len(self.cited)} if self.cited else {})}
        return {"context": told} if told else {}

    def reason(self, passage: Passage) -> str:
        """Why this passage weighs more, "" if it does not: the weightiest reason alone counts."""
        if passage.chunk_id in {one.chunk_id for one in self.selected}:
            return SELECTED
        if passage.document_id in self.documents:
            return ON_PAGE
        return CITED_BEFORE if passage.chunk_id in {one.chunk_id for one in self.cited} else ""

    def joined(self, candidates: Sequence[Passage], top_k: int) -> list[Passage]:
        """With what the search did not find, as good as the last that would be shown; so is what is
        selected, however little it has of the question."""
        best, found = candidates[:top_k], {one.chunk_id: one for one in candidates}
        shown = {one.chunk_id for one in best}
        added = [found.get(one.chunk_id, one) for one in self.selected if one.chunk_id not in shown]
        known = {*found, *(one.chunk_id for one in added)}
        added += [one for one in self.cited if one.chunk_id not in known][:MOST_JOINED]
        score = best[-1].score if best else 1.0
        known = shown.union(one.chunk_id for one in added)
        rest = [one for one in candidates if one.chunk_id not in known]
        return [*best, *(replace(one, score=score) for one in added), *rest]

    def weigh(self, passages: Sequence[Passage]) -> list[Passage]:
        """Reordered by score times the weight of what speaks for each passage."""
        weighted = [
            replace(passage, score=passage.score * WEIGHTS.get(self.reason(passage), 1.0))
            for passage in passages
        ]
        return sorted(weighted, key=lambda passage: -passage.score)

    def selection_of(self, candidates: Iterable[Passage]) -> list[Passage]:
        """The selected passages, with the scores that the search gave them."""
        found = {passage.chunk_id: passage for passage in candidates}
        return [found.get(passage.chunk_id, passage) for passage in self.selected]


NOTHING = Context()


async def gather(
    told: Surroundings, scope: Scope, index: IndexSearcher, language: str = "en"
) -> Context:
    """Look up page and selection; raises SelectionNotFound, if nothing else may answer."""
    if not told.page and not told.selection:
        return NOTHING
    pages = await _documents_at(told.page, scope) if told.page else {}
    notes = {ON_PAGE: "known" if pages else "unknown"} if told.page else {}
    context = Context(frozenset(pages), next(iter(pages.values()), ""), notes=notes)
    if not told.selection:
        return context
    selected = await _selected(told.selection, frozenset(pages), scope, index, language)
    if not selected and told.selection_only:
        raise SelectionNotFound
    mode = "only" if told.selection_only else "boost"
    notes = {**notes, SELECTED: mode if selected else "not_found"}
    return replace(context, selected=tuple(selected), only=told.selection_only, notes=notes)


def _cited_before(conversation: Conversation, scope: Scope) -> tuple[Passage, ...]:
    """What the conversation cited last, as it stands now."""
    cited = Citation.objects.filter(message__conversation=conversation, message__superseded=False)
    last = cited.order_by("-message__created_at", "number").values("chunk_id")[:MOST_CITED]
    chunks = Chunk.objects.live(scope).filter(pk__in=last).select_related("document__source")
    return _as_passages(chunks, scope)


cited_before = in_database_thread(_cited_before)


@in_database_thread
def _documents_at(page: str, scope: Scope) -> dict[int, str]:
    """Titles by id."""
    documents = Document.objects.readable(scope).filter(url__in=addresses(page))
    return dict(documents.order_by("pk").values_list("pk", "title"))


def addresses(page: str) -> list[str]:
    """How the address of a page may be stored: without fragment and query, either scheme, with
    and without a slash at its end. Empty if it is none."""
    try:
        parts = urlsplit(page.strip())
    except ValueError:
        return []
    path = parts.path.removesuffix("index.html").rstrip("/")
    paths = {path, quote(unquote(path), safe=AS_STORED)}
    paths |= {f"{one}/" for one in paths} | {f"{one.removesuffix('.html')}" for one in paths}
    # A path alone is the address of what this server shows itself, under whatever name.
    hosts = [f"{scheme}://{parts.netloc.lower()}" for scheme in ("https", "http")]
    return [
        host + one for host in ([*hosts, ""] if parts.netloc else [""]) for one in sorted(paths)
        if host or one.strip("/")
    ]  # fmt: skip


async def _selected(
    selection: str, pages: frozenset[int], scope: Scope, index: IndexSearcher, language: str
) -> list[Passage]:
    """On the page first; elsewhere, around what a search by its words finds."""
    if not letters(selection):
        return []
    if pages and (found := await _found_on(selection, Q(document_id__in=pages), scope)):
        return found
    words = IndexQuery(None, encode_query(selection, language), scope)
    hits = await index.search(words, limit=LOOKED_AT)
    return await _found_around(selection, hits, scope) if hits else []


@in_database_thread
def _found_around(selection: str, hits: Sequence[IndexHit], scope: Scope) -> list[Passage]:
    live = Chunk.objects.live(scope).filter(pk__in=[hit.chunk_id for hit in hits])
    places = {pk: place for pk, *place in live.values_list("pk", "document_id", "position")}
    found = [places[hit.chunk_id] for hit in hits if hit.chunk_id in places]
    around = [
        Q(document_id=document, position__range=(position - NEIGHBOURS, position + NEIGHBOURS))
        for document, position in found
    ]
    best_first = dict.fromkeys(document for document, _position in found)
    return _find(selection, reduce(or_, around), scope, best_first) if around else []


def _find(selection: str, where: Q, scope: Scope, first: Iterable[int] = ()) -> list[Passage]:
    """The chunks of one document that the selection stands in; these documents are tried first."""
    chunks = Chunk.objects.live(scope).filter(where).select_related("document__source")
    by_document: dict[int, list[Chunk]] = {document: [] for document in first}
    for chunk in chunks.order_by("document_id", "position")[:MOST_COMPARED]:
        by_document.setdefault(chunk.document_id, []).append(chunk)
    for rows in by_document.values():
        found = spanned(selection, [("".join(row.heading_path[-1:]), row.text) for row in rows])
        if passages := _as_passages([rows[at] for at in found], scope):
            return list(passages)
    return []


_found_on = in_database_thread(_find)


def _as_passages(chunks: Iterable[Chunk], scope: Scope) -> tuple[Passage, ...]:
    """Those of the sections that the scope is narrowed to: the rows cannot be asked for them."""
    return tuple(
        chunk.as_passage(IndexHit(chunk.pk, 0.0))
        for chunk in chunks
        if not scope.sections or scope.sections.intersection(chunk.heading_path)
    )


def reasons(context: Context, passages: Iterable[Passage]) -> dict[UUID, str]:
    """By chunk, for the trace."""
    found = {passage.chunk_id: context.reason(passage) for passage in passages}
    return {chunk_id: reason for chunk_id, reason in found.items() if reason}
