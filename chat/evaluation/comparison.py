"""Is it better than before? Means with their intervals, and a paired bootstrap; both seeded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SEED = 20261122
BATCHES = 10
RESAMPLES = BATCHES * 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """`low` and `high` hold the mean in 95 of 100 samples of as many questions."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Difference:
    """Of two runs over the same questions: new minus old; `p` is two-sided."""

    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    count: int


def mean_of(values: Sequence[float], seed: int = SEED) -> Mean:
    numbers = np.asarray(values, dtype=float)
    low, high = _interval(_resampled_means(numbers, seed))
    return Mean(_short(numbers.mean()), low, high, len(numbers))


def paired_bootstrap(
    before: Mapping[str, float | None], after: Mapping[str, float | None], seed: int = SEED
) -> Difference | None:
    """Over the questions that have a value in both; None if there are none."""
    pairs = [
        (old, new)
        for key, new in sorted(after.items())
        if new is not None and (old := before.get(key)) is not None
    ]
    if not pairs:
        return None
    numbers = np.asarray(pairs, dtype=float)
    means = _resampled_means(numbers[:, 1] - numbers[:, 0], seed)
    low, high = _interval(means)
    # How often chance alone would turn the sign, counted as if it had happened once more.
    tail = min((means <= 0).sum(), (means >= 0).sum())
    old, new = numbers.mean(axis=0)
    return Difference(
        before=_short(old), after=_short(new), difference=_short(new - old), low=low, high=high,
        p=_short(min(1.0, 2 * (tail + 1) / (RESAMPLES + 1))), count=len(pairs),
    )  # fmt: skip


def percentile(values: Sequence[float], at: float) -> float:
    return round(float(np.percentile(values, at)), 2)


def _resampled_means(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Shape (RESAMPLES,), each the mean of as many numbers drawn with replacement."""
    draw = np.random.default_rng(seed)
    batches = (draw.integers(0, len(numbers), (1000, len(numbers))) for _ in range(BATCHES))
    return np.concatenate([numbers[batch].mean(axis=1) for batch in batches])


def _interval(means: np.ndarray) -> tuple[float, float]:
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [edge, 1 - edge])
    return _short(low), _short(high)


def _short(number: float) -> float:
    return round(float(number), 4)
