"""Cohere Rerank within a deadline: an answer in the fused order beats a late one."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cohere
import httpx
from cohere.core.api_error import ApiError

from chat.reranking.base import RerankError
from documents.passages import Passage

logger = logging.getLogger(__name__)

MAX_DOCUMENTS = 100  # one billed search unit
DOCUMENT_TOKENS = 500  # a longer document is billed as several
QUERY_TOKENS = 2000  # v3.5 takes 2,048
# Seconds to leave the service alone after an answer that the next call would only repeat.
REST = {401: 300.0, 402: 300.0, 403: 300.0, 404: 300.0, 429: 60.0, 498: 300.0}
REST_UNTIL_NEXT_MONTH = 3600.0  # looked at again every hour: nobody tells when it is over


class CohereReranker:
    def __init__(self, client: cohere.AsyncClientV2, model: str, *, deadline: float):
        self.name = f"cohere/{model}"
        self.client, self.model, self.deadline = client, model, deadline
        self._resting_until = 0.0

    async def rerank(
        self, query: str, candidates: Sequence[Passage], *, top_k: int
    ) -> list[Passage]:
        """At most `top_k` of the first hundred candidates, by relevance to the query."""
        offered = candidates[:MAX_DOCUMENTS]
        wanted = min(top_k, len(offered))
        if wanted < 1:
            return []
        if time.monotonic() < self._resting_until:
            raise RerankError("Cohere is left alone for a while")
        try:
            async with asyncio.timeout(self.deadline):
                response = await self.client.rerank(
                    model=self.model,
                    query=_cut(query, QUERY_TOKENS),
                    documents=[_document(passage) for passage in offered],
                    top_n=wanted,
                    max_tokens_per_doc=DOCUMENT_TOKENS,
                    request_options={"max_retries": 0},
                )
        except TimeoutError:
            raise RerankError(f"Cohere did not rerank within {self.deadline:g} s") from None
        except ApiError as error:
            self._rest(error)
            raise RerankError(f"Cohere could not rerank ({error.status_code})") from None
        except httpx.HTTPError as error:
            raise RerankError(f"Cohere could not be reached ({type(error).__name__})") from None
        except (TypeError, ValueError, AttributeError):  # JSON that the SDK cannot make sense of
            raise RerankError("Cohere's answer is no rerank response") from None
        scores = _scores(response, offered=len(offered), wanted=wanted)
        best = sorted(scores.items(), key=lambda scored: -scored[1])
        return [replace(offered[index], score=score) for index, score in best]

    def _rest(self, error: ApiError) -> None:
        seconds = REST.get(error.status_code or 0, 0.0)
        if error.status_code == 429 and "month" in str(error.body).lower():
            seconds = REST_UNTIL_NEXT_MONTH
        if seconds:
            self._resting_until = time.monotonic() + seconds
            logger.warning(
                "%s answered %s: no calls for %d s", self.name, error.status_code, seconds
            )


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
