"""Health: who asks must not keep a sleeping database awake, so no test here may use one."""

import documents.readiness
from documents.embedding.base import EmbeddingError
from documents.index.base import SpaceMismatch

LIVE, READY = "/api/v1/health/live/", "/api/v1/health/ready/"


def test_a_process_that_answers_is_live(client):
    answer = client.get(LIVE)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_it_is_ready_when_questions_can_be_answered(client):
    answer = client.get(READY)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "problems": []})


def test_it_is_not_ready_while_something_is_broken_and_says_what(
    client, monkeypatch, transactional_db
):
    def damaged():
        raise EmbeddingError("The model is damaged.", retryable=False)

    def mismatched():
        raise SpaceMismatch("The collection is of another space.")

    with monkeypatch.context() as broken:
        broken.setattr(documents.readiness, "get_local_embedder", damaged)
        broken.setattr(documents.readiness, "get_index", mismatched)
        documents.readiness.warm_up()
        answer = client.get(READY)
        assert (answer.status_code, answer.json()["problems"]) == (
            503, ["The model is damaged.", "The collection is of another space."],
        )  # fmt: skip
        assert client.get(LIVE).status_code == 200

    assert client.get(READY).status_code == 200  # mended: found out without a restart


def test_neither_asks_the_database(client, django_assert_num_queries, db):
    client.cookies["sessionid"] = "of somebody who was signed in"
    with django_assert_num_queries(0):
        client.get(LIVE)
        client.get(READY)


def test_neither_sets_a_cookie(client):
    assert not client.get(LIVE).cookies
    assert not client.get(READY).cookies
