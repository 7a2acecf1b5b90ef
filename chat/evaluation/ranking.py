"""Ranking measures by trec_eval, through ir-measures, which is installed for evaluation only."""

from collections.abc import Mapping, Sequence
from typing import Any

from chat.evaluation.measures import RANKED

HOW_TO_INSTALL = (
    "ir-measures is not installed: it is needed for evaluation only. Run: "
    "pip install -r requirements-eval.txt -c requirements.lock"
)


class MeasuresMissing(Exception):
    """The message says how to install them."""


def ranked(
    rankings: Mapping[str, Sequence[str]], judged: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, float]]:
    """Values by query, then by measure. `judged` has the grade of each right page by query."""
    library = measures_library()
    if not judged:
        return {}
    wanted = {_measure(library, name): name for name in RANKED}
    qrels = [
        library.Qrel(query, page, grade)
        for query, pages in judged.items()
        for page, grade in pages.items()
    ]
    run = [
        library.ScoredDoc(query, page, -float(rank))
        for query in judged
        for rank, page in enumerate(dict.fromkeys(rankings.get(query, ())))
    ]
    values: dict[str, dict[str, float]] = {query: dict.fromkeys(RANKED, 0.0) for query in judged}
    for metric in library.iter_calc(list(wanted), qrels, run):
        values[metric.query_id][wanted[metric.measure]] = float(metric.value)
    return values


def measures_library() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        raise MeasuresMissing(HOW_TO_INSTALL) from error
    return ir_measures


def _measure(library: Any, name: str) -> Any:
    kind, _, cutoff = name.partition("@")
    measure = {"ndcg": library.nDCG, "recall": library.R, "mrr": library.RR}[kind]
    return measure @ int(cutoff) if cutoff else measure
