"""What the claim ledger makes of claims that people have judged, and of claims made wrong.

    python benchmarks/claims.py                # balanced accuracy, cross-validated, and the rates
    python benchmarks/claims.py --fit          # the weight and threshold of likeness.py
    python benchmarks/claims.py --words-only   # as without a local embedder

WiCE (Kamoi et al., 2023): claims of Wikipedia with web pages as evidence, judged supported,
partially_supported or not_supported. A claim counts as supported only if every part of it is, so
partially_supported counts as not; that is the figure we aim at. What comes out when those are left
aside is reported too. CLAPnq (Rosenthal et al., 2024): answers that people wrote from a passage.
"""

import argparse
import json
import math
import os
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any
from uuid import UUID

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FOLDS, REPEATS, SEED = 5, 5, 20
SENTENCES, PASSAGES = 10, 6  # of the answer whose check is timed
COSINES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
WICE = "WiCE, balanced accuracy, partially supported"
PAGE = ROOT / "docs" / "quality.md"


@dataclass(frozen=True)
class Row:
    """A claim as the ledger sees it: its least supported sentence decides."""

    label: str
    claim: str
    parts: tuple[tuple[bool, float, float | None], ...]  # objected to, share of words, cosine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--eval-dir", type=Path, default=ROOT.parent / "shared" / "eval")
    parser.add_argument("--fit", action="store_true", help="search weight and threshold")
    parser.add_argument("--words-only", action="store_true", help="without vectors")
    parser.add_argument("--show", metavar="LABEL", help="claims of this label judged wrongly")
    parser.add_argument("--write", action="store_true", help="into docs/quality.md")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    import django

    django.setup()
    from documents.providers import get_local_embedder

    vectors = None if options.words_only else get_local_embedder()
    rows = [measured(*claim, vectors) for claim in wice(options.eval_dir)]
    if options.fit:
        print(fitted(rows))
        return
    block = report(rows, options.eval_dir, vectors)
    print(block)
    if options.show:
        show(rows, options.show)
    if options.write:
        from benchmarks.quality import filled_in

        page = filled_in(PAGE.read_text(encoding="utf-8"), {"claims": block})
        PAGE.write_text(page, encoding="utf-8")


def wice(folder: Path) -> Iterator[tuple[str, str, Any]]:
    path = folder / "grounding" / "wice" / "oracle_chunks_claim_test_sampled350.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = "\n\n".join(row["evidence"])
        yield row["label"], row["claim"].strip(), passage(text, row["meta"]["claim_title"])


def clapnq(folder: Path) -> Iterator[tuple[str, Any]]:
    """Answers, each with the passage that it was written from."""
    path = folder / "grounding" / "clapnq" / "clapnq_dev_answerable.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        source = row["passages"][0]
        text = detokenized(source["text"])
        for output in row["output"][:1]:
            if answer := output["answer"].strip():
                yield detokenized(answer), passage(text, source["title"])


def detokenized(text: str) -> str:
    """CLAPnq's passages have a space around every sign."""
    text = re.sub(
        r" ([,.;:!?%)\]]|'s\b|n't\b)", r"\1", text.replace("`` ", "“").replace(" ''", "”")
    )
    return re.sub(r"([(\[$]) ", r"\1", re.sub(r" - (?=\w)", "-", text))


def passage(text: str, title: str) -> Any:
    from documents.passages import Passage

    return Passage(
        chunk_id=UUID(int=abs(hash(text)) % 2**64), document_id=1, text=text, title=title,
        heading_path=(), url="", language="en", trust_tier="official", source="", version="",
        line_start=1, line_end=1, text_hash="",
    )  # fmt: skip


def measured(label: str, claim: str, source: Any, vectors: Any) -> Row:
    from chat.grounding.spans import text_of
    from chat.grounding.statements import statements
    from chat.grounding.weighing import weigh

    text = text_of(source.text, source.breadcrumb, source.language)
    said = [s for s in statements(f"{claim} [1]", {1}, "en") if s.claims]
    weighed = [weigh(statement.said, {1: text}) for statement in said]
    texts = [text for one in weighed for text in one.texts]
    rows = vectors.embed_documents(texts) if vectors and texts else None
    return Row(
        label, claim,
        tuple(
            (bool(one.objection), one.share,
             None if rows is None else float(rows[2 * at] @ rows[2 * at + 1]))
            for at, one in enumerate(weighed)
        ),
    )  # fmt: skip


def supported(row: Row, cosine_weight: float, threshold: float) -> bool:
    return all(
        not objected
        and (1 - cosine_weight) * share + cosine_weight * max(0.0, cosine or 0.0) >= threshold
        for objected, share, cosine in row.parts
    )


def balanced(rows: Sequence[Row], judge: Callable[[Row], bool], *, partial: bool = True) -> float:
    """The mean of both rates; `partial`: partially supported claims count as not supported."""
    yes = [judge(row) for row in rows if row.label == "supported"]
    no = [not judge(row) for row in rows if _negative(row, partial)]
    return (sum(yes) / max(1, len(yes)) + sum(no) / max(1, len(no))) / 2


def _negative(row: Row, partial: bool) -> bool:
    return row.label == "not_supported" or (partial and row.label == "partially_supported")


def best(rows: Sequence[Row]) -> tuple[float, float, float]:
    """Balanced accuracy on these rows, the cosine's weight, the threshold.

    Of the weights the best; then the strictest threshold that is within one standard error of the
    best one (Breiman et al., 1984): the curve is flat, and a wrong "supported" is the worse error.
    """
    dense = rows[0].parts[0][2] is not None
    found = {
        (cosine, at / 100): balanced(rows, lambda row, g=(cosine, at / 100): supported(row, *g))
        for cosine, at in product(COSINES if dense else [0.0], range(20, 96))
    }
    (weight, _), highest = max(found.items(), key=lambda one: one[1])
    near = highest - standard_error(rows, highest)
    threshold = max(t for (w, t), reached in found.items() if w == weight and reached >= near)
    return found[weight, threshold], weight, threshold


def standard_error(rows: Sequence[Row], accuracy: float) -> float:
    """Of a balanced accuracy: the mean of two rates, each of as many rows as its label has."""
    positive = sum(row.label == "supported" for row in rows)
    counts = (max(1, positive), max(1, len(rows) - positive))
    return 0.5 * math.sqrt(sum(accuracy * (1 - accuracy) / count for count in counts))


def cross_validated(rows: Sequence[Row], *, partial: bool = True) -> float:
    """Weight and threshold from four fifths, tried on the fifth; the mean of several partitions."""
    return sum(_one_partition(rows, repeat, partial) for repeat in range(REPEATS)) / REPEATS


def _one_partition(rows: Sequence[Row], repeat: int, partial: bool) -> float:
    order = list(rows)
    random.Random(SEED + repeat).shuffle(order)
    judged: dict[int, bool] = {}
    for fold in range(FOLDS):
        held_out = order[fold::FOLDS]
        chosen = best([row for at, row in enumerate(order) if at % FOLDS != fold])[1:]
        judged |= {id(row): supported(row, *chosen) for row in held_out}
    return balanced(rows, lambda row: judged[id(row)], partial=partial)


def fitted(rows: Sequence[Row]) -> str:
    accuracy, cosine, threshold = best(rows)
    return (
        f"on all {len(rows)} rows: balanced accuracy {accuracy:.3f} with COSINE {cosine}, "
        f"threshold {threshold:.2f}; cross-validated {cross_validated(rows):.3f}"
    )


def report(rows: Sequence[Row], folder: Path, vectors: Any) -> str:
    from chat.evaluation.report import table
    from chat.grounding.likeness import COSINE, ENOUGH, ENOUGH_WORDS

    shipped = (COSINE, ENOUGH) if vectors else (0.0, ENOUGH_WORDS)

    def judge(row: Row) -> bool:
        return supported(row, *shipped)

    def rate(label: str) -> str:
        mine = [judge(row) for row in rows if row.label == label]
        return f"{sum(mine) / len(mine):.3f} of {len(mine)}"

    lines = [
        [f"{WICE} counts as not, cross-validated", f"{cross_validated(rows):.3f}"],
        [f"{WICE} counts as not, as shipped", f"{balanced(rows, judge):.3f}"],
        [f"{WICE} left aside, as shipped", f"{balanced(rows, judge, partial=False):.3f}"],
        *([f"WiCE, {label} called supported", rate(label)]
          for label in ("supported", "partially_supported", "not_supported")),
    ]  # fmt: skip
    answers = list(clapnq(folder))
    own = [measured("supported", *answer, vectors) for answer in answers]
    shifted = zip(answers, answers[1:] + answers[:1], strict=True)
    foreign = [measured("not_supported", one[0], other[1], vectors) for one, other in shifted]
    lines.append(["CLAPnq, answers called supported by their passage", share_of(own, judge)])
    lines.append(["CLAPnq, answers called supported by another passage", share_of(foreign, judge)])
    for name, turn in PERTURBED.items():
        turned = [
            (new, source) for answer, source in answers
            if (new := turn(answer)) != answer
        ]  # fmt: skip
        judged = [measured("not_supported", *one, vectors) for one in turned]
        lines.append([f"CLAPnq, answers with {name} called supported", share_of(judged, judge)])
    lines.append(
        ["ten sentences against six passages, CPU ms, median and p95", cpu(answers, vectors)]
    )
    return table(["claims", "figure"], lines)


def cpu(answers: Sequence[tuple[str, Any]], vectors: Any) -> str:
    """Ledger and copy check of one answer, its passages seen for the first time."""
    from chat.claims import check_claims
    from chat.copying import copied_runs
    from chat.sentences import sentences

    spent = []
    for first in range(0, len(answers) - PASSAGES, PASSAGES):
        group = answers[first : first + PASSAGES]
        cited = {number: source for number, (_, source) in enumerate(group, start=1)}
        said = [
            f"{sentence.text.rstrip('.')} [{number}]."
            for number, (answer, _) in enumerate(group, start=1)
            for sentence in sentences(answer)
        ]
        forget_passages()
        began = process_time()
        answer = " ".join((said * SENTENCES)[:SENTENCES])
        check_claims(answer, cited, retrieved=[*cited.values()], vectors=vectors)
        copied_runs(answer, [source.text for source in cited.values()], limit=12)
        spent.append(1000 * (process_time() - began))
    ordered = sorted(spent)
    return f"{ordered[len(ordered) // 2]:.0f}, {ordered[int(0.95 * len(ordered))]:.0f}"


def forget_passages() -> None:
    from chat.grounding.spans import text_of
    from chat.grounding.tokens import remembered_words

    text_of.cache_clear()
    remembered_words.cache_clear()


def share_of(rows: Sequence[Row], judge: Callable[[Row], bool]) -> str:
    return f"{sum(map(judge, rows)) / max(1, len(rows)):.3f} of {len(rows)}"


def _other_number(answer: str) -> str:
    return re.sub(r"\b\d{1,4}\b", lambda m: str(int(m[0]) + 3), answer, count=1)


def _negated(answer: str) -> str:
    return re.sub(r"\b(is|are|was|were|has|have|can|will)\b", r"\1 not", answer, count=1)


def _other_name(answer: str) -> str:
    return re.sub(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b", "Zanzibar", answer, count=1)


PERTURBED: dict[str, Callable[[str], str]] = {
    "another number": _other_number, "a negation more": _negated, "another name": _other_name,
}  # fmt: skip


def show(rows: Sequence[Row], label: str) -> None:
    from chat.grounding.likeness import COSINE, ENOUGH

    for row in rows:
        if row.label == label and supported(row, COSINE, ENOUGH) != (label == "supported"):
            print(f"- {row.claim}\n  {row.parts}")


if __name__ == "__main__":
    main()
