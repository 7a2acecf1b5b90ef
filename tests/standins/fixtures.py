"""Pytest fixtures: a stand-in of each service, fresh for every test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.standins import CohereStandIn, OpenRouterStandIn

if TYPE_CHECKING:
    from tests.standins.qdrant import QdrantStandIn


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


@pytest.fixture
def qdrant_standin() -> "Iterator[QdrantStandIn]":
    from tests.standins.qdrant import QdrantStandIn  # only where the engine can be had

    with QdrantStandIn() as server:
        yield server
