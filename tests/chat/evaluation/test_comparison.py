"""The bootstrap says what chance could do, and says the same each time."""

import numpy as np
import pytest

from chat.evaluation.comparison import mean_of, paired_bootstrap


def by_question(values):
    return {str(at): value for at, value in enumerate(values)}


def test_the_same_seed_gives_the_same_interval():
    values = [0.0, 1.0, 1.0, 0.5] * 10
    assert mean_of(values, seed=3) == mean_of(values, seed=3)
    assert mean_of(values, seed=3) != mean_of(values, seed=4)


def test_the_interval_is_about_what_the_formula_says():
    draw = np.random.default_rng(1)
    values = draw.normal(0.5, 0.1, 400)

    found = mean_of(list(values))

    margin = 1.96 * values.std() / np.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - margin, abs=0.001)
    assert found.high == pytest.approx(values.mean() + margin, abs=0.001)


def test_no_difference_has_no_significance():
    values = by_question([1, 0, 1, 1, 0])
    found = paired_bootstrap(values, values)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_clear_loss_is_significant():
    found = paired_bootstrap(by_question([1] * 50), by_question([1] * 30 + [0] * 20))
    assert found.difference == -0.4
    assert found.high < 0
    assert found.p < 0.001


def test_two_questions_of_fifty_could_be_chance():
    before, after = [1] * 45 + [0] * 5, [1] * 43 + [0] * 7
    assert paired_bootstrap(by_question(before), by_question(after)).p > 0.05


def test_only_questions_with_both_values_are_compared():
    found = paired_bootstrap({"a": 1.0, "b": None, "c": 1.0}, {"a": 0.0, "b": 1.0, "d": 1.0})
    assert (found.count, found.difference) == (1, -1.0)
    assert paired_bootstrap({"a": 1.0}, {"b": 1.0}) is None
