"""Plots as SVG text, to stand inside of a page: no script, no font, nothing to fetch.

Colours are the page's CSS classes, so that they follow its light and dark.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

LABEL, PLOT, FIGURES, ROW, TOP = 170, 420, 150, 24, 26
WIDTH = LABEL + PLOT + FIGURES


@dataclass(frozen=True)
class Bar:
    """One row: a value with its interval, and perhaps where it was before."""

    label: str
    value: float
    low: float
    high: float
    before: float | None = None
    shade: str = "mean"  # CSS class: mean, better, worse
    about: str = ""
    figures: str = ""


def whiskers(bars: Sequence[Bar], low: float, high: float, title: str) -> str:
    """A dot with its interval for each row, on an axis from `low` to `high`."""

    def at(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(LABEL + share * PLOT, 1)

    parts = [_axis(low, high, len(bars), at)]
    for row, bar in enumerate(bars):
        y = TOP + row * ROW + ROW / 2
        parts.append(f"<g><title>{escape(bar.about or bar.label)}</title>")
        parts.append(_text(LABEL - 10, y + 4, bar.label, "label", "end"))
        parts.append(_line(at(bar.low), y, at(bar.high), y, f"whisker {bar.shade}"))
        if bar.before is not None:
            parts.append(_line(at(bar.before), y - 8, at(bar.before), y + 8, "before"))
        parts.append(f'<circle class="{bar.shade}" cx="{at(bar.value)}" cy="{y}" r="5"/>')
        parts.append(_text(LABEL + PLOT + 14, y + 4, bar.figures, "figure"))
        parts.append("</g>")
    return _svg(parts, TOP + len(bars) * ROW + 6, title)


def stages(rows: Sequence[tuple[str, float, float]], title: str) -> str:
    """p50 inside of p95, in milliseconds, for each stage."""
    most = max((p95 for _, _, p95 in rows), default=1.0) or 1.0

    def at(value: float) -> float:
        return round(value / most * PLOT, 1)

    parts = []
    for row, (stage, p50, p95) in enumerate(rows):
        y = 6 + row * ROW
        parts.append(_text(LABEL - 10, y + 15, stage, "label", "end"))
        for value, shade in ((p95, "slow"), (p50, "mean")):
            parts.append(
                f'<rect class="{shade}" x="{LABEL}" y="{y + 3}" width="{at(value)}" height="15" '
                'rx="2"/>'
            )
        parts.append(_text(LABEL + PLOT + 14, y + 15, f"{p50:.1f} · {p95:.1f} ms", "figure"))
    return _svg(parts, 12 + len(rows) * ROW, title)


def _axis(low: float, high: float, rows: int, at: Callable[[float], float]) -> str:
    ticks = [low + (high - low) * part / 4 for part in range(5)]
    bottom = TOP + rows * ROW
    lines = [_line(at(tick), TOP - 4, at(tick), bottom, "zero" if not tick else "grid")
             for tick in ticks]  # fmt: skip
    texts = [_text(at(tick), TOP - 10, f"{tick:g}", "tick", "middle") for tick in ticks]
    return "".join(lines + texts)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
