"""What pages and places are worth in the order of passages: the two constants of chat/ordering.py.

    python benchmarks/ordering.py                       # all question sets that are here
    python benchmarks/ordering.py --only handbook --keep FOLDER

Each question is searched for once, on the production path; then its candidates are ordered with
every pair of constants. FUSION=rrf, FETCH_K and the other settings of the environment count.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from environment import set_up
from quality import SETS, Set

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5)
COSTS = (0.0, 0.03, 0.05, 0.1, 0.2)
MEASURES = ("page@1", "page@5", "section@5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    known = [one.name for one in SETS if one.path.endswith(".jsonl")]
    parser.add_argument("--only", nargs="+", choices=known, metavar="SET", default=known)
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir()) / "ragsite-quality"
    )
    options = parser.parse_args()
    with set_up():
        from chat.evaluation.report import table

        for one in SETS:
            if one.name in options.only and one.place.exists():
                print(f"\n{one.name}\n")
                rows = sweep(*searched(one, options.keep / "vectors"))
                print(table(["share", "cost", *MEASURES], rows), flush=True)


def searched(one: Set, keep: Path) -> tuple[list, dict]:
    """Each answerable case with what was found, and where all of the candidates stand."""
    from chat.evaluation.installation import throw_away_installation
    from chat.evaluation.running import places_of
    from chat.evaluation.subjects import ingested, subject
    from chat.llm.base import PromptMessage
    from chat.retrieval import Retriever
    from chat.rewriting import condense
    from documents.scope import Scope

    async def search_all(corpus, cases) -> list:
        retriever, scope = Retriever.from_settings(), Scope(frozenset([corpus.pk]))
        found = []
        for case in cases:
            query = condense(case.question, [PromptMessage(*said) for said in case.history])
            found.append((case, await retriever.search(query, scope, language=corpus.language)))
        return found

    chosen = {"corpus": None, "folder": None, "queries": None, "language": None, **one.arguments}
    with throw_away_installation(keep):
        asked = subject(str(one.place), **chosen)
        corpus, _failed = ingested(asked)
        found = asyncio.run(search_all(corpus, [c for c in asked.cases if c.answerable]))
        ids = [str(p.chunk_id) for _case, result in found for p in result.candidates]
        return found, places_of(ids)


def sweep(found: list, places: dict) -> list[list[str]]:
    from chat import ordering
    from chat.evaluation.measures import Asked, values_of
    from chat.retrieval import arranged

    rows = []
    for share in SHARES:
        for cost in COSTS:
            ordering.PAGE_SHARE, ordering.PLACE_COST = share, cost
            values = []
            for case, result in found:
                result.reranked = ordering.weigh_by_page(result.candidates)
                shown = [places[passage.chunk_id] for passage in arranged(result, 6)]
                values.append(values_of(Asked(case, passages=shown)))
            rows.append([f"{share:g}", f"{cost:g}", *(mean(values, name) for name in MEASURES)])
    return rows


def mean(values: list[dict], name: str) -> str:
    known = [value[name] for value in values if value[name] is not None]
    return f"{sum(known) / len(known):.3f}"


if __name__ == "__main__":
    main()
