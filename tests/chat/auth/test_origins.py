"""Pages of other origins: those of keys and of the settings may read the API, no others."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from chat.auth import origins, visitors
from chat.models import ApiKey, Conversation, Message
from documents.models import Corpus
from tests.chat.auth.keys import PAGE, TOKENS, ago, by_key, make_key, publishable

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)  # other keys count from the commit on
EVIL = "https://evil.example"
DOCUMENTS = "/api/v1/documents/"
ALLOW = "Access-Control-Allow-Origin"


def preflight(client, path=TOKENS, origin=PAGE):
    return client.options(
        path,
        headers={"origin": origin, "access-control-request-method": "POST",
                 "access-control-request-headers": "authorization"},
    )  # fmt: skip


def test_pages_of_keys_may_read_and_send_their_credentials_themselves(client):
    _, secret = publishable()
    answer = preflight(client)
    assert (answer.status_code, answer[ALLOW]) == (200, PAGE)
    assert "authorization" in answer["Access-Control-Allow-Headers"]
    assert "x-visitor-token" in answer["Access-Control-Allow-Headers"]
    answer = client.post(TOKENS, {}, content_type="application/json",
                         headers=by_key(secret, origin=PAGE))  # fmt: skip
    assert (answer.status_code, answer[ALLOW]) == (201, PAGE)
    assert "Access-Control-Allow-Credentials" not in answer
    for name in ("ETag", "Retry-After", "X-Request-ID"):
        assert name in answer["Access-Control-Expose-Headers"]
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize(
    "origin",
    [EVIL, "null", "https://docs.example.org.evil.example", "", "x", "http://docs.example.org",
     "https://docs.example.org:444"],
)  # fmt: skip
def test_other_pages_may_not(client, origin):
    publishable()
    assert ALLOW not in preflight(client, origin=origin)
    assert ALLOW not in client.get(DOCUMENTS, headers={"origin": origin})


@pytest.mark.parametrize("path", ["/", "/admin/", "/read/x/y/", "/admin/login/", "/apis/"])
def test_only_the_api_can_be_read_from_elsewhere(client, path):
    publishable()
    assert ALLOW not in client.get(path, headers={"origin": PAGE})


@committed
@pytest.mark.parametrize(
    "change",
    [{"revoked": True}, {"suspended": True}, {"expiry_date": ago(seconds=1)}],
    ids=["revoked", "suspended", "expired"],
)
def test_with_the_key_its_pages_are_locked_out(client, change):
    key, _ = publishable()
    assert ALLOW in preflight(client)
    for name, value in change.items():
        setattr(key, name, value)
    key.save()
    assert ALLOW not in preflight(client)


def test_the_settings_name_pages_of_their_own(client, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    assert preflight(client, origin="https://app.example.org")[ALLOW] == "https://app.example.org"
    assert ALLOW not in preflight(client, origin="http://app.example.org")


def test_the_database_is_asked_once_a_minute(client, django_assert_num_queries):
    publishable()
    origins.of_keys()
    with django_assert_num_queries(0):
        for _ in range(5):
            assert origins.may_read(PAGE) and not origins.may_read(EVIL)


def test_a_request_of_no_page_asks_nothing(client, monkeypatch):
    monkeypatch.setattr(origins, "of_keys", lambda: pytest.fail("asked"))
    assert client.get("/api/v1/health/live/").status_code == 200


def test_neither_our_own_pages_nor_probes_of_health_ask_anything(client, monkeypatch):
    monkeypatch.setattr(origins, "of_keys", lambda: pytest.fail("asked"))
    answer = client.get(DOCUMENTS, headers={"origin": "http://own.example", "host": "own.example"})
    assert (answer.status_code, "origin" in answer["Vary"].lower()) == (200, True)
    assert client.get("/api/v1/health/live/", headers={"origin": EVIL}).status_code == 200


@committed
def test_asking_leaves_no_connection_open(monkeypatch):
    publishable()
    monkeypatch.setattr(origins, "_known", origins._Known(frozenset(), "", 0.0))
    connection.close()
    assert origins.may_read(PAGE)
    assert connection.connection is None


@committed
def test_a_connection_that_somebody_uses_stays_open(monkeypatch):
    publishable()
    monkeypatch.setattr(origins, "_known", origins._Known(frozenset(), "", 0.0))
    ApiKey.objects.exists()
    assert origins.may_read(PAGE)
    assert connection.connection is not None


@committed
def test_a_stream_to_a_page_holds_no_connection(client, monkeypatch):
    publishable()
    corpus = Corpus.objects.create(slug="talk", name="Talk", is_public=True)
    token = visitors.new_token()
    talk = Conversation.objects.create(corpus=corpus, owner=f"visitor:{visitors.visitor_id(token)}")
    message = Message.objects.create(conversation=talk, role="assistant", text="Once.")
    monkeypatch.setattr(origins, "_known", origins._Known(frozenset(), "", 0.0))
    answer = client.get(
        f"/api/v1/messages/{message.pk}/events/",
        headers={"origin": PAGE, "accept": "text/event-stream", "x-visitor-token": token},
    )
    assert (answer.status_code, answer[ALLOW], answer.streaming) == (200, PAGE, True)
    assert connection.connection is None
    answer.close()


@committed
def test_while_the_database_is_away_what_was_known_counts(monkeypatch):
    publishable()
    assert origins.may_read(PAGE)
    make_key()

    def away(*arguments):
        raise OperationalError("away")

    monkeypatch.setattr(ApiKey.objects, "get_usable_keys", away)
    assert origins.may_read(PAGE)


# Websockets


@pytest.mark.parametrize(
    ("origin", "may"),
    [("https://chat.example.org", True), ("https://chat.example.org:443", True), (PAGE, True),
     ("https://app.example.org", True), ("https://behind.example.org", True),
     ("http://chat.example.org", False), ("https://chat.example.org:8443", False),
     ("https://other.example.org", False), (EVIL, False), ("null", False), ("", False),
     ("file://chat.example.org", False), ("https://chat.example.org/", False),
     ("https://chat.example.org.evil.example", False)],
)  # fmt: skip
def test_who_may_open_a_websocket(settings, rf, origin, may):
    settings.ALLOWED_HOSTS = ["chat.example.org", "other.example.org"]
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://behind.example.org"]
    publishable(expiry_date=timezone.now() + timedelta(days=1))
    request = rf.get("/", secure=True, headers={"origin": origin, "host": "chat.example.org"})
    assert origins.allowed(request) is may
