"""What an embedder is: texts in, vectors of one space out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]  # shape (dimension,)
    Matrix = npt.NDArray[np.float32]  # shape (texts, dimension)
else:
    # Importing numpy takes a fifth of a second, which no other command should pay.
    Vector = Matrix = Any

# Raise it when the text that is embedded for a chunk changes (cutting rules, headings in front).
CHUNKER_VERSION = 1


class EmbeddingError(Exception):
    """The embedder could not turn a text into a vector. The message can be shown to an operator.

    `retryable`: the same call may succeed in a minute; False: it needs a hand, or the next month.
    `retry_after`: seconds, when the provider said so.
    """

    def __init__(self, message: str, *, retryable: bool = True, retry_after: float | None = None):
        super().__init__(message)
        self.retryable, self.retry_after = retryable, retry_after


@dataclass(frozen=True)
class EmbeddingSpace:
    """Vectors may be compared only inside one space; it is stamped on whatever stores them."""

    provider: str
    model: str
    dimension: int  # 0: no dense vectors at all, BM25 alone
    chunker: int = CHUNKER_VERSION

    def __str__(self) -> str:
        return f"{self.vectors}/c{self.chunker}"

    @property
    def vectors(self) -> str:
        """What its vectors were made by: the scale of their cosines does not depend on chunks."""
        return f"{self.provider}/{self.model}/{self.dimension}"


NO_DENSE_VECTORS = EmbeddingSpace(provider="none", model="bm25", dimension=0)


class DocumentEmbedder(Protocol):
    """Synchronous, many texts at a time: ingestion's side."""

    space: EmbeddingSpace

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, float32, one row per text and in its order; raises EmbeddingError."""
        ...


class QueryEmbedder(Protocol):
    """Asynchronous, one text at a time: the question's side."""

    space: EmbeddingSpace

    @property
    def languages(self) -> frozenset[str] | None:
        """Codes of those whose texts it tells apart better than words alone do; None: all."""
        ...

    async def embed_query(self, text: str) -> Vector:
        """One unit vector, float32; raises EmbeddingError."""
        ...


class Embedder(DocumentEmbedder, QueryEmbedder, Protocol):
    """Both sides of one space."""
