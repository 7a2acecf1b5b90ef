"""With the keys of providers it is they who are measured; the operator's Qdrant is left alone."""

import json

import pytest
from django.core.management import call_command

from documents.models import Chunk
from documents.providers import get_index
from tests.chat.evaluation.test_cases import LAMP
from tests.chat.test_production_shape import corpus, production

__all__ = ["corpus", "production"]  # fixtures


@pytest.fixture
def evaluate(tmp_path, capsys):
    def run(*rows, **options):
        sets = []
        for row in rows:
            path = tmp_path / f"{row['id']}.jsonl"
            path.write_text(json.dumps(row))
            sets.append(str(path))
        call_command("evaluate", *sets, json=True, **options)
        return json.loads(capsys.readouterr().out)

    return run


def test_the_providers_are_measured(corpus, production, evaluate):
    openrouter, cohere = production
    cohere.requests.clear()

    # Two sets, with one event loop: clients do not outlive theirs.
    result = evaluate(LAMP, {**LAMP, "id": "again"}, corpus="lighthouse")

    parts = result["about"]["parts"]
    assert (parts["index"], parts["reranker"]) == ("qdrant", "cohere/rerank-v3.5")
    assert "cohere" in parts["embedding"]
    for one in result["sets"]:
        assert one["rows"][0]["answer"] == "The lamp turns once in twelve seconds [1]."
        assert one["rows"][0]["error"] == ""
    assert [request.path for request in cohere.requests].count("/v2/rerank") == 2
    assert len(openrouter.chats()) == 2


def test_pages_for_a_moment_are_not_written_to_qdrant(corpus, production, site, evaluate):
    qdrant, chunks = get_index(), Chunk.objects.count()
    points = qdrant.count()

    result = evaluate(LAMP, folder=site)

    assert result["about"]["parts"]["index"] == "embedded"
    assert result["sets"][0]["rows"][0]["values"]["section@5"] == 1
    assert (qdrant.count(), Chunk.objects.count()) == (points, chunks)
