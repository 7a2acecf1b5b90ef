"""Whoever guesses passwords is stopped; whoever knows one is not, if they come from elsewhere."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import AsyncClient

from documents.models import AuditEntry

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def ada():
    return User.objects.create_user("ada", password="right-horse", is_staff=True)


def sign_in(client, password, username="ada", address="203.0.113.7", **headers):
    form = {"username": username, "password": password}
    return client.post(LOGIN, form, REMOTE_ADDR=address, headers=headers)


def guess(client, times=5, **how):
    return [sign_in(client, f"wrong-{n}", **how).status_code for n in range(times)]


def test_the_fifth_wrong_password_closes_the_door(client):
    assert guess(client) == [200, 200, 200, 200, 429]
    refused = sign_in(client, "right-horse")
    assert refused.status_code == 429
    assert refused["Retry-After"] == "900"
    assert "Wait 15 minutes" in refused.text
    assert "ada" not in refused.text


def test_four_wrong_ones_do_not(client):
    guess(client, 4)
    assert sign_in(client, "right-horse").status_code == 302
    guess(client, 4)
    assert sign_in(client, "right-horse").status_code == 302


def test_it_is_the_account_and_the_address_that_are_counted(client):
    guess(client)
    assert sign_in(client, "right-horse", address="198.51.100.1").status_code == 302
    User.objects.create_user("bo", password="right-horse", is_staff=True)
    assert sign_in(client, "right-horse", username="bo").status_code == 302


def test_nobody_gets_more_guesses_by_making_up_addresses(client, settings):
    forged = [sign_in(client, "wrong", **{"x-forwarded-for": f"10.0.0.{n}"}) for n in range(5)]
    assert forged[-1].status_code == 429
    settings.TRUSTED_PROXIES = 1
    forged = [
        sign_in(client, "wrong", **{"x-forwarded-for": f"10.0.0.{n}, 192.0.2.1"}) for n in range(5)
    ]
    assert forged[-1].status_code == 429
    elsewhere = sign_in(client, "right-horse", **{"x-forwarded-for": "192.0.2.9"})
    assert elsewhere.status_code == 302


def test_one_ipv6_network_is_one_guesser(client):
    refused = [sign_in(client, "wrong", address=f"2001:db8::{n}") for n in range(1, 6)]
    assert refused[-1].status_code == 429


def test_each_failure_and_the_lock_are_on_record_once(client, ada):
    guess(client, 9)
    actions = list(AuditEntry.objects.order_by("number").values_list("action", "target"))
    failures = [a for a in actions if a[0] == "user.sign_in_failed"]
    assert failures == [("user.sign_in_failed", f"user:{ada.pk}")] * 5
    assert actions.count(("user.locked_out", f"user:{ada.pk}")) == 1


def test_no_log_names_the_account(client, caplog):
    with caplog.at_level("DEBUG"):
        guess(client, 6)
    assert "ada" not in caplog.text
    assert "203.0.113.7" not in caplog.text


@pytest.mark.django_db(transaction=True)
async def test_it_holds_behind_asgi():
    client = AsyncClient()
    form = {"username": "nobody", "password": "wrong"}
    codes = [(await client.post(LOGIN, form)).status_code for _ in range(6)]
    assert codes == [200, 200, 200, 200, 429, 429]


def test_without_redis_people_sign_in_and_guesses_are_counted(client, settings):
    away = {"LOCATION": "redis://127.0.0.1:9", "OPTIONS": {"socket_connect_timeout": 0.3}}
    settings.CACHES = {"default": {"BACKEND": "documents.caching.SharedCache", **away}}
    assert sign_in(client, "right-horse").status_code == 302
    assert guess(client)[-1] == 429


def test_a_count_that_is_lost_in_between_is_begun_anew(client, monkeypatch):
    guess(client, 1)
    failed = []

    def lost(*args, **kwargs):
        failed.append(1)
        monkeypatch.undo()
        caches["default"].clear()
        raise ValueError("Key not found")

    monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache.incr", lost)
    monkeypatch.setattr("documents.caching.SharedCache.incr", lost)
    assert guess(client, 1) == [200]
    assert failed == [1]
