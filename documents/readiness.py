"""What this process knows about being able to answer, without asking anything outside it."""

from documents.embedding.base import EmbeddingError
from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.providers import get_embedder, get_index


def problems() -> list[str]:
    """Empty when a question can be answered; else what is wrong, for an operator."""
    found: list[str] = []
    for build in (get_embedder, get_index):
        try:
            build()
        except (EmbeddingError, IndexUnavailable, SpaceMismatch) as error:
            found.append(str(error))
    return found
