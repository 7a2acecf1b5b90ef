"""No reranking: the fused order stands."""

from collections.abc import Sequence

from documents.passages import Passage


class KeepOrder:
    name = "none"

    async def rerank(
        self, query: str, candidates: Sequence[Passage], *, top_k: int
    ) -> list[Passage]:
        return list(candidates[:top_k])
