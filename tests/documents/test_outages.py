"""What is said when a part is away, and who may ask it meanwhile."""

import pytest

from documents.outages import PAUSE, Outage

GONE = ConnectionError("Connection refused.\nDETAIL: what was to be stored")


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def outage(now):
    return Outage("Redis", "We do without.", clock=lambda: now[0])


def test_an_outage_is_said_once_and_its_end_once(outage, now, caplog):
    outage.over()
    for _ in range(3):
        outage.began(GONE)
    now[0] += 60
    outage.over()
    outage.over()
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "Redis is away (Connection refused.). We do without.",
        "Redis is back after 60 s.",
    ]


def test_the_next_outage_is_said_again(outage, caplog):
    for _ in range(2):
        outage.began(GONE)
        outage.over()
    assert caplog.text.count("is away") == 2


def test_while_it_is_away_one_caller_now_and_then_finds_out(outage, now):
    assert outage.may_be_asked()
    outage.began(GONE)
    assert not outage.may_be_asked()
    now[0] += PAUSE
    assert [outage.may_be_asked() for _ in range(3)] == [True, False, False]
    outage.over()
    assert outage.may_be_asked()


def test_only_the_first_line_of_an_error_is_logged(outage, caplog):
    outage.began(GONE)
    assert "to be stored" not in caplog.text
