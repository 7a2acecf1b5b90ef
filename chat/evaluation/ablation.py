"""The production path with one part taken out: what is it worth, and would we notice its loss?"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from chat import evidence
from chat.pipeline import AnswerPipeline
from chat.reranking.passthrough import KeepOrder
from documents.index.base import IndexHit, IndexQuery, IndexSearcher
from documents.index.sparse import SparseVector

PARTS = {
    "words": "search by vectors alone, without BM25",
    "vectors": "search by words alone",
    "reranker": "keep the fused order",
    "gate": "answer whatever the evidence",
}


class WithoutWords:
    """An index that is never told the words."""

    def __init__(self, index: IndexSearcher) -> None:
        self.index, self.space = index, index.space

    def open(self) -> None:
        self.index.open()

    async def search(self, query: IndexQuery, *, limit: int) -> list[IndexHit]:
        return await self.index.search(replace(query, sparse=SparseVector((), ())), limit=limit)


@contextmanager
def without(pipeline: AnswerPipeline, parts: list[str]) -> Iterator[AnswerPipeline]:
    """The pipeline as it is, less these parts."""
    retriever = pipeline.retriever
    with ExitStack() as stack:
        if "words" in parts:
            retriever = replace(retriever, index=WithoutWords(retriever.index))
        if "vectors" in parts:
            retriever = replace(retriever, embedder=None)
        if "reranker" in parts:
            retriever = replace(retriever, reranker=KeepOrder())
        if "gate" in parts:
            stack.enter_context(_open_gate())
        yield replace(pipeline, retriever=retriever)


@contextmanager
def _open_gate() -> Iterator[None]:
    weigh = evidence.weigh

    def let_through(*args: Any, **kwargs: Any) -> evidence.Evidence:
        judged = weigh(*args, **kwargs)
        return replace(judged, enough=bool(args[1]))

    evidence.weigh = let_through
    try:
        yield
    finally:
        evidence.weigh = weigh
