"""Answers of Cohere's stand-in that are 200 and wrong: the SDK looks into none of them."""

from collections.abc import Callable
from typing import Any

from tests.standins.base import Recorded, Reply, json_reply
from tests.standins.cohere import EMBED, embed_reply, rerank_reply

Change = Callable[[dict[str, Any]], Any]


def corrupt(change: Change) -> Callable[[Recorded], Reply]:
    """A scenario: the right answer, then `change` is made to its body (or replaces it)."""

    def scenario(request: Recorded) -> Reply:
        reply = embed_reply(request.json) if request.path == EMBED else rerank_reply(request.json)
        assert reply.status == 200, "corrupt() needs a valid request"
        (raw,) = reply.chunks
        assert isinstance(raw, bytes)
        body = Recorded("", "", {}, raw, 0.0).json
        changed = change(body)
        return json_reply(body if changed is None else changed)

    return scenario


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        target: Any = body
        for key in parents:
            target = target[int(key) if key.isdigit() else key]
        target[int(last) if last.isdigit() else last] = value

    return change


CORRUPT_EMBEDDINGS: dict[str, Change] = {
    "no embeddings": lambda body: body.pop("embeddings") and None,
    "null embeddings": _set("embeddings", None),
    "empty embeddings": _set("embeddings", {}),
    "one vector too few": lambda body: body["embeddings"]["float"].pop() and None,
    "wrong dimension": lambda body: body["embeddings"]["float"][0].pop() and None,
    "null inside": _set("embeddings.float.0.0", None),
    "NaN inside": _set("embeddings.float.0.0", float("nan")),
    "infinity inside": _set("embeddings.float.0.0", float("inf")),
    "an empty object": lambda body: {},
    "a list": lambda body: [],
}
CORRUPT_RERANKS: dict[str, Change] = {
    "no results": lambda body: body.pop("results") and None,
    "null results": _set("results", None),
    "too few results": lambda body: body["results"].pop() and None,
    "index out of range": _set("results.0.index", 999),
    "negative index": _set("results.0.index", -1),
    "null index": _set("results.0.index", None),
    "duplicate index": lambda body: body["results"].__setitem__(0, dict(body["results"][-1])),
    "NaN score": _set("results.0.relevance_score", float("nan")),
    "null score": _set("results.0.relevance_score", None),
    "score above one": _set("results.0.relevance_score", 17.5),
    "negative score": _set("results.0.relevance_score", -0.5),
    "an empty object": lambda body: {},
    "a list": lambda body: [],
}


def shuffled_results(body: dict[str, Any]) -> None:
    """Valid, but not in order: a client must sort by score itself."""
    body["results"].reverse()
