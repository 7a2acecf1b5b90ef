"""`--fail-under page@5=0.9` and `--fail-over wrong_abstentions=0.05`: what CI insists on."""

from collections.abc import Iterable
from dataclasses import dataclass

from chat.evaluation.cases import BadCases
from chat.evaluation.measures import MEASURES
from chat.evaluation.results import SetResult


@dataclass(frozen=True)
class Threshold:
    measure: str
    value: float
    upwards: bool  # a figure above is a failure
    only: str = ""  # the set it is for; empty: every set that has the measure

    @property
    def option(self) -> str:
        option = "--fail-over" if self.upwards else "--fail-under"
        return f"{option} {self.only}{':' if self.only else ''}{self.measure}={self.value:g}"

    def broken_by(self, figure: float) -> bool:
        # A figure that only looks lower because of its last binary digit is not lower.
        distance = figure - self.value if self.upwards else self.value - figure
        return distance > 1e-9


def threshold(text: str, *, upwards: bool) -> Threshold:
    """Parsed; raises BadCases, which says what is possible."""
    option = "--fail-over" if upwards else "--fail-under"
    where, _, number = text.rpartition("=")
    only, _, name = where.rpartition(":")
    try:
        value = float(number)
    except ValueError:
        where = ""
    if not where or not value == value:
        raise BadCases(
            f'{option} "{text}": write MEASURE=VALUE, as in {option} {_example(upwards)}.'
        )
    if name not in MEASURES:
        raise BadCases(f'{option} {text}: there is no measure "{name}". There are: {_names()}.')
    if MEASURES[name].lower_is_better != upwards:
        better, other = ("lower", "over") if not upwards else ("higher", "under")
        raise BadCases(
            f"{option} {text}: of {name}, {better} is better. Write --fail-{other} {text}."
        )
    return Threshold(name, value, upwards, only)


def failures(thresholds: Iterable[Threshold], sets: Iterable[SetResult]) -> list[str]:
    """A sentence for each figure on the wrong side, or that nothing could be said about."""
    sets, said = list(sets), []
    for limit in thresholds:
        figures = [
            (one.name, figure)
            for one in sets
            if limit.only in ("", one.name) and (figure := one.figure(limit.measure)) is not None
        ]
        if not figures:
            said.append(f"{limit.measure} was not measured by any set ({limit.option})")
        side = "above" if limit.upwards else "below"
        said += [
            f"{limit.measure} of {name} is {figure:.4g}, {side} {limit.value:g} ({limit.option})"
            for name, figure in figures
            if limit.broken_by(figure)
        ]
    return said


def _example(upwards: bool) -> str:
    return "wrong_abstentions=0.05" if upwards else "page@5=0.9"


def _names() -> str:
    return ", ".join(MEASURES)
