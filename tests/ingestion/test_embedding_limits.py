"""The campaign against a provider that refuses, at a small size; and what its oracle notices."""

import pytest

from tests.campaigns.embedding_limits import Attempt, Campaign, LimitedCohere, production
from tests.processes import same_database
from tests.standins.qdrant_process import QdrantProcess


def test_a_hundred_documents_pass_a_provider_that_refuses_and_a_kill(
    transactional_db, settings, tmp_path
):
    with LimitedCohere(seed=3) as cohere, QdrantProcess(tmp_path / "qdrant") as qdrant:
        settings.QDRANT_URL, settings.QDRANT_API_KEY = qdrant.url, qdrant.api_key
        env = {**same_database(), **production(cohere, qdrant, redis_url="")}

        report = Campaign(3, tmp_path, documents=100, workers=1, hasty=True).run(env, cohere)

    assert report["violations"] == {}, report
    assert (report["documents"], report["killed"]) == (100, 1)
    assert 0 < report["points_at_the_kill"] < report["texts"]
    assert report["asked_to_wait"] > 0


@pytest.mark.parametrize(
    ("arrived_at", "worker", "early"),
    [
        (10.01, "page0", [0.99]),
        (10.9, "page0", [0.1]),
        (10.1, "page1", []),  # it was on its way
        (10.9, "page1", [0.1]),
        (11.0, "page0", []),
    ],
)
def test_a_call_before_its_time_is_noticed(arrived_at, worker, early):
    cohere = LimitedCohere(seed=1)
    told = Attempt(("page0-1",), 9.9, phase=1, status=429, until=11.0, told_at=10.0)

    cohere.attempts = [told, Attempt((f"{worker}-2",), arrived_at, phase=1)]

    assert cohere.early() == pytest.approx(early)
