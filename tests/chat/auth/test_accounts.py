"""Accounts at the sign-in server, as users here: one each, with no more than others have."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client

from chat.auth.authentication import InvalidCredential, principal_for
from chat.auth.better_auth import Claims, account_of
from chat.auth.revocation import still_good
from chat.models import Account, Conversation
from documents.powers import READING
from tests.better_auth.issuer import AUDIENCE, ISSUER, Issuer, Key
from tests.chat.auth.keys import JSON, by_key, corpus, make_key

CONVERSATIONS = "/api/v1/conversations/"


@pytest.fixture(scope="module")
def issuer():
    with Issuer(Key("first")) as running:
        yield running


@pytest.fixture
def accepting(settings, issuer, db):
    settings.BETTER_AUTH_URL = issuer.url
    settings.BETTER_AUTH_ISSUER, settings.BETTER_AUTH_AUDIENCE = ISSUER, AUDIENCE
    corpus("open", public=True)
    corpus("papers")
    return issuer


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def principal(token):
    return principal_for(headers=bearer(token), user=None, address="")


def test_whoever_comes_first_gets_a_user_without_a_password(accepting):
    found = principal(accepting.token())
    account = Account.objects.get()
    user = account.user
    assert (found.kind, found.id, found.scopes) == ("user", str(user.pk), READING)
    assert found.corpora == {corpus("open").pk}
    assert (account.issuer, account.subject, str(account)) == (ISSUER, "ada", "ada@example.org")
    assert not user.has_usable_password() and not user.is_staff and user.email == ""


def test_a_token_lasts_as_long_as_it_says(accepting):
    expires = accepting.claims()["exp"] - 100
    assert principal(accepting.token(exp=expires)).expires_at.timestamp() == expires


def test_the_same_account_is_the_same_user(accepting):
    first, again = principal(accepting.token()), principal(accepting.token(email="new@example.org"))
    assert first.id == again.id
    assert Account.objects.get().email == "new@example.org"
    assert principal(accepting.token(sub="eve")).id != first.id


def test_conversations_are_those_of_the_account(accepting, client):
    ada, eve = bearer(accepting.token()), bearer(accepting.token(sub="eve"))
    made = client.post(CONVERSATIONS, {"corpus": "open"}, content_type=JSON, headers=ada)
    mine = f"{CONVERSATIONS}{made.json()['id']}/"
    assert (made.status_code, "visitor_token" in made.json()) == (201, False)
    assert client.get(mine, headers=ada).status_code == 200
    assert client.get(mine, headers=eve).status_code == 404
    assert Conversation.objects.get().owner == f"user:{Account.objects.get(subject='ada').user_id}"


def test_an_address_for_mail_makes_nobody_somebody_else(accepting):
    admin = User.objects.create_superuser("ada", email="ada@example.org")
    found = principal(accepting.token(email="ada@example.org", email_verified=True))
    assert found.id != str(admin.pk)
    assert found.scopes == READING


@pytest.mark.parametrize(
    "claims",
    [{"role": "admin"}, {"is_staff": True, "is_superuser": True}, {"scopes": ["ingest"]},
     {"corpora": ["papers"]}, {"permissions": ["documents.view_corpus"]}, {"user": {"id": 1}}],
)  # fmt: skip
def test_no_claim_gives_more(accepting, claims):
    found = principal(accepting.token(**claims))
    assert (found.scopes, found.corpora) == (READING, {corpus("open").pk})


def test_what_our_database_gives_an_account_it_has(accepting):
    principal(accepting.token())
    for name in ("view_corpus", "change_source"):
        Account.objects.get().user.user_permissions.add(Permission.objects.get(codename=name))
    found = principal(accepting.token())
    assert found.may("ingest") and len(found.corpora) == 2


@pytest.mark.parametrize("email", [None, 7, ["x"], "", "x\x00y", "a" * 2000, "line\nbreak"])
def test_an_address_that_is_none_is_not_shown(accepting, email):
    principal(accepting.token(email=email))
    assert Account.objects.get().email in ("", "a" * 254)


@pytest.mark.django_db(transaction=True)
def test_many_requests_at_once_make_one_user(accepting):
    claims = Claims(ISSUER, "ada", None, "ada@example.org")

    def first_sight(_):
        try:
            return account_of(claims).user_id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        users = set(pool.map(first_sight, range(16)))
    assert len(users) == Account.objects.count() == User.objects.count() == 1


def test_a_suspended_account_is_refused_by_every_credential(accepting, client):
    found = principal(accepting.token())
    user = Account.objects.get().user
    browser = Client()
    browser.force_login(user)
    assert still_good(found) and browser.get(CONVERSATIONS).status_code == 200

    user.is_active = False
    user.save()

    assert not still_good(found)
    assert client.get(CONVERSATIONS, headers=bearer(accepting.token())).status_code == 401
    assert browser.get(CONVERSATIONS).status_code == 401
    with pytest.raises(InvalidCredential, match="suspended"):
        principal(accepting.token())


def test_a_token_needs_no_csrf_token_and_a_session_does(accepting):
    browser = Client(enforce_csrf_checks=True)
    principal(accepting.token())
    body = {"data": {"corpus": "open"}, "content_type": JSON}
    assert browser.post(CONVERSATIONS, headers=bearer(accepting.token()), **body).status_code == 201
    browser.force_login(Account.objects.get().user)
    assert browser.post(CONVERSATIONS, **body).status_code == 403


def test_a_token_outranks_the_session_beside_it(accepting):
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    browser.post(CONVERSATIONS, {"corpus": "open"}, content_type=JSON,
                 headers=bearer(accepting.token()))  # fmt: skip
    assert Conversation.objects.get().owner == f"user:{Account.objects.get().user_id}"


def test_tokens_and_keys_are_told_apart(accepting, client):
    _, secret = make_key()
    assert client.get(CONVERSATIONS, headers=by_key(secret)).status_code == 200
    assert client.get(CONVERSATIONS, headers=bearer(secret)).status_code == 200
    wrong = {"authorization": f"Api-Key {accepting.token()}"}
    assert client.get(CONVERSATIONS, headers=wrong).status_code == 401


def test_the_admin_finds_the_user_of_an_account(accepting, admin_client):
    principal(accepting.token())
    user = Account.objects.get().user
    page = admin_client.get("/admin/chat/account/?q=ada@example.org").content.decode()
    assert user.username in page and "ada@example.org" in page
    assert admin_client.get("/admin/chat/account/add/").status_code == 403
    address = f"/admin/chat/account/{Account.objects.get().pk}/delete/"
    assert admin_client.post(address, {"post": "yes"}).status_code == 403
