"""`manage.py check` finds settings with which nothing would be done in the background."""

import pytest
from django.core.checks import run_checks

from ingestion.checks import WORKERS


def found(**options):
    messages = run_checks(**options)
    return [message.id for message in messages if message.id.startswith("ingestion.")]


@pytest.mark.parametrize("worker", WORKERS)
def test_known_workers_are_fine(settings, worker):
    settings.WORKER, settings.REDIS_URL = worker, "redis://127.0.0.1/0"
    assert found() == []


def test_another_worker_is_an_error(settings):
    settings.WORKER = "celery"
    assert found() == ["ingestion.E001"]


def test_a_worker_without_threads_is_an_error(settings):
    settings.HUEY = {**settings.HUEY, "consumer": {"workers": 0}}
    assert found() == ["ingestion.E002"]


def test_a_worker_of_its_own_without_redis_must_be_on_the_same_machine(settings):
    settings.WORKER, settings.REDIS_URL = "external", ""
    assert found() == ["ingestion.W001"]


def test_a_failpoint_is_not_for_production(settings):
    settings.FAILPOINT = "publish.committed"
    assert found() == []
    assert found(include_deployment_checks=True) == ["ingestion.W002"]
