"""How well one to three sentences of a passage bear out a claim: words and meaning, one score.

The share of the claim's words that the span holds, rare words weighing more, and the cosine of
their vectors where a local embedder is there. The weights and the threshold were fitted by
`python benchmarks/claims.py --fit` on WiCE (Kamoi et al., 2023), cross-validated there.
"""

from collections.abc import Sequence
from typing import Protocol

from documents.embedding.base import Matrix

COSINE = 0.5  # weight of the cosine; the share of words has the rest
ENOUGH = 0.41
ENOUGH_WORDS = 0.42  # where no vectors are at hand


class Vectors(Protocol):
    """What of an embedder is needed: unit vectors, one row per text."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix: ...


def score(word_share: float, cosine: float | None) -> float:
    if cosine is None:
        return word_share
    return (1 - COSINE) * word_share + COSINE * max(0.0, cosine)


def enough(word_share: float, cosine: float | None) -> bool:
    needed = ENOUGH_WORDS if cosine is None else ENOUGH
    return score(word_share, cosine) >= needed


def undecided(word_share: float) -> bool:
    """Whether a vector could still make a difference."""
    lowest, highest = (1 - COSINE) * word_share, (1 - COSINE) * word_share + COSINE
    return lowest < ENOUGH <= highest
