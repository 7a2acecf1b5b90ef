"""A report as one HTML file: tables and plots, nothing to fetch, readable in light and dark."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil

from chat.evaluation.comparison import Difference
from chat.evaluation.measures import MEASURES
from chat.evaluation.plots import Bar, stages, whiskers
from chat.evaluation.report import BY_TYPE, about_line, chance, facts_line, verdict, wrong_rows
from chat.evaluation.results import Report, SetResult, differences

SHOWN = 100  # questions that went wrong
STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --rule: #d9dee5;
  --paper: #ffffff; --mean: #2f6fb5; --slow: #b9d0ea; --better: #2b8a57; --worse: #c0392b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b6; --rule: #39424f;
  --paper: #161b22; --mean: #6aa8ec; --slow: #2b4a6e; --better: #5cc48d; --worse: #ef7d70; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 3rem; border-top: 1px solid var(--rule);
  padding-top: 1.5rem; } h3 { margin: 2rem 0 .5rem; font-size: 1rem; }
p { color: var(--soft); } svg { width: 100%; height: auto; max-width: 46rem; display: block; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
th { font-weight: 600; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.heat { background: color-mix(in srgb, var(--mean) var(--share), transparent); }
td.heat.low { background: color-mix(in srgb, var(--worse) var(--share), transparent); }
td.id { white-space: nowrap; } td.question { min-width: 14rem; }
text { font-size: 12px; fill: var(--ink); } text.tick, text.figure { fill: var(--soft); }
line.grid { stroke: var(--rule); } line.zero { stroke: var(--soft); }
line.before { stroke: var(--ink); stroke-width: 2; }
line.whisker { stroke-width: 3; stroke-linecap: round; opacity: .45; }
line.mean { stroke: var(--mean); } line.better { stroke: var(--better); }
line.worse { stroke: var(--worse); } circle.mean, rect.mean { fill: var(--mean); }
circle.better { fill: var(--better); } circle.worse { fill: var(--worse); }
rect.slow { fill: var(--slow); } .better { color: var(--better); } .worse { color: var(--worse); }
"""


def page(report: Report, baseline: Report | None = None) -> str:
    compared = differences(report, baseline) if baseline else {}
    parts = [
        "<h1>Evaluation</h1>",
        f"<p>{escape(report.about['at'])} · {escape(about_line(report))}</p>",
        *(_set(one, compared.get(one.name, {})) for one in report.sets),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _set(one: SetResult, compared: Mapping[str, Difference]) -> str:
    parts = [f"<h2>{escape(one.name)}</h2>", f"<p>{escape(facts_line(one))}</p>"]
    parts += ["<h3>Measures, with the interval that holds 95 of 100 samples</h3>"]
    if compared:
        parts.append("<p>The upright mark is the baseline.</p>")
    parts.append(_measures(one, compared))
    if compared:
        parts += ["<h3>Against the baseline: differences over the same questions</h3>",
                  _compared(compared)]  # fmt: skip
    if one.kind == "questions":
        parts += ["<h3>By type of question</h3>", _types(one)]
    parts += ["<h3>Latency, p50 · p95</h3>", _latency(one)]
    if wrong := wrong_rows(one):
        rows = [
            [row.id, row.question, why, row.expected, ", ".join(row.found)]
            for row, why in wrong[:SHOWN]
        ]
        head = ["id", "question", "what went wrong", "expected", "found"]
        parts += [f"<h3>Went wrong: {len(wrong)} of {len(one.rows)}</h3>", _table(head, rows)]
    return "\n".join(parts)


def _measures(one: SetResult, compared: Mapping[str, Difference]) -> str:
    bars = [
        Bar(
            f"{name} ↓" if MEASURES[name].lower_is_better else name, mean.mean, mean.low, mean.high,
            before=compared[name].before if name in compared else None,
            about=f"{MEASURES[name].about} ({mean.count} questions)",
            figures=f"{mean.mean:.3f} of {mean.count}",
        )
        for name, mean in one.means().items()
    ]  # fmt: skip
    return whiskers(bars, 0, 1, f"Measures of {one.name}; those with an arrow should be low")


def _compared(compared: Mapping[str, Difference]) -> str:
    # A round number, for the sake of the axis.
    most = ceil(10 * max(max(abs(d.low), abs(d.high), 0.05) for d in compared.values())) / 10
    bars = []
    for name, found in compared.items():
        shade = verdict(name, found.difference, found.p)
        figures = f"{found.difference:+.3f}, p {chance(found.p)}"
        bars.append(
            Bar(name, found.difference, found.low, found.high, shade=shade or "mean",
                about=f"{name}: {found.before:.3f}, now {found.after:.3f}", figures=figures)
        )  # fmt: skip
    return whiskers(bars, -most, most, "Differences to the baseline")


def _types(one: SetResult) -> str:
    names = [name for name in BY_TYPE if name in one.means()]
    rows = []
    for kind in one.types:
        means = one.means(kind)
        count = sum(row.type == kind for row in one.rows)
        cells = [f"<td>{escape(kind)}</td>", f'<td class="number">{count}</td>']
        for name in names:
            if name not in means:
                cells.append("<td></td>")
                continue
            share = round(45 * means[name].mean)
            heat = "heat low" if MEASURES[name].lower_is_better else "heat"
            cells.append(
                f'<td class="number {heat}" style="--share: {share}%">{means[name].mean:.2f}</td>'
            )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(
        f"<th>{escape(name.replace('_', ' '))}</th>" for name in ["type", "questions", *names]
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _latency(one: SetResult) -> str:
    rows = [(stage, at["p50"], at["p95"]) for stage, at in one.latency().items()]
    return stages(rows, f"Latency of {one.name} by stage")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    body = "".join(f"<tr>{_cells(head, row)}</tr>" for row in rows)
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<div class="scroll"><table><tr>{titles}</tr>{body}</table></div>'


def _cells(head: Sequence[str], row: Sequence[str]) -> str:
    return "".join(
        f'<td class="{name.split()[0]}">{escape(cell)}</td>'
        for name, cell in zip(head, row, strict=True)
    )
