"""What an evaluation found: rows by question, and what they come to. Reads and writes its JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chat.evaluation.beir import Searched
from chat.evaluation.cases import BadCases, same_page
from chat.evaluation.comparison import (
    SEED,
    Difference,
    Mean,
    mean_of,
    paired_bootstrap,
    percentile,
)
from chat.evaluation.measures import MEASURES, STAGES, Asked, values_of
from chat.evaluation.ranking import ranked

VERSION = 1


@dataclass(frozen=True)
class Row:
    """One question; a value is None where the measure has nothing to say."""

    id: str
    type: str
    question: str
    values: Mapping[str, float | None]
    timings: Mapping[str, float]  # milliseconds by stage
    outcome: str = ""
    error: str = ""
    answer: str = ""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    expected: str = ""
    found: Sequence[str] = ()  # pages of the first passages, best first


@dataclass(frozen=True)
class SetResult:
    name: str
    kind: str  # "questions" or "beir"
    corpus: str
    seconds: float
    rows: Sequence[Row]
    seed: int = SEED
    _means: dict[str | None, dict[str, Mean]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def values(self, measure: str, kind: str | None = None) -> dict[str, float | None]:
        """By question; of one type of question, or of all."""
        return {row.id: row.values.get(measure) for row in self.rows if kind in (None, row.type)}

    @property
    def types(self) -> list[str]:
        return list(dict.fromkeys(row.type for row in self.rows))

    def means(self, kind: str | None = None) -> dict[str, Mean]:
        """Of every measure that has values."""
        if kind not in self._means:
            values = {name: known(self.values(name, kind)) for name in MEASURES}
            self._means[kind] = {
                name: mean_of(numbers, self.seed) for name, numbers in values.items() if numbers
            }
        return self._means[kind]

    def latency(self) -> dict[str, dict[str, float]]:
        """p50 and p95 in milliseconds, by stage."""
        found = {}
        for stage in STAGES:
            values = [row.timings[stage] for row in self.rows if stage in row.timings]
            if values:
                found[stage] = {f"p{at}": percentile(values, at) for at in (50, 95)}
        return found

    def verdicts(self) -> dict[str, int]:
        names = dict.fromkeys(name for row in self.rows for name in row.verdicts)
        return {name: sum(row.verdicts.get(name, 0) for row in self.rows) for name in names}

    def outcomes(self) -> dict[str, int]:
        names = [
            row.outcome or f"error {row.error}" for row in self.rows if row.outcome or row.error
        ]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def figure(self, measure: str) -> float | None:
        """One number, for a threshold."""
        stage, _, at = measure.rpartition("_")
        if MEASURES[measure].unit == "ms":
            return self.latency().get(stage, {}).get(at)
        values = known(self.values(measure))
        return sum(values) / len(values) if values else None


def known(values: Mapping[str, float | None]) -> list[float]:
    return [value for value in values.values() if value is not None]


@dataclass(frozen=True)
class Report:
    about: Mapping[str, Any]  # machine, parts, commit, seed
    sets: Sequence[SetResult]

    def as_json(self) -> dict[str, Any]:
        """Rows and, to be read by people, what they come to."""
        return {
            "version": VERSION,
            "about": dict(self.about),
            "sets": [
                {
                    "name": one.name, "kind": one.kind, "corpus": one.corpus,
                    "seconds": one.seconds, "questions": len(one.rows),
                    "measures": {name: asdict(mean) for name, mean in one.means().items()},
                    "by_type": {
                        kind: {name: mean.mean for name, mean in one.means(kind).items()}
                        for kind in one.types
                    },
                    "latency": one.latency(), "verdicts": one.verdicts(),
                    "outcomes": one.outcomes(), "rows": [asdict(row) for row in one.rows],
                }
                for one in self.sets
            ],
        }  # fmt: skip

    def save(self, path: Path) -> None:
        text = json.dumps(self.as_json(), ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


def read_report(path: Path) -> Report:
    """What `save` wrote; raises BadCases."""
    remedy = f"Give a file that `evaluate --save` wrote, not {path}."
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["version"] != VERSION:
            raise BadCases(f"{path} was written by another version. Save it anew with --save.")
        sets = [
            SetResult(
                one["name"], one["kind"], one["corpus"], one["seconds"],
                [Row(**row) for row in one["rows"]],
            )
            for one in stored["sets"]
        ]  # fmt: skip
        return Report(stored["about"], sets)
    except OSError as error:
        raise BadCases(f"{path} cannot be read ({error.strerror}). {remedy}") from error
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise BadCases(f"{path} holds no result of an evaluation. {remedy}") from error


def differences(report: Report, baseline: Report) -> dict[str, dict[str, Difference]]:
    """By set, then by measure; sets are matched by name, questions by id."""
    before = {one.name: one for one in baseline.sets}
    return {
        one.name: {
            name: found for name in MEASURES if (found := _difference(name, before[one.name], one))
        }
        for one in report.sets
        if one.name in before
    }


def _difference(measure: str, before: SetResult, after: SetResult) -> Difference | None:
    return paired_bootstrap(before.values(measure), after.values(measure), after.seed)


def rows_of_questions(seen: Iterable[Asked]) -> list[Row]:
    """The measures by trec_eval are of pages: each page counts where it is met first."""
    seen = list(seen)
    judged = {
        asked.case.id: {section.page: 1 for section in asked.case.sections}
        for asked in seen
        if asked.case.answerable
    }
    rankings = {asked.case.id: _pages(asked) for asked in seen}
    by_rank = ranked(rankings, judged)
    return [
        Row(
            id=asked.case.id, type=asked.case.type, question=asked.case.question,
            values={**values_of(asked), **by_rank.get(asked.case.id, {})},
            timings=asked.timings, outcome=asked.outcome, error=asked.error, answer=asked.text,
            verdicts=_counts(said.verdict for said in asked.statements),
            expected=" # ".join(filter(None, (asked.case.answer_page, asked.case.answer_heading))),
            found=list(dict.fromkeys(place.page for place in asked.passages[:5])),
        )
        for asked in seen
    ]  # fmt: skip


def rows_of_queries(seen: Iterable[Searched]) -> list[Row]:
    seen = list(seen)
    by_rank = ranked(
        {searched.query.id: searched.ranking for searched in seen},
        {searched.query.id: searched.query.grades for searched in seen},
    )
    return [
        Row(
            id=searched.query.id, type="query", question=searched.query.text,
            values=by_rank[searched.query.id], timings=searched.timings,
            found=list(searched.ranking[:5]),
        )
        for searched in seen
    ]  # fmt: skip


def _pages(asked: Asked) -> list[str]:
    """Under the name that the set has for them, where translations count as the page."""
    wanted = [section.page for section in asked.case.sections]
    return [
        next((page for page in wanted if same_page(page, place.page)), place.page)
        for place in asked.ranking
    ]


def _counts(names: Iterable[str]) -> dict[str, int]:
    listed = list(names)
    return {name: listed.count(name) for name in sorted(set(listed))}
