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


@pytest.mark.parametrize(
    "entry", ["10.0.0.7", "http://wiki.corp", "wiki.corp:0", "wiki.corp:99999", "10.0.0.0/40", "*"]
)
def test_an_address_that_cannot_be_read_is_named(settings, entry):
    settings.FETCH_ALLOWED_ADDRESSES = ["10.1.0.0/16", entry]
    [message] = [m for m in run_checks() if m.id == "ingestion.E003"]
    assert f'FETCH_ALLOWED_ADDRESSES: "{entry}" is not an address' in message.msg


def test_addresses_that_can_be_read_are_fine(settings):
    settings.FETCH_ALLOWED_ADDRESSES = ["10.0.0.7:8080", "10.1.0.0/16", "[::1]:80", "wiki.corp:80"]
    assert found() == []


def test_a_failpoint_is_not_for_production(settings):
    settings.FAILPOINT = "publish.committed"
    assert found() == []
    assert found(include_deployment_checks=True) == ["ingestion.W002"]
