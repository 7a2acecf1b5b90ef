"""The production shape on one machine, as `make demo-production` starts it."""

import os
import shutil

import pytest

from tests.campaigns import idle
from tests.standins.pgbouncer import is_installed
from tests.standins.production import drop_database

pytestmark = pytest.mark.skipif(
    not os.environ.get("TEST_DATABASE_URL")
    or not is_installed()
    or not shutil.which("redis-server"),
    reason="needs PostgreSQL, pgbouncer and redis-server",
)


def test_it_answers_through_all_its_parts_and_is_silent_when_nobody_asks(tmp_path):
    drop_database(idle.DATABASE)
    try:
        with idle.RedisServer(tmp_path) as redis:
            report = idle.campaign(tmp_path, 3.0, redis, content="docs/handbook/concepts")
    finally:
        drop_database(idle.DATABASE)

    assert {report["bytes_while_idle"][name] for name in idle.SILENT} == {0}
    assert all(report["bytes_of_one_question"][name] for name in idle.SILENT)
