"""A report as text: Markdown, which is also readable in a terminal."""

from collections.abc import Iterable, Sequence

from chat.evaluation.measures import MEASURES
from chat.evaluation.results import Report, Row, SetResult, differences

SIGNIFICANT = 0.05
BY_TYPE = (
    "page@5", "section@5", "anchor", "ndcg@10", "key_facts", "right_abstentions",
    "wrong_abstentions", "citation_precision", "citation_recall",
)  # fmt: skip
SHOWN = 20  # questions that went wrong; the JSON has all


def markdown(report: Report, baseline: Report | None = None) -> str:
    parts = ["# Evaluation", about_line(report)]
    compared = differences(report, baseline) if baseline else {}
    for one in report.sets:
        parts += [f"## {one.name}", facts_line(one), measures_table(one)]
        if one.kind == "questions":
            parts += ["### By type", types_table(one)]
        parts += ["### Latency", latency_table(one)]
        if one.name in compared:
            parts += ["### Against the baseline", _differences_table(compared[one.name])]
        if wrong := wrong_rows(one):
            parts += ["### Went wrong", _wrong_list(wrong)]
    if baseline and (unknown := [one.name for one in report.sets if one.name not in compared]):
        parts.append(f"Not in the baseline: {', '.join(unknown)}.")
    return "\n\n".join(parts) + "\n"


def about_line(report: Report) -> str:
    about = report.about
    parts = ", ".join(f"{name} {value}" for name, value in about["parts"].items())
    left_out = f"; without {', '.join(about['without'])}" if about["without"] else ""
    commit = f"commit {about['commit']}, " if about["commit"] else ""
    return f"{commit}{about['machine']}; {parts}{left_out}."


def facts_line(one: SetResult) -> str:
    outcomes = ", ".join(f"{count} {name}" for name, count in one.outcomes().items())
    verdicts = ", ".join(f"{count} {name}" for name, count in one.verdicts().items())
    said = [f"{len(one.rows)} questions of the corpus {one.corpus} in {one.seconds:.0f} s"]
    said += [f"outcomes: {outcomes}"] if outcomes else []
    said += [f"sentences: {verdicts}"] if verdicts else []
    return "; ".join(said) + "."


def measures_table(one: SetResult) -> str:
    return table(
        ["measure", "mean", "95 %", "questions", "is"],
        [
            [name, f"{m.mean:.3f}", f"{m.low:.3f} – {m.high:.3f}", str(m.count),
             MEASURES[name].about]
            for name, m in one.means().items()
        ],
    )  # fmt: skip


def types_table(one: SetResult) -> str:
    names = [name for name in BY_TYPE if name in one.means()]
    rows = []
    for kind in one.types:
        means = one.means(kind)
        figures = [f"{means[name].mean:.2f}" if name in means else "" for name in names]
        rows.append([kind, str(sum(row.type == kind for row in one.rows)), *figures])
    return table(["type", "questions", *names], rows)


def latency_table(one: SetResult) -> str:
    rows = [[stage, f"{at['p50']:.1f}", f"{at['p95']:.1f}"] for stage, at in one.latency().items()]
    return table(["milliseconds", "p50", "p95"], rows)


def _differences_table(found: dict) -> str:
    rows = [
        [
            name, f"{d.before:.3f}", f"{d.after:.3f}", f"{d.difference:+.3f}",
            f"{d.low:+.3f} – {d.high:+.3f}", chance(d.p), verdict(name, d.difference, d.p),
        ]
        for name, d in found.items()
    ]  # fmt: skip
    return table(["measure", "before", "now", "difference", "95 %", "p", ""], rows)


def verdict(name: str, difference: float, p: float) -> str:
    """Only what chance alone would hardly do is called a change."""
    if p >= SIGNIFICANT or not difference:
        return ""
    return "better" if (difference > 0) != MEASURES[name].lower_is_better else "worse"


def chance(p: float) -> str:
    """How likely chance alone would turn the sign."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def wrong_rows(one: SetResult) -> list[tuple[Row, str]]:
    """Questions to look at, and why."""
    found = []
    for row in one.rows:
        value = row.values.get
        why = [f"error {row.error}"] if row.error else []
        why += ["answered, though it is not in the content"] * (value("right_abstentions") == 0)
        why += ["not answered"] * (value("wrong_abstentions") == 1)
        why += ["page missed"] * (value("page@5") == 0)
        why += ["section missed"] * (value("section@5") == 0 and value("page@5") == 1)
        why += ["no right passage"] * (value("recall@50") == 0 and "page@5" not in row.values)
        if why:
            found.append((row, ", ".join(why)))
    return found


def _wrong_list(wrong: Sequence[tuple[Row, str]]) -> str:
    lines = [
        f"- {row.id}: {row.question} — {why}" + (f"; expected {row.expected}" * bool(row.expected))
        for row, why in wrong[:SHOWN]
    ]
    if len(wrong) > SHOWN:
        lines.append(f"- … and {len(wrong) - SHOWN} more; --save has all of them")
    return "\n".join(lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns padded, so that it can be read as it is."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    cells.insert(1, ["-" * max(3, width) for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    )
