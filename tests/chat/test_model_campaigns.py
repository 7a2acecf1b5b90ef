"""The campaigns against models that fail, at a small size; and that they find what is planted."""

import pytest

from tests.campaigns import fallback, stream_deaths
from tests.campaigns.voices import DEATHS

AT_ONCE = [kind for kind in DEATHS if kind not in ("stall", "comments for ever")]
pytestmark = pytest.mark.usefixtures("transactional_db")


def test_streams_die_in_nine_ways_and_no_reader_is_left_with_half_an_answer():
    report = stream_deaths.Campaign(seed=7, each=2).run()

    assert (report["turns"], report["violations"]) == (18, {}), report["examples"]
    assert set(report["deaths"]) == set(DEATHS)
    assert report["restarts"] > 0 < report["ends"]["done: answered"]


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ("restart", "the answer is not exactly one call's"),
        ("finish", "a part is stored as complete"),
        ("terminal", "not exactly one terminal event, last"),
    ],
)
def test_the_trial_of_streams_notices_a_guard_that_is_gone(guard, found):
    report = stream_deaths.Campaign(seed=2, each=4, without=guard, deaths=AT_ONCE).run(server=False)

    assert report["violations"][found] > 0


def test_models_that_fail_before_their_first_word_are_never_noticed():
    report = fallback.Campaign(seed=7, turns=40).run()

    assert (report["violations"], report["share"]) == ({}, 1.0)
    assert report["ends"] == {"done: answered": 40}
    assert report["calls_a_turn"][2] > 0


def test_the_trial_of_fallbacks_notices_that_nobody_takes_over():
    report = fallback.Campaign(seed=7, turns=20, without="fallback").run()

    assert report["violations"]["too few whole answers"]
