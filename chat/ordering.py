"""From relevance to the passages that are shown: pages with more to say first, places mixed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from documents.passages import Passage

# Chosen with the sets of benchmarks/quality.py; see docs/decisions/0013.
PAGE_SHARE, PAGE_PASSAGES = 0.2, 3
PLACE_COST = 0.05  # of the distance between the best and the last candidate


def weigh_by_page(passages: Sequence[Passage]) -> list[Passage]:
    """Reordered by score plus a share of what the page's best passages score.

    A page on the subject has several passages that nearly answer, an accidental hit stands alone
    (document scores interpolated into those of passages: Callan 1994, Bendersky & Kurland 2008).
    """
    scores: dict[int, list[float]] = defaultdict(list)
    for passage in passages:
        scores[passage.document_id].append(passage.score)
    best = {page: sorted(some, reverse=True)[:PAGE_PASSAGES] for page, some in scores.items()}
    weighed = [
        replace(
            passage,
            score=passage.score + PAGE_SHARE * sum(best[passage.document_id]) / PAGE_PASSAGES,
        )
        for passage in passages
    ]
    return sorted(weighed, key=lambda passage: -passage.score)


def mixed(passages: Sequence[Passage], top_k: int) -> list[Passage]:
    """The best, best first, each a little less worth if its page, or even its section, is there.

    Maximal marginal relevance (Carbonell & Goldstein 1998) with places in the document for the
    likeness, which needs no vectors. `score` becomes what a passage was worth when it was taken.
    """
    if not passages:
        return []
    scores = [passage.score for passage in passages]
    cost = PLACE_COST * (max(scores) - min(scores))
    waiting, taken, places = list(passages), list[Passage](), set[object]()

    def worth(passage: Passage) -> float:
        return passage.score - cost * sum(place in places for place in places_of(passage))

    while waiting and len(taken) < top_k:
        best = max(waiting, key=worth)  # of equals the first
        taken.append(replace(best, score=worth(best)))
        places.update(places_of(best))
        waiting.remove(best)
    return taken


def places_of(passage: Passage) -> tuple[object, object]:
    """Its page and its section."""
    return passage.document_id, (passage.document_id, passage.heading_path)
