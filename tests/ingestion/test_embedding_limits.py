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


@pytest.mark.parametrize(("arrived_at", "early"), [(10.1, []), (10.9, [0.1]), (11.0, [])])
def test_a_call_before_its_time_is_noticed_unless_it_was_on_its_way(arrived_at, early):
    cohere = LimitedCohere(seed=1)
    told = Attempt(("a",), arrived_at=10.0, phase=1, status=429, until=11.0)

    cohere.attempts = [told, Attempt(("b",), arrived_at, phase=1)]

    assert cohere.early() == pytest.approx(early)
