"""From a query to passages. One `search()` serves chat, the API, the admin and the benchmarks."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from uuid import UUID

from django.conf import settings

from chat.context import NOTHING, Context, reasons
from chat.duplicates import duplicates
from chat.events import NO_VECTORS, NOT_RERANKED
from chat.neighbours import in_reading_order, neighbours
from chat.ordering import mixed, weigh_by_page
from chat.providers import get_reranker
from chat.reranking.base import Reranker, RerankError
from chat.spelling import respelled, slips
from chat.trace import DUPLICATE, NOT_LIVE, NOT_SELECTED
from documents.embedding.base import EmbeddingError, QueryEmbedder, Vector
from documents.index.base import IndexHit, IndexQuery, IndexSearcher
from documents.index.language import language_of
from documents.index.sparse import encode_query, primary
from documents.models import Chunk, TrustTier
from documents.passages import Passage
from documents.providers import get_embedder, get_index
from documents.scope import Scope
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

# Multiplied into the score after fusion and reranking.
TRUST_WEIGHTS = {
    TrustTier.PEER_REVIEWED: 1.1,
    TrustTier.OFFICIAL: 1.05,
    TrustTier.PREPRINT: 1.0,
    TrustTier.UNKNOWN: 1.0,
    TrustTier.COMMUNITY: 0.95,
    TrustTier.RETRACTED: 0.3,
}
ACROSS_LANGUAGES = 2  # times as much as words: see docs/decisions/0015-languages.md
# Likewise, for what is written in another language than the question: of a page and its
# translations the one that the reader reads, unless it alone has the answer.
OTHER_LANGUAGE = 0.5
LOOKED_AT = 4  # times as many as are shown: further down a duplicate has no chance anyway


@dataclass
class Found:
    """Passages best first, how they came about, and milliseconds by stage."""

    query: str  # as it was searched for in the end
    respelled: dict[str, str] = field(default_factory=dict)  # slips of the pen, and what was meant
    passages: list[Passage] = field(default_factory=list)
    neighbours: dict[UUID, Passage] = field(default_factory=dict)  # by the small one beside them
    candidates: list[Passage] = field(default_factory=list)  # all that were fetched, as fused
    ordered: list[Passage] = field(default_factory=list)  # the same, pages weighed
    reranked: list[Passage] = field(default_factory=list)  # before trust was weighed
    boosted: dict[UUID, str] = field(default_factory=dict)  # by chunk: why it weighs more
    dropped: dict[UUID, str] = field(default_factory=dict)  # by chunk: why (see chat/trace.py)
    degraded: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def shown(self) -> list[Passage]:
        """All that an answer may cite."""
        return [*self.passages, *self.neighbours.values()]

    @property
    def in_reading_order(self) -> list[Passage]:
        """The same, as a model reads them."""
        return in_reading_order(self.passages, self.neighbours)


@dataclass(frozen=True)
class Retriever:
    embedder: QueryEmbedder | None
    index: IndexSearcher
    reranker: Reranker
    fetch_k: int
    top_k: int

    @classmethod
    def from_settings(cls) -> "Retriever":
        return cls(get_embedder(), get_index(), get_reranker(), settings.FETCH_K, settings.TOP_K)

    async def search(
        self,
        query: str,
        scope: Scope,
        *,
        language: str = "en",
        top_k: int | None = None,
        context: Context = NOTHING,
        read_on: bool = False,
    ) -> Found:
        """The best passages of the scope; raises IndexUnavailable. `language` is the corpus's.

        `read_on`: with what stands beside those that are too small to answer.
        """
        known = language_of(query)
        asked_in = known or language
        found, top_k = Found(query), top_k or self.top_k
        clock, depth = _Clock(found.timings), max(self.fetch_k, top_k)
        languages = (asked_in, language)
        await self._fetch(found, scope, languages, depth, clock)
        if primary(asked_in) == primary(language):  # words of another language are no slips
            found.respelled = await asyncio.to_thread(slips, query, found.candidates, language)
        if found.respelled:
            found.query = respelled(query, found.respelled)
            await self._fetch(found, scope, languages, depth, clock)
        found.candidates = context.joined(found.candidates, top_k)
        found.boosted = reasons(context, found.candidates)
        if context.only:
            return _only_selected(found, context)
        found.ordered = weigh_by_page(found.candidates)
        found.reranked = await self._rerank(found)
        clock.lap("rerank")
        found.passages = await asyncio.to_thread(arranged, found, top_k, context, known or "")
        if read_on:
            found.neighbours = await neighbours(found.passages, scope, found.dropped)
            clock.lap("neighbours")
        return found

    async def _fetch(
        self, found: Found, scope: Scope, languages: tuple[str, str], limit: int, clock: "_Clock"
    ) -> None:
        """The candidates of `found.query`."""
        vector = await self._embed(found, languages)
        clock.lap("embed")
        terms, weight = encode_query(found.query, *languages), self._dense_weight(*languages)
        query = IndexQuery(vector, terms, scope, weight)
        found.candidates = await self._candidates(query, limit, found)
        unknown = all(candidate.similarity is None for candidate in found.candidates)
        if vector is not None and found.candidates and unknown:  # not embedded yet
            _degrade(found, NO_VECTORS)
        clock.lap("search")

    async def _embed(self, found: Found, languages: tuple[str, str]) -> Vector | None:
        if self.embedder is not None:
            known = self.embedder.languages
            if known is not None and known.isdisjoint(map(primary, languages)):
                return None  # by words alone, which is better here and so no degradation
            try:
                return await self.embedder.embed_query(found.query)
            except EmbeddingError as error:
                logger.warning("Searching by words alone: %s", error)
        _degrade(found, NO_VECTORS)
        return None

    def _dense_weight(self, asked_in: str, language: str) -> int:
        """Across languages words find names alone, and meaning counts for more: if the embedder
        knows both languages."""
        both = {primary(asked_in), primary(language)}
        known = self.embedder.languages if self.embedder is not None else frozenset()
        return ACROSS_LANGUAGES if len(both) > 1 and (known is None or both <= known) else 1

    async def _candidates(self, query: IndexQuery, limit: int, found: Found) -> list[Passage]:
        """Hits that have a live row. If too few have, the index lags: look once more, deeper."""
        hits = await self.index.search(query, limit=limit)
        candidates = await _live_passages(hits, query.scope)
        if len(candidates) < limit // 2 and len(hits) == limit:
            hits = await self.index.search(query, limit=limit * 4)
            candidates = await _live_passages(hits, query.scope)
        live = {passage.chunk_id for passage in candidates}
        found.dropped = {hit.chunk_id: NOT_LIVE for hit in hits if hit.chunk_id not in live}
        return candidates

    async def _rerank(self, found: Found) -> list[Passage]:
        # All of them: trust and their places may still reorder them.
        every = len(found.ordered)
        try:
            return await self.reranker.rerank(found.query, found.ordered, top_k=every)
        except RerankError as error:
            logger.warning("Keeping the fused order: %s", error)
            _degrade(found, NOT_RERANKED)
            return found.ordered


def _passages(hits: Sequence[IndexHit], scope: Scope) -> list[Passage]:
    return Chunk.objects.live(scope).passages(hits)


_live_passages = in_database_thread(_passages)


def _only_selected(found: Found, context: Context) -> Found:
    """Nothing is ranked: the search has told how near the selection is."""
    found.passages = context.selection_of(found.candidates)
    kept = {passage.chunk_id for passage in found.passages}
    others = [one.chunk_id for one in found.candidates if one.chunk_id not in kept]
    found.dropped |= dict.fromkeys(others, NOT_SELECTED)
    return found


def arranged(
    found: Found, top_k: int, context: Context = NOTHING, language: str = ""
) -> list[Passage]:
    """What is shown of what was ranked. `language` is the question's, where it is clear."""
    ranked = weigh_by_trust(weigh_by_language(found.reranked, language))
    ranked = context.weigh(ranked)
    same = duplicates(ranked[: LOOKED_AT * top_k])
    found.dropped |= dict.fromkeys(same, DUPLICATE)
    return mixed([passage for passage in ranked if passage.chunk_id not in same], top_k)


def weigh_by_language(passages: Sequence[Passage], language: str) -> list[Passage]:
    """Reordered by score times a weight for passages in another language than this."""
    if not language:
        return list(passages)
    weighted = [
        passage
        if primary(passage.language or language) == language
        else replace(passage, score=passage.score * OTHER_LANGUAGE)
        for passage in passages
    ]
    return sorted(weighted, key=lambda passage: -passage.score)


def weigh_by_trust(passages: Sequence[Passage]) -> list[Passage]:
    """Reordered by score times the weight of each passage's trust tier."""
    weighted = [
        replace(passage, score=passage.score * TRUST_WEIGHTS.get(TrustTier(passage.trust_tier), 1))
        for passage in passages
    ]
    return sorted(weighted, key=lambda passage: -passage.score)


def _degrade(found: Found, reason: str) -> None:
    """Noted once, also when it happens to the query as it was typed and as it was meant."""
    if reason not in found.degraded:
        found.degraded.append(reason)


class _Clock:
    def __init__(self, timings: dict[str, float]) -> None:
        self.timings, self.last = timings, perf_counter()

    def lap(self, stage: str) -> None:
        now = perf_counter()
        spent = self.timings.get(stage, 0) + (now - self.last) * 1000
        self.timings[stage] = round(spent, 2)
        self.last = now
