"""Thresholds: what may be written, and which figure breaks one."""

import pytest

from chat.evaluation.cases import BadCases
from chat.evaluation.results import Row, SetResult
from chat.evaluation.thresholds import failures, threshold


def result(name="handbook", **values):
    values = {key.replace("_at_", "@"): value for key, value in values.items()}
    row = Row("1", "fact", "?", values, {"total": 120.0})
    return SetResult(name, "questions", "handbook", 1.0, [row])


def test_a_figure_below_is_named_with_its_measure():
    limits = [threshold("page@5=0.9", upwards=False)]
    assert failures(limits, [result(page_at_5=0.9)]) == []
    assert failures(limits, [result(page_at_5=0.5)]) == [
        "page@5 of handbook is 0.5, below 0.9 (--fail-under page@5=0.9)"
    ]


def test_a_threshold_may_be_for_one_set():
    limits = [threshold("handbook:page@5=0.9", upwards=False)]
    assert failures(limits, [result(page_at_5=1.0), result("other", page_at_5=0.1)]) == []


def test_low_is_good_of_some_measures():
    limits = [threshold("wrong_abstentions=0.05", upwards=True)]
    (said,) = failures(limits, [result(wrong_abstentions=0.1)])
    assert "above 0.05" in said


def test_latency_may_have_a_threshold():
    assert failures([threshold("total_p95=100", upwards=True)], [result()])
    assert not failures([threshold("total_p95=130", upwards=True)], [result()])


def test_a_measure_that_nothing_was_said_of_does_not_pass():
    (said,) = failures([threshold("anchor=0.9", upwards=False)], [result(anchor=None)])
    assert "anchor was not measured" in said


@pytest.mark.parametrize(
    ("text", "upwards", "said"),
    [
        ("page@7=0.9", False, 'there is no measure "page@7". There are: page@1'),
        ("page@5", False, "write MEASURE=VALUE"),
        ("page@5=high", False, "write MEASURE=VALUE"),
        ("page@5=nan", False, "write MEASURE=VALUE"),
        ("wrong_abstentions=0.05", False, "Write --fail-over wrong_abstentions=0.05"),
        ("page@5=0.9", True, "Write --fail-under page@5=0.9"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(text, upwards, said):
    with pytest.raises(BadCases) as raised:
        threshold(text, upwards=upwards)
    assert said in str(raised.value)
