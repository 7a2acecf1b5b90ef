"""Pytest fixtures: a stand-in of each service, fresh for every test."""

from collections.abc import Iterator

import pytest

from tests.standins import CohereStandIn, OpenRouterStandIn


@pytest.fixture
def cohere_standin() -> Iterator[CohereStandIn]:
    with CohereStandIn() as server:
        yield server


@pytest.fixture
def cohere_trial_standin() -> Iterator[CohereStandIn]:
    with CohereStandIn(trial=True) as server:
        yield server


@pytest.fixture
def openrouter_standin() -> Iterator[OpenRouterStandIn]:
    with OpenRouterStandIn() as server:
        yield server
