"""Two server processes: answers are followed at both, and outlive either. The campaigns, small."""

import random
import shutil

import pytest

from tests.campaigns import restarts, resumes
from tests.campaigns.pair import Stored
from tests.campaigns.voices import Call, Fate
from tests.campaigns.wanderers import Wanderer, violations

needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")
TEXT = "Once in twelve."
STORED = Stored("complete", "answered", TEXT, True)
CALL = Call(Fate("vendor/a"), TEXT, TEXT)
DONE = {"type": "done", "status": "complete", "text": TEXT, "citations": []}
TOLD = [
    (1, {"type": "start", "message_id": "m"}),
    (2, {"type": "delta", "text": "Once "}),
    (3, {"type": "stage", "stage": "checking"}),
    (4, {"type": "delta", "text": "in twelve."}),
    (5, DONE),
]


@needs_redis
def test_readers_come_and_go_at_two_processes_and_miss_nothing(tmp_path):
    report = resumes.Campaign(tmp_path, 7, 12, database="").run(["roam"])

    assert report["violations"] == {}, report["examples"]
    assert report["readers"]["stored as complete"] == 12
    assert {"websocket", "sse", "polling"} <= set(report["readers"])


@needs_redis
def test_a_restart_leaves_nobody_without_an_end(tmp_path):
    report = restarts.Campaign(tmp_path, 7, 1, database="").run(("pair",))

    assert report["violations"] == {}, report["examples"]
    assert report["counts"]["pair: SIGTERM"] == 1
    assert report["counts"]["ends: complete"] > 0


def reader(*told) -> Wanderer:
    found = Wanderer(None, random.Random(0))
    for number, event in told:
        found.take((number, event))
    return found


def test_the_oracle_lets_a_reader_pass_who_was_told_everything():
    merged = [TOLD[0], TOLD[1], TOLD[2], TOLD[3], TOLD[4]]

    assert violations([reader(*TOLD), reader(*merged)], STORED, [CALL]) == []


@pytest.mark.parametrize(
    ("told", "stored", "found"),
    [
        (TOLD[:4], STORED, "a reader never heard the end"),
        ([*TOLD, (6, DONE)], STORED, "not exactly one end"),
        ([*TOLD[:2], TOLD[1], *TOLD[2:]], STORED, "an event was told twice, or out of order"),
        ([*TOLD[:3], TOLD[4]], STORED, "shown is not stored"),
        ([*TOLD[:2], *TOLD[3:]], STORED, "an event was lost"),
        (TOLD, STORED._replace(status="streaming"), "left streaming"),
        (TOLD, STORED._replace(text="Once"), "told another end than is stored"),
        (TOLD, STORED._replace(text="Once"), "not the text of an undisturbed run"),
    ],
)
def test_the_oracle_notices(told, stored, found):
    assert found in violations([reader(*TOLD), reader(*told)], stored, [CALL])
