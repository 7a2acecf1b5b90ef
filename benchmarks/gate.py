"""The evidence gate: fit it, and show what it lets through at which threshold.

    python benchmarks/gate.py                  # what the calibration in use does
    python benchmarks/gate.py --fit            # fit anew, write chat/calibration.json
    python benchmarks/gate.py --page           # and write the curve into docs/quality.md
    EMBEDDER=multilingual python benchmarks/gate.py --fit

Fitted on question sets of documentation, held to a share of wrong abstentions; reported besides as
if each set in turn had never been seen, and for two public sets that nothing was fitted on. Their
unanswerable questions were written, or picked, to be tempting: the words all stand there.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from environment import EVAL_DIR, ROOT, set_up
from scipy.optimize import minimize

MOST_WRONG = 0.05  # share of answerable questions that may be abstained from
RIDGE = 3.0
PUBLIC = 300  # questions of each public set
QUESTIONS = {
    "handbook": (ROOT / "benchmarks/handbook_questions.jsonl", ROOT / "docs/handbook"),
    "docusaurus-docs": (
        EVAL_DIR / "questions/docusaurus-docs.jsonl", EVAL_DIR / "corpora/docusaurus-docs",
    ),
    "fastapi-docs": (
        EVAL_DIR / "questions/fastapi-docs.jsonl", EVAL_DIR / "corpora/fastapi-docs/en",
    ),
}  # fmt: skip
THE_TWO = ("docusaurus-docs", "fastapi-docs")
# Questions about another site: easy, but most of what no content answers is of that kind.
STRAY, STRAYS = "questions about another site", 15
# What each kind weighs in the fit, all of its questions together.
FITTED_ON = (*QUESTIONS, STRAY)
WEIGHTS = {"answerable": 1.0, "unanswerable": 0.75, STRAY: 0.25}
FALLING, RISING = (None, 0.0), (0.0, None)  # no signal may count against its sense
SENSE = {"nearness": RISING, "stands_out": RISING}


@dataclass(frozen=True)
class Row:
    """One question: what the gate saw, and what it should have said."""

    set: str
    question: str
    answerable: bool
    signals: Any

    @property
    def kind(self) -> str:
        return STRAY if self.set == STRAY else "answerable" if self.answerable else "unanswerable"


@dataclass(frozen=True)
class Question:
    text: str
    answerable: bool
    history: Sequence[tuple[str, str]] = ()
    stray: bool = False


# --- What the gate sees ---------------------------------------------------------------------------


def collected(keep: Path, *, vectors: bool) -> list[Row]:
    from chat.evaluation.installation import throw_away_installation

    rows = []
    with throw_away_installation(keep):
        for name, (subject, questions) in _sets():
            rows += _rows(name, subject, questions, vectors=vectors)
            print(f"{name}: {len(rows)} questions so far", file=sys.stderr)
    return rows


def _sets() -> Iterator[tuple[str, Any, list[Question]]]:
    from chat.evaluation.subjects import subject

    for name, (file, folder) in QUESTIONS.items():
        if file.exists() and folder.exists():
            one = subject(str(file), corpus=None, folder=folder, queries=None, language=None)
            asked = [Question(case.question, case.answerable, case.history) for case in one.cases]
            yield name, (one, [*asked, *_strays(name)])
    for name, (folder, asked) in {"squad2-dev-half": _squad(), "clapnq": _clapnq()}.items():
        if asked:
            yield name, (
                subject(str(folder), corpus=None, folder=None, queries=None, language=None), asked,
            )  # fmt: skip


def _strays(name: str) -> Iterator[Question]:
    from chat.evaluation.cases import read_cases
    from chat.evaluation.subjects import lines_of

    for other, (file, _folder) in QUESTIONS.items():
        if other != name and file.exists():
            cases = read_cases(lines_of(file), file.name)
            plain = [c for c in cases if c.answerable and not c.history and c.lang in ("", "en")]
            for case in random.Random(name).sample(plain, STRAYS):
                yield Question(case.question, answerable=False, stray=True)


def _squad() -> tuple[Path, list[Question]]:
    folder = EVAL_DIR / "ir/squad2-dev-half"
    if not folder.exists():
        return folder, []
    rows = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
    chosen = random.Random(1).sample(rows, PUBLIC)
    return folder, [Question(row["text"], row["metadata"]["answerable"]) for row in chosen]


def _clapnq() -> tuple[Path, list[Question]]:
    """Its passages as one BEIR folder: each question has to find its own among all of them."""
    place = EVAL_DIR / "grounding/clapnq"
    folder = Path(tempfile.gettempdir()) / "clapnq"
    texts, asked = {}, []
    for name in ("answerable", "unanswerable"):
        file = place / f"clapnq_dev_{name}.jsonl"
        for line in file.open(encoding="utf-8") if file.exists() else ():
            row = json.loads(line)
            for passage in row["passages"]:
                texts[passage["text"]] = passage["title"]
            asked.append(Question(row["input"], name == "answerable"))
    if asked:
        folder.mkdir(exist_ok=True)
        corpus = [
            {"_id": str(number), "title": title, "text": text}
            for number, (text, title) in enumerate(texts.items())
        ]
        _write_lines(folder / "corpus.jsonl", corpus)
        _write_lines(folder / "queries.jsonl", [{"_id": "0", "text": asked[0].text}])
        (folder / "qrels.tsv").write_text("0\t0\t1\n", encoding="utf-8")
    return folder, asked


def _write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def _rows(name: str, subject: Any, questions: list[Question], *, vectors: bool) -> list[Row]:
    from dataclasses import replace

    from chat import evidence
    from chat.evaluation.subjects import ingested
    from chat.llm.base import PromptMessage
    from chat.retrieval import Retriever
    from chat.rewriting import condense
    from documents.scope import Scope

    corpus, _failed = ingested(subject)
    retriever = Retriever.from_settings()
    retriever.index.open()
    if not vectors:
        retriever = replace(retriever, embedder=None)

    async def look(asked: Question) -> Row:
        query = condense(asked.text, [PromptMessage(*said) for said in asked.history])
        scope = Scope(frozenset([corpus.pk]))
        found = await retriever.search(query, scope, language=corpus.language)
        signals, _words = evidence.look(
            found.query, found.passages, found.candidates, corpus.language
        )
        return Row(STRAY if asked.stray else name, found.query, asked.answerable, signals)

    async def look_at_all() -> list[Row]:
        return [await look(asked) for asked in questions]

    return asyncio.run(look_at_all())


# --- The fit --------------------------------------------------------------------------------------


def fitted(rows: Sequence[Row], signals: Sequence[str]) -> Any:
    """A ridge-penalised logistic regression (le Cessie & van Houwelingen 1992) on standardised
    signals; the threshold is the highest that keeps MOST_WRONG."""
    from chat.evidence import Calibration

    values = np.array([[getattr(row.signals, name) or 0.0 for name in signals] for row in rows])
    answers = np.array([row.answerable for row in rows], float)
    mean, spread = values.mean(0), values.std(0) + 1e-9
    columns = np.c_[(values - mean) / spread, np.ones(len(rows))]
    kinds = [row.kind for row in rows]
    share = np.array([WEIGHTS[kind] / kinds.count(kind) for kind in kinds]) * answers.sum()

    def loss(weights: Any) -> tuple[float, Any]:
        margin = columns @ weights
        chance = 1 / (1 + np.exp(-margin))
        lost = share @ np.logaddexp(0, np.where(answers == 1, -margin, margin))
        slope = columns.T @ (share * (chance - answers)) + RIDGE * np.r_[weights[:-1], 0]
        return lost + RIDGE / 2 * weights[:-1] @ weights[:-1], slope

    bounds = [*(SENSE.get(name, FALLING) for name in signals), (None, None)]
    weights = minimize(loss, np.zeros(len(signals) + 1), jac=True, bounds=bounds).x
    scaled = weights[:-1] / spread
    found = Calibration(
        bias=round(float(weights[-1] - scaled @ mean), 4),
        weights={name: round(float(w), 4) for name, w in zip(signals, scaled, strict=True)},
        enough=0.0,
    )
    return Calibration(found.bias, found.weights, threshold(found, rows))


def threshold(calibration: Any, rows: Sequence[Row]) -> float:
    chances = sorted(calibration.chance(row.signals) for row in rows if row.answerable)
    allowed = int(MOST_WRONG * len(chances))
    return round(float(np.mean(chances[max(0, allowed - 1) : allowed + 1])), 4)


def abstained(calibration: Any, rows: Sequence[Row], enough: float) -> tuple[float, float]:
    """Shares: right of the unanswerable, wrong of the answerable."""
    low = [(row.answerable, calibration.chance(row.signals) < enough) for row in rows]
    right = [abstains for answerable, abstains in low if not answerable]
    wrong = [abstains for answerable, abstains in low if answerable]
    return sum(right) / max(1, len(right)), sum(wrong) / max(1, len(wrong))


# --- What is told ---------------------------------------------------------------------------------


def by_set(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {name: [row for row in rows if row.set == name] for name in {r.set: 0 for r in rows}}


def sets_table(calibration: Any, rows: Sequence[Row], signals: Sequence[str]) -> str:
    from chat.evaluation.report import table

    known = [row for row in rows if row.set in FITTED_ON]
    sets = by_set(rows)
    shown = []
    for name, own in {**sets, " + ".join(THE_TWO): [r for r in rows if r.set in THE_TWO]}.items():
        right, wrong = abstained(calibration, own, calibration.enough)
        unseen = "not fitted on"
        if name in QUESTIONS:
            others = fitted([row for row in known if row.set != name], signals)
            unseen = " / ".join(f"{x:.3f}" for x in abstained(others, own, others.enough))
        elif name == STRAY or name not in sets:
            unseen = ""
        count = sum(row.answerable for row in own)
        shown.append(
            [name, str(len(own) - count), str(count), f"{right:.3f}", f"{wrong:.3f}", unseen]
        )
    head = [
        "set",
        "unanswerable",
        "answerable",
        "right",
        "wrong",
        "right / wrong, fitted on others",
    ]
    return table(head, shown)


def curve_table(calibration: Any, rows: Sequence[Row]) -> str:
    from chat.evaluation.report import table

    known = [row for row in rows if row.set in QUESTIONS]
    steps = sorted({*(round(0.1 * step, 1) for step in range(1, 10)), calibration.enough})
    shown = []
    for enough in steps:
        right, wrong = abstained(calibration, known, enough)
        mark = " (in use)" if enough == calibration.enough else ""
        shown.append([f"{enough:.2f}{mark}", f"{right:.3f}", f"{wrong:.3f}"])
    return table(["answers from a chance of", "right abstentions", "wrong abstentions"], shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fit", action="store_true", help="write chat/calibration.json")
    parser.add_argument("--page", action="store_true", help="write the block of docs/quality.md")
    parser.add_argument("--show", action="store_true", help="every wrong decision")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "ragsite-gate")
    options = parser.parse_args()
    with set_up():
        from django.conf import settings

        from chat import evidence
        from documents.providers import get_embedder

        embedder = get_embedder()
        space = embedder.space.vectors if embedder else evidence.BY_WORDS_ALONE
        every = [one.name for one in fields(evidence.Signals)]
        by_words = every[:4]
        rows = collected(options.keep, vectors=True)
        if options.fit:
            known = [row for row in rows if row.set in FITTED_ON]
            write({space: fitted(known, every)})
            if settings.EMBEDDER in ("auto", "bundled"):  # the default one speaks for all others
                words = collected(options.keep, vectors=False)
                words = [row for row in words if row.set in FITTED_ON]
                write(
                    {
                        evidence.UNCALIBRATED: fitted(known, [*by_words, "stands_out"]),
                        evidence.BY_WORDS_ALONE: fitted(words, by_words),
                    }
                )
        calibration = evidence.calibrated(space)
        text = "\n\n".join([sets_table(calibration, rows, every), curve_table(calibration, rows)])
        print(text)
        if options.show:
            show(calibration, rows)
        if options.page:
            from quality import PAGE, filled_in

            block = {"gate": f"Embedding space {space}.\n\n{text}"}
            PAGE.write_text(filled_in(PAGE.read_text(encoding="utf-8"), block), encoding="utf-8")


def write(calibrations: dict[str, Any]) -> None:
    """Those of other spaces stay."""
    from chat import evidence

    stored = json.loads(evidence.CALIBRATION.read_text()) if evidence.CALIBRATION.exists() else {}
    stored |= {space: asdict(calibration) for space, calibration in calibrations.items()}
    evidence.CALIBRATION.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    evidence._calibrations.cache_clear()


def show(calibration: Any, rows: Sequence[Row]) -> None:
    for row in rows:
        chance = calibration.chance(row.signals)
        if row.set in QUESTIONS and (chance >= calibration.enough) != row.answerable:
            print(f"{chance:.2f} {row.set} {row.question!r} {asdict(row.signals)}")


if __name__ == "__main__":
    main()
