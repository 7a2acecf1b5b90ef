"""Whether this process can answer: found out at its start, and again while something is wrong."""

from documents.embedding.base import EmbeddingError
from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.providers import get_index, get_local_embedder

_problems: dict[str, str] = {}


def warm_up() -> None:
    """Load the model, open the index: before the first reader waits for them."""
    for part, load in (("embedder", _load_embedder), ("index", _open_index)):
        try:
            load()
        except (EmbeddingError, IndexUnavailable, SpaceMismatch) as error:
            _problems[part] = str(error)
        else:
            _problems.pop(part, None)


def problems() -> list[str]:
    """Empty when a question can be answered; else what is wrong, for an operator.

    As long as all is well nothing is asked: a prober must not keep a sleeping database awake.
    """
    if _problems:
        warm_up()
    return list(_problems.values())


def _load_embedder() -> None:
    # Only the bundled one: Cohere counts every call.
    local = get_local_embedder()
    if local is not None:
        local.embed_documents(["ready"])


def _open_index() -> None:
    get_index().open()
