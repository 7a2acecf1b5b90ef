"""What is measured of one question, from what was seen while it was asked. Without Django.

Each function returns a number, or None where the question has nothing to say: an unanswerable
question has no right page, an answer without citations has no precision.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from chat.evaluation.cases import Case, Section, plain, same_page

ABSTAINED = "not_in_content"
SUPPORTED, UNSUPPORTED = "supported", "unsupported"
WORD = re.compile(r"\w+")
MARKER = re.compile(r"\[\d{1,3}\]")


@dataclass(frozen=True)
class Place:
    """Where a passage stands: the key of its page, title and headings outermost first, address."""

    page: str
    headings: tuple[str, ...]
    url: str = ""

    def is_on(self, section: Section) -> bool:
        return same_page(self.page, section.page)

    def is_in(self, section: Section) -> bool:
        """In the section or in a part of it."""
        return self.is_on(section) and plain(section.heading) in map(plain, self.headings)

    def begins(self, section: Section) -> bool:
        """In the section itself, so that its address must be the section's."""
        return self.is_on(section) and plain(section.heading) == plain(self.headings[-1])


@dataclass(frozen=True)
class Statement:
    """A sentence of the answer: the ledger's verdict, and the citation that bears it out."""

    verdict: str
    citation: int | None = None


@dataclass(frozen=True)
class Asked:
    """What became of one question."""

    case: Case
    outcome: str = ""
    text: str = ""
    error: str = ""  # code of the error event, if it ended in one
    passages: Sequence[Place] = ()  # shown to the model, best first
    passage_text: str = ""
    ranking: Sequence[Place] = ()  # the same, then the other candidates as they were fused
    cited: Mapping[int, Place] = field(default_factory=dict)
    statements: Sequence[Statement] = ()
    copied_words: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)  # milliseconds by stage
    trace: Mapping[str, Any] = field(default_factory=dict)
    anchors: Mapping[Section, str] = field(default_factory=dict)  # that the sections should have

    @property
    def abstained(self) -> bool:
        return self.outcome == ABSTAINED


# Retrieval: of questions that have an answer, whatever became of it


def page_at(k: int) -> Callable[[Asked], float | None]:
    def measure(asked: Asked) -> float | None:
        if not asked.case.answerable:
            return None
        return float(any(place.is_on(asked.case.sections[0]) for place in asked.passages[:k]))

    return measure


def section_at(k: int) -> Callable[[Asked], float | None]:
    def measure(asked: Asked) -> float | None:
        if not asked.case.answerable or not asked.case.answer_heading:
            return None
        return float(any(place.is_in(asked.case.sections[0]) for place in asked.passages[:k]))

    return measure


def exact_anchor(asked: Asked) -> float | None:
    """Of the citations of a right section, the share whose address is exactly the section's."""
    right = [
        _is_address(place.url, asked.case.answer_route, asked.anchors[section])
        for place in asked.cited.values()
        for section in asked.case.sections
        if section in asked.anchors and place.begins(section)
    ]
    return sum(right) / len(right) if right else None


def _is_address(url: str, route: str, anchor: str) -> bool:
    address = urlsplit(url)
    same_route = not route or address.path.rstrip("/").endswith(route.rstrip("/"))
    return same_route and address.fragment == anchor


# The answer


def key_facts(asked: Asked) -> float | None:
    return _held(asked.case, asked.text.replace("\\", ""))


def facts_in_passages(asked: Asked) -> float | None:
    """The most that an answer from these passages could hold."""
    return _held(asked.case, asked.passage_text)


def _held(case: Case, text: str) -> float | None:
    if not case.facts:
        return None
    text = " ".join(text.lower().split())
    return sum(" ".join(fact.lower().split()) in text for fact in case.facts) / len(case.facts)


def right_abstention(asked: Asked) -> float | None:
    return None if asked.case.answerable else float(asked.abstained)


def wrong_abstention(asked: Asked) -> float | None:
    return float(asked.abstained) if asked.case.answerable else None


def citation_precision(asked: Asked) -> float | None:
    """Of the citations, the share that the ledger found to bear out a sentence."""
    bearing = {said.citation for said in asked.statements if said.verdict == SUPPORTED}
    if not asked.cited:
        return None
    return sum(number in bearing for number in asked.cited) / len(asked.cited)


def citation_recall(asked: Asked) -> float | None:
    """Of the sentences that claim something, the share that a citation bears out."""
    verdicts = [said.verdict for said in asked.statements]
    claims = verdicts.count(SUPPORTED) + verdicts.count(UNSUPPORTED)
    return verdicts.count(SUPPORTED) / claims if claims else None


def copy_rate(asked: Asked) -> float | None:
    """Of the answer's words, the share in runs copied without quotation marks."""
    if asked.abstained or not asked.statements:
        return None
    words = len(WORD.findall(MARKER.sub("", asked.text)))
    return min(1.0, asked.copied_words / words) if words else None


def failed(asked: Asked) -> float:
    return float(bool(asked.error))


@dataclass(frozen=True)
class Measure:
    name: str
    about: str
    of: Callable[[Asked], float | None] | None = None  # None: ranking.py computes it
    lower_is_better: bool = False
    unit: str = ""  # "ms", or a share


RANKED = {
    "ndcg@10": "how high the right pages rank among the first ten",
    "recall@5": "share of the right pages among the first five",
    "recall@10": "share of the right pages among the first ten",
    "recall@50": "share of the right pages among all that were fetched",
    "mrr": "one divided by the rank of the first right page",
}
ANSWERS = [
    Measure("page@1", "the page that answers stands first", page_at(1)),
    Measure("page@5", "it is among the first five passages", page_at(5)),
    Measure("section@5", "so is its section, or a part of it", section_at(5)),
    Measure("anchor", "of right citations, those with exactly the section's address", exact_anchor),
    Measure("key_facts", "share of the key facts in the answer", key_facts),
    Measure(
        "facts_in_passages", "share of the key facts in the passages shown", facts_in_passages
    ),
    Measure("right_abstentions", "unanswerable questions that were not answered", right_abstention),
    Measure(
        "wrong_abstentions", "answerable questions that were not answered", wrong_abstention,
        lower_is_better=True,
    ),
    Measure("citation_precision", "citations that bear out a sentence", citation_precision),
    Measure("citation_recall", "claims that a citation bears out", citation_recall),
    Measure("copy_rate", "words copied without quotation marks", copy_rate, lower_is_better=True),
    Measure("errors", "questions that ended in an error", failed, lower_is_better=True),
]  # fmt: skip
STAGES = ("embed", "search", "rerank", "first_event", "total")
MEASURES = {
    measure.name: measure
    for measure in [
        *ANSWERS[:4],
        *(Measure(name, about) for name, about in RANKED.items()),
        *ANSWERS[4:],
        *(
            Measure(f"{stage}_{at}", f"{stage}, {at}", lower_is_better=True, unit="ms")
            for stage in STAGES
            for at in ("p50", "p95")
        ),
    ]
}


def values_of(asked: Asked) -> dict[str, float | None]:
    """Every measure of one question that needs no ranking."""
    return {measure.name: measure.of(asked) for measure in ANSWERS if measure.of is not None}
