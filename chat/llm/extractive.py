"""Answers without a model: the best sentences of the passages, quoted word for word and cited.

The keyless default. It phrases nothing, so it can invent nothing; it says that it quotes.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from chat.llm.base import (
    ChatModelError,
    Completion,
    MarkedPassage,
    ModelOutput,
    Prompt,
    TextPart,
)
from chat.llm.quotes import Quote, quotes
from chat.phrases import FROM, FROM_RETRACTED, phrase
from chat.sentences import plain, without_links
from chat.words import content_words
from documents.embedding.base import EmbeddingError
from documents.passages import Passage

logger = logging.getLogger(__name__)

MAX_QUOTES = 5
MAX_EMBEDDED = (
    8  # the best by words; more cost time and find hardly more (benchmarks/extractive.py)
)
NEARLY_AS_GOOD = 0.65  # of the best score: what else is worth quoting
FLOOR = 0.35
SAME = 0.7  # share of common words above which two quotes say the same
CODE_LINES = 12
RANK_BONUS = 0.08
CODE_BONUS = 0.1
ASKS_FOR_CODE = re.compile(
    r"(?i)\b(command|code (?:for|to|that)|code (?:sample|example)|snippet|syntax|"
    r"example|install|script|cli|terminal|shell|import|comando|código|ejemplo|befehl|beispiel|commande|exemple|команд\w*|код)\b|コマンド|コード|命令|代码"
)
# Would pass for a citation of ours; an escaped bracket still shows as one.
LIKE_A_MARKER = re.compile(r"(`[^`]*`)|\[(\d{1,3}|[a-z]\d[a-z])\](?!\()")


class ExtractiveModel:
    name = "extractive"
    writes_prose = False

    def __init__(self, embedder: Any = None):
        self.embedder = embedder  # embed_documents and embed_query; None: words alone decide

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelOutput, None]:
        chosen = await self._choose(prompt.question, prompt.passages)
        if not chosen:
            raise ChatModelError("There is no sentence to quote", code="unavailable")
        before = None
        for quote in chosen:
            lead = _lead(prompt.question, quote.passage)
            if lead != before:
                yield TextPart(lead if before is None else f"\n\n{lead}")
            before = lead
            yield TextPart(_rendered(quote, with_code=_shows_code(prompt.question, quote)))
        yield Completion(model=self.name, finish_reason="stop")

    async def _choose(self, question: str, passages: Sequence[MarkedPassage]) -> list[Quote]:
        """One to five quotes, in the order of the passages."""
        found = [
            quote for rank, marked in enumerate(passages) for quote in quotes(marked, rank=rank)
        ]
        asks_for_code = bool(ASKS_FOR_CODE.search(question))
        candidates = [quote for quote in found if quote.text or asks_for_code] or found
        candidates = [quote for quote in candidates if quote.text or _is_short(quote.code)]
        scores = _word_scores(question, candidates)
        for position, quote in enumerate(candidates):
            scores[position] += RANK_BONUS * (1 - quote.rank / len(passages))
            scores[position] += CODE_BONUS if asks_for_code and _is_short(quote.code) else 0.0
        order = sorted(range(len(candidates)), key=lambda at: -scores[at])
        if self.embedder is not None and len(order) > 1:
            order = order[:MAX_EMBEDDED]
            likeness = await self._likeness(question, [candidates[at].plain for at in order])
            for at, cosine in zip(order, likeness, strict=True):
                scores[at] = (scores[at] + cosine) / 2
            order.sort(key=lambda at: -scores[at])
        ranked = [(candidates[at], scores[at] * candidates[at].worth) for at in order]
        ranked.sort(key=lambda scored: -scored[1])
        return sorted(_distinct(ranked), key=lambda quote: (quote.rank, quote.start))

    async def _likeness(self, question: str, texts: list[str]) -> list[float]:
        try:
            asked = await self.embedder.embed_query(question)
            vectors = await asyncio.to_thread(self.embedder.embed_documents, texts)
        except EmbeddingError as error:
            logger.warning("Quotes are chosen by words alone: %s", error)
            return [0.0] * len(texts)
        return [float(cosine) for cosine in vectors @ asked]


def _word_scores(question: str, candidates: Sequence[Quote]) -> list[float]:
    """The share of the question's words that a quote holds, rare words weighing more."""
    asked = {
        language: content_words(question, language)
        for language in {quote.passage.language for quote in candidates}
    }
    count = len(candidates)
    every = set().union(*asked.values())
    weight = {
        word: 1.0 - sum(word in quote.words for quote in candidates) / (1.5 * count)
        for word in every
    }  # between 1/3 (in all of them) and 1 (in none)
    scores = []
    for quote in candidates:
        words = asked[quote.passage.language]
        total = sum(weight[word] for word in words) or 1.0
        said = sum(weight[word] for word in words & quote.words)
        around = sum(weight[word] for word in (words & quote.context) - quote.words)
        scores.append((said + around / 3) / total)
    return scores


def _distinct(ranked: Sequence[tuple[Quote, float]]) -> list[Quote]:
    """The best one whatever its score, and those nearly as good that say something else."""
    chosen: list[Quote] = []
    for quote, score in ranked:
        if chosen and (score < max(FLOOR, NEARLY_AS_GOOD * ranked[0][1])):
            break
        if not any(_same(quote, other) for other in chosen):
            chosen.append(quote)
        if len(chosen) == MAX_QUOTES:
            break
    return chosen


def _same(one: Quote, other: Quote) -> bool:
    if one.rank == other.rank and one.start < other.end and other.start < one.end:
        return True
    both = one.words & other.words
    return len(both) >= SAME * max(1, min(len(one.words), len(other.words)))


def _is_short(code: str) -> bool:
    return bool(code) and code.count("\n") - 1 <= CODE_LINES


def _shows_code(question: str, quote: Quote) -> bool:
    """A sentence that ends in a colon means nothing without the code that it announces."""
    wanted = quote.plain.endswith((":", "：")) or bool(ASKS_FOR_CODE.search(question))
    return _is_short(quote.code) and (wanted or not quote.text)


def _lead(question: str, passage: Passage) -> str:
    phrases = FROM_RETRACTED if passage.is_retracted else FROM
    return phrase(phrases, question, passage.language or "en").format(title=plain(passage.title))


def _rendered(quote: Quote, *, with_code: bool) -> str:
    marker = f"[{quote.marker}]"
    text = LIKE_A_MARKER.sub(lambda m: m[1] or rf"\[{m[2]}\]", without_links(quote.text))
    said = f"\n\n> “{text}” {marker}" if text else ""
    # Not inside the quote sign: code is there to be copied.
    return said + (f"\n\n{quote.code}\n\n{marker}" if with_code else "")
