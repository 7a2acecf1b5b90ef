"""Two server processes: answers are followed at both, and outlive either. The campaigns, small."""

import shutil

import pytest

from tests.campaigns import restarts, resumes

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")


def test_readers_come_and_go_at_two_processes_and_miss_nothing(tmp_path):
    report = resumes.Campaign(tmp_path, 7, 24, database="").run(["roam"])

    assert report["violations"] == {}, report["examples"]
    assert report["readers"]["stored as complete"] == 24
    assert {"websocket", "sse", "polling"} <= set(report["readers"])


def test_restarts_leave_nobody_without_an_end(tmp_path):
    report = restarts.Campaign(tmp_path, 7, 2, database="").run(("pair",))

    assert report["violations"] == {}, report["examples"]
    assert report["counts"]["pair: SIGTERM"] == 2
    assert report["counts"]["ends: complete"] > 0


@pytest.mark.parametrize("guard", ["twice"])
def test_the_trial_notices_a_guard_that_is_gone(tmp_path, guard):
    report = resumes.Campaign(tmp_path, 7, 8, database="", without=guard).run(["roam"])

    assert report["violations"]
