"""Cohere Rerank within a deadline: an answer in the fused order beats a late one."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cohere
import httpx
from cohere.core.api_error import ApiError

from chat.reranking.base import RerankError
from documents.passages import Passage
from documents.upstream.attempts import attempt
from documents.upstream.breaker import Breaker, CircuitOpen
from documents.upstream.cohere import OURS, billed, is_monthly, rest_after
from documents.upstream.metering import BudgetExhausted, Meter, Unmetered

MAX_DOCUMENTS = 100  # one billed search unit
DOCUMENT_TOKENS = 500  # a longer document is billed as several
QUERY_TOKENS = 2000  # v3.5 takes 2,048


class CohereReranker:
    def __init__(
        self,
        client: cohere.AsyncClientV2,
        model: str,
        *,
        deadline: float,
        breaker: Breaker | None = None,
        meter: Meter | None = None,
    ):
        self.name = f"cohere/{model}"
        self.client, self.model, self.deadline = client, model, deadline
        self.breaker = breaker or Breaker.alone("cohere/rerank")
        self.meter = meter or Unmetered()

    async def rerank(
        self, query: str, candidates: Sequence[Passage], *, top_k: int
    ) -> list[Passage]:
        """At most `top_k` of the first hundred candidates, by relevance to the query."""
        offered = candidates[:MAX_DOCUMENTS]
        wanted = min(top_k, len(offered))
        if wanted < 1:
            return []
        deadline = asyncio.get_running_loop().time() + self.deadline
        try:
            async with asyncio.timeout_at(deadline):
                await self._admitted()
        except TimeoutError:
            raise self._late() from None
        scores = await self._ask(query, offered, wanted, deadline)
        best = sorted(scores.items(), key=lambda scored: -scored[1])
        return [replace(offered[index], score=score) for index, score in best]

    async def _admitted(self) -> None:
        """The circuit is asked first: what it refuses takes nothing of a budget."""
        try:
            self.breaker.check()
        except CircuitOpen:
            raise RerankError("Cohere is left alone for a while") from None
        try:
            await self.meter.admit_soon("rerank", model=self.model)
        except BudgetExhausted as refused:
            self.breaker.gave_up()
            raise RerankError(str(refused)) from None
        except BaseException:
            self.breaker.gave_up()
            raise

    async def _ask(
        self, query: str, offered: Sequence[Passage], wanted: int, deadline: float
    ) -> dict[int, float]:
        """Score by index among those offered."""
        with attempt(self.breaker, self.meter, "rerank", self.model) as made:
            try:
                async with asyncio.timeout_at(deadline):
                    response = await self.client.rerank(
                        model=self.model,
                        query=_cut(query, QUERY_TOKENS),
                        documents=[_document(passage) for passage in offered],
                        top_n=wanted,
                        max_tokens_per_doc=DOCUMENT_TOKENS,
                        request_options={"max_retries": 0},
                    )
            except TimeoutError:
                raise self._late() from None
            except ApiError as error:
                made.rest, made.ours = rest_after(error), error.status_code in OURS
                if is_monthly(error):
                    self.meter.used_up("rerank", model=self.model)
                raise RerankError(f"Cohere could not rerank ({error.status_code})") from None
            except httpx.HTTPError as error:
                raise RerankError(f"Cohere could not be reached ({type(error).__name__})") from None
            except (TypeError, ValueError, AttributeError):  # JSON the SDK cannot make sense of
                raise RerankError("Cohere's answer is no rerank response") from None
            made.spent = billed(response)
            return _scores(response, offered=len(offered), wanted=wanted)

    def _late(self) -> RerankError:
        return RerankError(f"Cohere did not rerank within {self.deadline:g} s")


def _scores(response: Any, *, offered: int, wanted: int) -> dict[int, float]:
    """Score by index. The SDK does not look into a 200, so everything is checked here."""
    results = getattr(response, "results", None)
    if not isinstance(results, list) or len(results) != wanted:
        raise RerankError("Cohere returned another number of results than asked for")
    scores: dict[int, float] = {}
    for result in results:
        index, score = getattr(result, "index", None), getattr(result, "relevance_score", None)
        if type(index) is not int or not 0 <= index < offered or index in scores:
            raise RerankError("Cohere returned an index that was not offered, or one twice")
        if not isinstance(score, int | float) or not 0 <= score <= 1:  # NaN fails as well
            raise RerankError("Cohere returned a score outside of 0 to 1")
        scores[index] = float(score)
    return scores


def _document(passage: Passage) -> str:
    return _cut(f"{passage.breadcrumb}\n{passage.text}", DOCUMENT_TOKENS)


def _cut(text: str, tokens: int) -> str:
    """About that many tokens: four letters of ASCII make one, any other character counts whole."""
    budget = tokens * 4
    if len(text) * 4 <= budget:
        return text
    for position, character in enumerate(text):
        budget -= 1 if character.isascii() else 4
        if budget < 0:
            return text[:position]
    return text
