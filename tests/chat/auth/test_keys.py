"""API keys: what they may do, where, how much, and when no longer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from chat.auth import last_used
from chat.auth.authentication import InvalidCredential, headers_of, principal_for
from chat.limits import TooManyQuestions, admit
from chat.models import ApiKey
from documents.powers import Power
from tests.chat.auth.keys import PAGE, ago, by_key, corpus, make_key, publishable

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)  # other threads see it
SEARCHES = "/api/v1/documents/"


def principal(secret, **headers):
    return principal_for(headers=by_key(secret, **headers), user=None, address="192.0.2.1")


# What it may do


def test_a_key_has_its_scopes_its_corpora_and_its_plan(settings):
    settings.RATE_PLANS = {"backend": (300, 20)}
    papers, expires = corpus(), timezone.now() + timedelta(days=1)
    key, secret = make_key(
        papers, scopes=["search"], plan="backend", expiry_date=expires, questions_a_day=9
    )

    found = principal(secret)

    assert (found.kind, found.id, found.corpora) == ("key", key.prefix, {papers.pk})
    assert (found.scopes, found.expires_at) == ({Power.SEARCH}, expires)
    assert (found.plan.questions_a_minute, found.plan.turns_at_once) == (300, 20)
    assert found.questions_a_day == 9


def test_a_new_key_chats_and_searches(client):
    _, secret = make_key()
    assert principal(secret).scopes == {Power.CHAT, Power.SEARCH}


def test_a_scope_that_no_key_can_have_is_ignored_wherever_it_comes_from():
    key, secret = make_key()
    ApiKey.objects.filter(pk=key.pk).update(scopes=["chat", "mint", "root"])
    assert principal(secret).scopes == {Power.CHAT}


def test_clients_of_other_apis_send_it_as_a_bearer():
    key, secret = make_key()
    found = principal_for(
        headers={"authorization": f"Bearer {secret}"}, user=None, address="192.0.2.1"
    )
    assert found.id == key.prefix


@pytest.mark.parametrize(
    "spoilt",
    ["", "x", "Api-Key", "Api-Key ", "Basic {}", "Api-Key {}x", "Api-Key x{}", "Api-Key {} {}",
     "Bearer", "Bearer {}.x", "Api-Key {},Api-Key {}", "Api-Key \x00", "Api-Key " + "a" * 9000],
)  # fmt: skip
def test_a_key_is_good_or_refused(spoilt):
    _, secret = make_key()
    header = spoilt.replace("{}", secret)
    if not header:  # no credential at all
        return
    with pytest.raises(InvalidCredential):
        principal_for(headers={"authorization": header}, user=None, address="")


@pytest.mark.parametrize(
    "change",
    [{"revoked": True}, {"suspended": True}, {"expiry_date": ago(seconds=1)}],
    ids=["revoked", "suspended", "expired"],
)
def test_a_key_that_is_over_is_refused_at_the_next_request(client, change):
    key, secret = make_key()
    assert client.get(SEARCHES, headers=by_key(secret)).status_code == 200

    ApiKey.objects.filter(pk=key.pk).update(**change)

    answer = client.get(SEARCHES, headers=by_key(secret))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Api-Key"


def test_a_suspended_key_can_be_taken_back():
    key, secret = make_key(suspended=True)
    key.suspended = False
    key.save()
    assert principal(secret).id == key.prefix


def test_a_key_and_a_visitor_token_together_are_refused(client):
    _, secret = make_key()
    answer = client.get(SEARCHES, headers=by_key(secret, **{"x-visitor-token": "x"}))
    assert (answer.status_code, "one credential" in answer.json()["detail"]) == (401, True)


def test_headers_that_come_twice_are_both():
    _, secret = make_key()
    pair = (b"Authorization", f"Api-Key {secret}".encode())
    assert principal_for(headers=headers_of([pair]), user=None, address="").may("chat")
    with pytest.raises(InvalidCredential):
        principal_for(headers=headers_of([pair, pair]), user=None, address="")
    assert headers_of([(b"Cookie", b"a=1"), (b"cookie", b"b=2")]) == {"cookie": "a=1; b=2"}


# Where


@pytest.mark.parametrize(
    ("origin", "status"),
    [(None, 200), (PAGE, 200), ("https://evil.example", 403), ("null", 403),
     ("https://docs.example.org.evil.example", 403), ("http://docs.example.org", 403),
     ("https://docs.example.org:8443", 403)],
)  # fmt: skip
def test_a_key_with_origins_is_for_these_pages_and_for_servers(client, origin, status):
    _, secret = make_key(origins=f"{PAGE}\nhttps://other.example")
    headers = by_key(secret, **({"origin": origin} if origin else {}))
    answer = client.get(SEARCHES, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "origin_not_allowed"


@pytest.mark.parametrize(
    "line",
    ["docs.example.org", "*", "https://*.example.org", "https://docs.example.org/", "null",
     "https://me@docs.example.org", "https://docs.example.org:0", "https://docs.example.org:65536",
     "ftp://docs.example.org", "https://", "https://a b", "javascript:alert(1)", "https://ü.example"],
)  # fmt: skip
def test_what_is_no_exact_origin_is_not_taken(line):
    key, _ = make_key()
    key.origins = line
    with pytest.raises(ValidationError):
        key.full_clean()


def test_origins_are_compared_as_browsers_write_them():
    key, _ = make_key(
        origins=" HTTPS://Docs.Example.org:443 \n\nhttp://localhost:3000\nhttp://[::1]:80"
    )
    key.full_clean()
    assert key.allowed_origins == {PAGE, "http://localhost:3000", "http://[::1]"}


# How much


@committed
@pytest.mark.usefixtures("early_in_a_minute")
async def test_a_plan_says_how_much_a_minute(settings):
    settings.RATE_PLANS = {"slow": (2, 1)}
    _, secret = await sync_to_async(make_key)(plan="slow")
    caller = await sync_to_async(principal)(secret)
    for _ in range(2):
        await admit(caller)
    with pytest.raises(TooManyQuestions):
        await admit(caller)


@committed
@pytest.mark.usefixtures("early_in_a_minute")
async def test_the_budget_of_a_day_is_hard(settings):
    _, secret = await sync_to_async(make_key)(questions_a_day=3)
    caller = await sync_to_async(principal)(secret)
    for _ in range(3):
        await admit(caller)
    await admit(caller, "conversations")  # costs nothing
    with pytest.raises(TooManyQuestions) as refused:
        await admit(caller)
    assert refused.value.retry_after > 60


def test_a_plan_that_is_gone_is_the_standard_one(settings):
    settings.QUESTIONS_PER_MINUTE = 7
    _, secret = make_key(plan="gone")
    assert principal(secret).plan.questions_a_minute == 7


# Kinds


def test_a_publishable_key_has_origins_whoever_makes_it():
    with pytest.raises(IntegrityError), transaction.atomic():
        make_key(kind="publishable")


@pytest.mark.parametrize("scope", ["ingest", "admin-read"])
def test_what_only_servers_may_cannot_be_published(scope):
    key, _ = publishable(scopes=["chat", scope])
    with pytest.raises(ValidationError, match="nothing else can be published"):
        key.full_clean()
    assert key.powers == {Power.MINT}
    assert key.powers_of_visitors == {Power.CHAT}


# When it was used


@pytest.fixture
def written(monkeypatch):
    """The uses that are written, as soon as they are."""
    monkeypatch.setattr(last_used, "_later", lambda write, *arguments: write(*arguments))
    monkeypatch.setattr(last_used.connections, "close_all", lambda: None)


def test_a_use_is_written_now_and_then(written, django_assert_num_queries):
    key, secret = make_key()
    principal(secret)
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    assert timezone.now() - first < timedelta(seconds=10)
    with django_assert_num_queries(2):  # the key, its corpora
        principal(secret)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=ago(minutes=6))
    principal(secret)
    assert ApiKey.objects.get(pk=key.pk).last_used_at > first


def test_nobody_waits_for_the_writing(monkeypatch):
    may_go, done = Event(), Event()

    def slow(prefix):
        may_go.wait(10)
        done.set()

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(last_used, "_later", pool.submit)
        monkeypatch.setattr(last_used, "_write", slow)
        _, secret = make_key()
        principal(secret)
        principal(secret)
        assert not done.is_set()
        may_go.set()


# In the admin


@pytest.fixture
def staff(django_user_model):
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("ada"))
    return client


def new_key(staff, **more):
    papers = corpus()
    form = {"name": "widget", "kind": "secret", "scopes": ["chat"], "corpora": [papers.pk],
            "origins": "", "plan": "", **more}  # fmt: skip
    return staff.post("/admin/chat/apikey/add/", form, follow=True)


def test_a_key_is_shown_once(staff, client):
    page = new_key(staff).content.decode()
    key = ApiKey.objects.get()
    secret = next(word for word in page.split() if word.startswith(f"{key.prefix}."))[:41]
    assert client.get(SEARCHES, headers=by_key(secret)).status_code == 200
    for address in ("/admin/chat/apikey/", f"/admin/chat/apikey/{key.pk}/change/"):
        shown = staff.get(address, follow=True).content.decode()
        assert key.prefix in shown and secret not in shown
        assert key.hashed_key not in shown.replace(key.pk, "")


@pytest.mark.parametrize(
    ("more", "says"),
    [({"scopes": ["mint"]}, "not one of the available choices"),
     ({"origins": "https://*.example.org"}, "is no origin"),
     ({"kind": "publishable"}, "names the pages"),
     ({"kind": "publishable", "origins": PAGE, "scopes": ["ingest"]}, "nothing else can be"),
     ({"plan": "gone"}, "not one of the available choices"),
     ({"questions_a_day": "0"}, "greater than or equal to 1")],
)  # fmt: skip
def test_the_admin_says_what_is_wrong_with_a_key(staff, more, says):
    assert says in new_key(staff, **more).content.decode()
    assert not ApiKey.objects.exists()


def test_what_a_key_is_cannot_be_changed_in_the_admin(staff):
    key, _ = publishable(scopes=["chat"])
    form = {"name": "widget", "kind": "secret", "scopes": ["chat"], "origins": PAGE, "plan": "",
            "corpora": [corpus().pk], "suspended": "on"}  # fmt: skip
    answer = staff.post(f"/admin/chat/apikey/{key.pk}/change/", form)
    key.refresh_from_db()
    assert (answer.status_code, key.kind, key.suspended) == (302, "publishable", True)


# Keys of before


def test_keys_that_might_ingest_still_may(transactional_db):
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    here = [("chat", "0007_what_keys_may")]
    before = [("chat", "0006_answers_by_process")]
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    executor = MigrationExecutor(connection)
    executor.migrate(before)
    try:
        Old = executor.loader.project_state(before).apps.get_model("chat", "ApiKey")
        for name, may in (("reads", False), ("fills", True)):
            Old.objects.create(id=name, prefix=name, hashed_key="x", name=name, may_ingest=may)
        executor = MigrationExecutor(connection)
        executor.migrate(here)
        New = executor.loader.project_state(here).apps.get_model("chat", "ApiKey")
        assert dict(New.objects.values_list("name", "scopes")) == {
            "reads": ["chat", "search"], "fills": ["chat", "search", "ingest"],
        }  # fmt: skip
        executor = MigrationExecutor(connection)
        executor.migrate(before)
        assert dict(Old.objects.values_list("name", "may_ingest")) == {
            "reads": False, "fills": True,
        }  # fmt: skip
        Old.objects.all().delete()
    finally:
        MigrationExecutor(connection).migrate(latest)


def test_the_first_key_of_another_prefix_is_not_this_one():
    first, _ = make_key()
    _, second = make_key()
    with pytest.raises(InvalidCredential):
        principal(f"{first.prefix}.{second.partition('.')[2]}")
