"""What a reranker is: candidates in, the best of them out, in a better order."""

from collections.abc import Sequence
from typing import Protocol

from documents.passages import Passage


class RerankError(Exception):
    """The reranker did not answer, not in time, or nonsense. The fused order stands then."""


class Reranker(Protocol):
    name: str

    async def rerank(
        self, query: str, candidates: Sequence[Passage], *, top_k: int
    ) -> list[Passage]:
        """At most `top_k` of the candidates, best first, `score` set; raises RerankError."""
        ...
