"""How an answer came about, kept with it: ids instead of texts, and only what was there.

    {"question": the question, if something else was searched for, "query": …,
     "respelled": {"serch": "search"}, "evidence": what the gate saw, "degraded": […],
     "rewrite": {"method": "model", …}, "context": {"page": …, "selection": …, "cited": …},
     "candidates": {"columns": ["id", "fused", …], "rows": [[…], …], "more": 12},
     "prompt": {"wording": "1f0e…", "messages": …, "characters": …, "passages": …, "history": …},
     "attempts": [{"model": …, "error": "timeout", "milliseconds": …}, …], …}

Rows stand in the fused order. `beside` is the rank of the small passage that a neighbour completes.
A column that would be empty is left out, and readers must not mind columns that they do not know.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chat.llm.base import Prompt
from documents.passages import Passage

if TYPE_CHECKING:
    from chat.evidence import Evidence
    from chat.retrieval import Found

KEPT_ROWS = 50  # with nine columns about five and a half kilobytes
NOT_LIVE, OVER_TOP_K, DUPLICATE = "not_live", "over_top_k", "duplicate"
NOT_SELECTED = "not_selected"  # the reader allowed the selected text alone
# Of a passage as it was fused, under the name of its column; some indexes do not tell all of them.
FUSED = {
    "fused": "score", "similarity": "similarity", "dense_rank": "dense_rank",
    "dense": "dense_score", "sparse_rank": "sparse_rank", "sparse": "sparse_score",
}  # fmt: skip


def trace_of(question: str, found: "Found", judged: "Evidence") -> dict[str, Any]:
    """What is known before the model is called."""
    trace: dict[str, Any] = {"query": found.query, "evidence": _evidence(judged)}
    if question != found.query:
        trace["question"] = question
    if found.respelled:
        trace["respelled"] = dict(found.respelled)
    if found.degraded:
        trace["degraded"] = list(found.degraded)
    return {**trace, "candidates": _table(_rows(found))}


def prompt_size(prompt: Prompt) -> dict[str, int]:
    return {
        "messages": len(prompt.messages),
        "characters": sum(len(message.content) for message in prompt.messages),
        "passages": len(prompt.passages),
        "history": len(prompt.messages) - 2,
    }


def candidates(trace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows as dictionaries, in the fused order; none of a trace that has no such table."""
    table = trace.get("candidates")
    if not isinstance(table, dict) or not {"columns", "rows"} <= table.keys():
        return []
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def _rows(found: "Found") -> list[dict[str, Any]]:
    reranked = {} if _kept_order(found) else _ranks(found.reranked)
    ordered = _ranks(found.ordered)
    final = _ranks(found.shown)
    joined = {one.chunk_id: final[small][0] for small, one in found.neighbours.items()}
    rows = [
        {
            "id": passage.chunk_id.hex,
            **{column: _short(getattr(passage, name, None)) for column, name in FUSED.items()},
            "page": ordered.get(passage.chunk_id, (None, None))[1],
            "rerank_rank": reranked.get(passage.chunk_id, (None, None))[0],
            "rerank": reranked.get(passage.chunk_id, (None, None))[1],
            "rank": final.get(passage.chunk_id, (None, None))[0],
            "score": final.get(passage.chunk_id, (None, None))[1],
            "context": found.boosted.get(passage.chunk_id),
            "beside": joined.get(passage.chunk_id),
            "dropped": found.dropped.get(
                passage.chunk_id, None if passage.chunk_id in final else OVER_TOP_K
            ),
        }
        for passage in found.candidates
    ]
    known = {passage.chunk_id for passage in found.candidates}
    rows += [
        {"id": pk.hex, "rank": final[pk][0], "score": final[pk][1], "beside": beside}
        for pk, beside in joined.items()
        if pk not in known
    ]
    gone = [pk for pk in found.dropped if pk not in known]
    return rows + [{"id": pk.hex, "dropped": found.dropped[pk]} for pk in gone]


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kept = [row for at, row in enumerate(rows) if at < KEPT_ROWS or row.get("rank")]
    columns = [name for name in (rows[0] if rows else {}) if any(r.get(name) for r in kept)]
    table = {
        "columns": columns,
        "rows": [[row.get(name) for name in columns] for row in kept],
    }
    return {**table, "more": len(rows) - len(kept)} if len(rows) > len(kept) else table


def _kept_order(found: "Found") -> bool:
    """Nothing reranked them."""
    before = found.ordered or found.candidates
    scores = {passage.chunk_id: passage.score for passage in before}
    return all(scores.get(passage.chunk_id) == passage.score for passage in found.reranked)


def _ranks(passages: Sequence[Passage]) -> dict[UUID, tuple[int, float]]:
    return {p.chunk_id: (rank, _short(p.score)) for rank, p in enumerate(passages, start=1)}


def _evidence(judged: "Evidence") -> dict[str, Any]:
    """The decision, the signals it was made from, and the words that were missed."""
    signals = vars(judged.signals) if judged.signals else {}
    told = {"enough": judged.enough, "chance": judged.chance, **signals}
    told = {name: value for name, value in told.items() if value is not None}
    return {**told, "missing": list(judged.missing)} if judged.missing else told


def _short(score: float | None) -> Any:
    return None if score is None else round(float(score), 4)
