"""What comes of every fault of every provider: the specification of a bad day.

`python -m tests.chat.fault_matrix` writes it into docs/faults.md; tests/chat/test_fault_matrix.py
makes each fault happen and holds what comes of it against these rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.chat.faults import (
    ANSWERED_BADLY,
    BEFORE_THE_FIRST_WORD,
    CLOSED,
    COHERE_STATUSES,
    DATABASE,
    DEATHS,
    EMBEDDINGS,
    LATE_DEATHS,
    MAY_PASS,
    NEXT_GROUP,
    ONE_EACH,
    QDRANT_SHAPES,
    QDRANT_STATUSES,
    RERANKS,
    STATUSES,
    Fault,
    both,
    dribbling,
    late,
    on_the_wire,
    replies,
    silent,
    unreachable,
)

ALONE, TWO_GROUPS, BEFORE_ANOTHER, OTHER_ALONE = "alone", "two groups", "before another", "another"
EMBEDDING, CONNECTING = "the limit of an embedding", "the limit of a connection"  # no settings
NO_VECTORS, NOT_RERANKED, NO_MODEL = "no_vectors", "not_reranked", "no_model"
THE_MODELS, QUOTED, BEGINNING, A_PHRASE, NOTHING = (
    "the model's answer", "quoted sentences", "what was said so far", "a set phrase", "nothing",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Faults with the same consequences. `reader`: an outcome, or the code of an error.

    `text` is what the reader is left with and what is stored, which is always the same. `waits`
    says which limits may pass, and how often, before the end.
    """

    fails: str
    faults: Mapping[str, Fault]
    reader: str
    text: str = THE_MODELS
    stored: str = "complete"
    degraded: tuple[str, ...] = ()
    restarts: int = 0
    models: str = ALONE
    quotes: bool = True  # EXTRACTIVE_FALLBACK
    waits: Mapping[str, int] = field(default_factory=dict)
    embed: int = 1
    search: int = 1
    rerank: int = 1
    openrouter: int = 1
    other: int = 0


EMBED = "Cohere, embedding the question"
RERANK = "Cohere, reranking"
SEARCH = "Qdrant, searching"
OPENROUTER = "OpenRouter, no other server behind it"
UNQUOTED = "OpenRouter, with EXTRACTIVE_FALLBACK off"
GROUPS = "OpenRouter, with more than three models"
FOLLOWED = "OpenRouter, another server behind it"
OTHER = "An OpenAI-compatible server alone"
THE_DATABASE = "The database"
SEVERAL = "Several at once"

UNREACHED = {"embed": 0, "search": 0, "rerank": 0, "openrouter": 0}
BY_WORDS = {"reader": "degraded", "degraded": (NO_VECTORS,)}
AS_FUSED = {"reader": "answered", "degraded": (NOT_RERANKED,)}
UNSEARCHED = {
    "reader": "search_unavailable", "text": NOTHING, "stored": "failed", "rerank": 0,
    "openrouter": 0,
}  # fmt: skip
BY_QUOTES = {"reader": "degraded", "text": QUOTED, "degraded": (NO_MODEL,)}
A_REFUSAL = {"reader": "refused", "text": A_PHRASE}
BY_THE_OTHER = {"reader": "answered", "models": BEFORE_ANOTHER, "other": 1}
NO_DATABASE = {"reader": "database_unavailable", "text": NOTHING}


def ended(code: str, text: str = NOTHING, restarts: int = 0, **calls: int) -> dict:
    return {"reader": code, "text": text, "stored": "failed", "restarts": restarts,
            "quotes": False, **calls}  # fmt: skip


ROWS = [
    # --- Retrieval ----------------------------------------------------------------------------
    Row(EMBED, on_the_wire("embed"), **BY_WORDS),
    Row(EMBED, replies("embed", COHERE_STATUSES), **BY_WORDS),
    Row(EMBED, replies("embed", EMBEDDINGS), **BY_WORDS),
    Row(EMBED, {**silent("embed"), **dribbling("embed"), **late("embed", 4.0)},
        waits={EMBEDDING: 1}, **BY_WORDS),
    Row(RERANK, on_the_wire("rerank"), **AS_FUSED),
    Row(RERANK, replies("rerank", COHERE_STATUSES), **AS_FUSED),
    Row(RERANK, replies("rerank", RERANKS), **AS_FUSED),
    Row(RERANK, {**silent("rerank"), **dribbling("rerank"), **late("rerank", 4.0)},
        waits={"RERANK_DEADLINE_MS": 1}, **AS_FUSED),
    # It may have been a kept connection that the server closed just then: once more.
    Row(SEARCH, replies("search", CLOSED), **{**UNSEARCHED, "search": 2}),
    Row(SEARCH, replies("search", CLOSED, times=1), "answered", search=2),
    Row(SEARCH, replies("search", ANSWERED_BADLY), **UNSEARCHED),
    Row(SEARCH, replies("search", QDRANT_STATUSES), **UNSEARCHED),
    Row(SEARCH, replies("search", QDRANT_SHAPES), **UNSEARCHED),
    Row(SEARCH, {**silent("search"), **dribbling("search"), **late("search", 4.0)},
        waits={"QDRANT_SEARCH_DEADLINE_MS": 1}, **UNSEARCHED),
    Row(SEARCH, unreachable("search", "refused"), **{**UNSEARCHED, "search": 0}),
    Row(SEARCH, unreachable("search", "stalled"), waits={"QDRANT_SEARCH_DEADLINE_MS": 1},
        **{**UNSEARCHED, "search": 0}),
    # --- Models: before the first word --------------------------------------------------------
    Row(OPENROUTER, replies("openrouter", STATUSES["refused"]), **A_REFUSAL),
    Row(OPENROUTER, replies("openrouter", ONE_EACH), **BY_QUOTES),
    Row(OPENROUTER, replies("openrouter", MAY_PASS), **BY_QUOTES, openrouter=3),
    Row(OPENROUTER, replies("openrouter", {**MAY_PASS, **BEFORE_THE_FIRST_WORD}, times=1),
        "answered", openrouter=2),
    Row(OPENROUTER, {**silent("openrouter"), **replies("openrouter", LATE_DEATHS["before"])},
        waits={"MODEL_FIRST_TOKEN_TIMEOUT": 1}, **BY_QUOTES),
    Row(OPENROUTER, unreachable("openrouter", "refused"), **BY_QUOTES, openrouter=0),
    Row(OPENROUTER, unreachable("openrouter", "stalled"), waits={"MODEL_CONNECT_TIMEOUT": 1},
        **BY_QUOTES, openrouter=0),
    # --- Models: after the first word ---------------------------------------------------------
    Row(OPENROUTER, replies("openrouter", DEATHS), restarts=3, openrouter=3, **BY_QUOTES),
    Row(OPENROUTER, replies("openrouter", DEATHS, times=1), "answered", restarts=1, openrouter=2),
    Row(OPENROUTER, replies("openrouter", LATE_DEATHS["after"]), restarts=1,
        waits={"MODEL_STALL_TIMEOUT": 1}, **BY_QUOTES),
    Row(OPENROUTER, replies("openrouter", LATE_DEATHS["endless"]), restarts=1,
        waits={"MODEL_TOTAL_TIMEOUT": 1}, **BY_QUOTES),
    Row(OPENROUTER, replies("openrouter", STATUSES["refused late"]), restarts=1, **A_REFUSAL),
    Row(OPENROUTER, replies("openrouter", STATUSES["length"]), "partial"),
    # --- Without quotations: what it was that failed -------------------------------------------
    Row(UNQUOTED, replies("openrouter", STATUSES["rejected"]), **ended("model_rejected")),
    Row(UNQUOTED, replies("openrouter", STATUSES["overlong"]), **ended("model_overlong")),
    Row(UNQUOTED, replies("openrouter", STATUSES["rate_limited"]), **ended("model_rate_limited")),
    Row(UNQUOTED, replies("openrouter", STATUSES["timeout"]), **ended("model_timeout")),
    Row(UNQUOTED, silent("openrouter"), waits={"MODEL_FIRST_TOKEN_TIMEOUT": 1},
        **ended("model_timeout")),
    Row(UNQUOTED, {**on_the_wire("openrouter"), **replies("openrouter", STATUSES["unavailable"])},
        **ended("model_unavailable", openrouter=3)),
    Row(UNQUOTED, replies("openrouter", BEFORE_THE_FIRST_WORD),
        **ended("model_incomplete", openrouter=3)),
    Row(UNQUOTED, replies("openrouter", DEATHS, leave_out="an error event"),
        **ended("model_incomplete", BEGINNING, restarts=2, openrouter=3)),
    Row(UNQUOTED, replies("openrouter", DEATHS, only="an error event"),
        **ended("model_unavailable", BEGINNING, restarts=2, openrouter=3)),
    Row(UNQUOTED, replies("openrouter", LATE_DEATHS["after"]),
        waits={"MODEL_STALL_TIMEOUT": 1}, **ended("model_timeout", BEGINNING)),
    # --- More models of OpenRouter than go into one call ---------------------------------------
    Row(GROUPS, replies("openrouter", STATUSES["rejected"]), models=TWO_GROUPS, **BY_QUOTES),
    Row(GROUPS, replies("openrouter", NEXT_GROUP, times=1), "answered", models=TWO_GROUPS,
        openrouter=2),
    Row(GROUPS, replies("openrouter", NEXT_GROUP), models=TWO_GROUPS, openrouter=2, **BY_QUOTES),
    # --- Another server behind ----------------------------------------------------------------
    Row(FOLLOWED, replies("openrouter", {**ONE_EACH, **MAY_PASS}), **BY_THE_OTHER),
    Row(FOLLOWED, silent("openrouter"), waits={"MODEL_FIRST_TOKEN_TIMEOUT": 1}, **BY_THE_OTHER),
    Row(FOLLOWED, unreachable("openrouter", "refused"), **BY_THE_OTHER, openrouter=0),
    Row(FOLLOWED, unreachable("openrouter", "stalled"), waits={"MODEL_CONNECT_TIMEOUT": 1},
        **BY_THE_OTHER, openrouter=0),
    Row(FOLLOWED, replies("openrouter", DEATHS), restarts=1, **BY_THE_OTHER),
    Row(FOLLOWED, replies("openrouter", LATE_DEATHS["after"], only="silence in mid-sentence"),
        restarts=1, waits={"MODEL_STALL_TIMEOUT": 1}, **BY_THE_OTHER),
    Row(FOLLOWED, replies("openrouter", STATUSES["refused"], only="403, moderated"),
        models=BEFORE_ANOTHER, **A_REFUSAL),
    # --- Another server alone: the rules are the same -----------------------------------------
    Row(OTHER, replies("other", ONE_EACH), models=OTHER_ALONE, openrouter=0, other=1, **BY_QUOTES),
    Row(OTHER, on_the_wire("other"), models=OTHER_ALONE, openrouter=0, other=3, **BY_QUOTES),
    Row(OTHER, unreachable("other", "refused"), models=OTHER_ALONE, openrouter=0, **BY_QUOTES),
    Row(OTHER, replies("other", DEATHS, times=1), "answered", models=OTHER_ALONE, openrouter=0,
        other=2, restarts=1),
    # --- The database -------------------------------------------------------------------------
    Row(THE_DATABASE, DATABASE["at first"], **NO_DATABASE, **UNREACHED, stored="nothing"),
    Row(THE_DATABASE, DATABASE["reading"], **NO_DATABASE, stored="failed", rerank=0, openrouter=0),
    Row(THE_DATABASE, DATABASE["at last"], "database_unavailable", stored="streaming"),
    Row(THE_DATABASE, DATABASE["at last, once"], "answered"),
    # --- Several at once ----------------------------------------------------------------------
    Row(SEVERAL, unreachable("cohere", "refused"), "degraded", embed=0, rerank=0,
        degraded=(NO_VECTORS, NOT_RERANKED)),
    Row(SEVERAL, unreachable("cohere", "stalled"), "degraded", embed=0, rerank=0,
        degraded=(NO_VECTORS, NOT_RERANKED), waits={CONNECTING: 1, "RERANK_DEADLINE_MS": 1}),
    Row(SEVERAL, both("Cohere and OpenRouter refuse connections", "cohere", "openrouter"),
        "degraded", QUOTED, degraded=(NO_VECTORS, NOT_RERANKED, NO_MODEL), embed=0, rerank=0,
        openrouter=0),
    Row(SEVERAL, both("Cohere, Qdrant and OpenRouter refuse connections", "cohere", "search",
                      "openrouter"), **{**UNSEARCHED, "embed": 0, "search": 0}),
]  # fmt: skip
CASES = [(row, name) for row in ROWS for name in row.faults]


# --- As a page ------------------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
HEAD = """# What comes of every fault

<!-- Written by `python -m tests.chat.fault_matrix`; not by hand. -->

Each fault below is made to happen over sockets, on stand-ins of the providers, by
`tests/chat/test_fault_matrix.py`; what comes of it must be what stands here. Where nothing else is
said, every call to the provider fails in the same way.

In every case there is exactly one terminal event, `done` or `error`, and it is the last; and what
is stored is what was shown since the last `restart`. (A message that cannot be saved at all stays
`streaming`, without its text, until the next start ends it.) What the words mean is said in
[events](handbook/integrate/events.md), what to do about it in
[when a provider fails](handbook/operate/failures.md). A stand-in proves nothing about a provider's
real limits, its TLS, or its pace.
"""
CALLS = ("embed", "search", "rerank", "openrouter", "other")
OUTCOMES = ("answered", "partial", "refused", "degraded")


def page() -> str:
    """One table for each part that fails."""
    parts = [HEAD]
    for part, rows in groupby(ROWS, key=lambda row: row.fails):
        parts.append(
            f"## {part}\n\n"
            "| fault | reader sees | text shown and stored | status | calls | limits that pass |\n"
            "|---|---|---|---|---|---|\n" + "".join(map(line, rows))
        )
    return "\n".join(parts)


def line(row: Row) -> str:
    reader = f"`{row.reader}`" if row.reader in OUTCOMES else f"error `{row.reader}`"
    if row.degraded:
        reader += " (" + ", ".join(f"`{reason}`" for reason in row.degraded) + ")"
    if row.restarts:
        reader += f", after {row.restarts} `restart`" + "s" * (row.restarts > 1)
    calls = [f"{count} {name}" for name in CALLS if (count := getattr(row, name))]
    waits = [f"`{name}`" if name.isupper() else name for name in row.waits]
    stored = row.stored if row.stored == "nothing" else f"`{row.stored}`"
    cells = ("; ".join(row.faults), reader, row.text, stored, ", ".join(calls) or "none",
             ", ".join(waits) or "none")  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
