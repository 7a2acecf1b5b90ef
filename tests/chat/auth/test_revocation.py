"""Whether principals are still good, asked without their headers, many at once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from chat.auth.authentication import InvalidCredential, principal_for
from chat.auth.revocation import good_ones, revision, still_good
from chat.auth.sessions import user_of
from chat.models import ApiKey
from documents.models import Corpus
from documents.powers import Power
from tests.chat.auth.keys import (
    PAGE,
    ago,
    by_key,
    by_visitor,
    corpus,
    make_key,
    minted,
    publishable,
)
from tests.processes import manage, same_database

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)  # the revision changes with a commit
CONVERSATIONS = "/api/v1/conversations/"


@pytest.fixture
def open_corpus():
    return corpus("open", public=True)


@pytest.fixture
def private():
    return corpus("papers")


@pytest.fixture
def ben(open_corpus):
    return User.objects.create_user("ben", password="a long one")


@pytest.fixture
def browser(ben):
    client = Client()
    client.force_login(ben)
    return client


def signed_in(browser):
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    return principal_for(headers={"cookie": cookie}, user=user_of(cookie), address="")


def with_key(**more):
    return principal_for(headers=by_key(make_key(**more)[1]), user=None, address="")


def through_widget():
    token = minted(publishable()[1]).json()["token"]
    return principal_for(headers=by_visitor(token), user=None, address="192.0.2.1")


def visitor():
    return principal_for(headers={}, user=None, address="192.0.2.1")


# Good


def test_whoever_was_good_still_is(browser, private):
    everybody = [signed_in(browser), with_key(), through_widget(), visitor()]
    assert good_ones(everybody) == set(everybody)
    assert still_good(everybody[0])


def test_asking_for_many_takes_a_few_queries(browser, private, django_assert_max_num_queries):
    everybody = [signed_in(browser), visitor(), *(with_key() for _ in range(5)),
                 *(through_widget() for _ in range(5))]  # fmt: skip
    with django_assert_max_num_queries(5):
        assert len(good_ones(everybody)) == len(set(everybody))


# Not any more


@pytest.mark.parametrize("who", [with_key, through_widget])
@pytest.mark.parametrize(
    "change",
    [{"revoked": True}, {"suspended": True}, {"expiry_date": ago(seconds=1)}, {"scopes": []}],
    ids=["revoked", "suspended", "expired", "without scopes"],
)
def test_a_key_and_its_visitors_end_together(private, who, change):
    principal = who()
    ApiKey.objects.update(**change)
    assert not still_good(principal)


@pytest.mark.parametrize("who", [with_key, through_widget])
def test_a_key_that_lost_a_corpus(private, who):
    principal = who()
    for key in ApiKey.objects.all():
        key.corpora.clear()
    assert not still_good(principal)


@pytest.mark.parametrize("who", [lambda: with_key(origins=PAGE), through_widget])
def test_a_key_whose_page_was_taken_from_it(private, who):
    principal = who()
    assert still_good(principal)
    ApiKey.objects.update(origins="https://another.example")
    assert not still_good(principal)
    ApiKey.objects.update(origins=f"https://another.example\n{PAGE}")
    assert still_good(principal)


def test_a_key_of_any_page_that_is_for_one_now(private):
    principal = with_key()
    ApiKey.objects.update(origins=PAGE)
    assert not still_good(principal)


def test_a_session_ends_when_its_time_is_over_though_nothing_was_changed(browser):
    assert signed_in(browser).expires_at == Session.objects.get().expire_date


def test_what_has_expired(private):
    principal = with_key()
    now = timezone.now()
    assert still_good(replace(principal, expires_at=now + timedelta(minutes=1)))
    assert not still_good(replace(principal, expires_at=now - timedelta(seconds=1)))


def suspended(ben, browser):
    User.objects.update(is_active=False)


def deleted(ben, browser):
    ben.delete()


def signed_out(ben, browser):
    browser.logout()


def another_password(ben, browser):
    ben.set_password("another long one")
    ben.save()


def session_over(ben, browser):
    Session.objects.update(expire_date=ago(seconds=1))


@pytest.mark.parametrize("event", [suspended, deleted, signed_out, another_password, session_over])
def test_a_user_who_is_not_good_any_more(ben, browser, event):
    principal = signed_in(browser)
    event(ben, browser)
    assert not still_good(principal)


def test_a_corpus_that_became_private_is_lost_to_users_and_visitors(browser, open_corpus):
    principals = [signed_in(browser), visitor()]
    Corpus.objects.update(is_public=False)
    assert good_ones(principals) == set()


def test_staff_keep_what_their_permissions_give(ben, browser, open_corpus, private):
    for name in ("view_corpus", "change_source"):
        ben.user_permissions.add(Permission.objects.get(codename=name))
    principal = signed_in(browser)
    assert (principal.corpora, principal.may("ingest")) == ({open_corpus.pk, private.pk}, True)
    assert still_good(principal)
    ben.user_permissions.remove(Permission.objects.get(codename="change_source"))
    assert not still_good(principal)


def test_the_session_is_not_shown(browser):
    principal = signed_in(browser)
    assert principal.session and principal.session not in repr(principal)
    assert principal.session_hash not in repr(principal)


# Suspended


def test_the_session_of_a_suspended_account_is_refused(ben, browser):
    assert browser.get(CONVERSATIONS).status_code == 200
    User.objects.update(is_active=False)
    assert browser.get(CONVERSATIONS).status_code == 401
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    with pytest.raises(InvalidCredential, match="suspended"):
        principal_for(headers={"cookie": cookie}, user=user_of(cookie), address="")


def test_a_key_works_whoever_s_browser_it_is_in(ben, browser, private):
    User.objects.update(is_active=False)
    _, secret = make_key()
    assert browser.get(CONVERSATIONS, headers=by_key(secret)).status_code == 200


# Who is told


@committed
def test_the_revision_changes_with_whatever_takes_access_away(ben, browser, private, open_corpus):
    key, _ = make_key(private)
    group = Group.objects.create(name="readers")

    def revoke():
        key.revoked = True
        key.save()

    events = [
        revoke, lambda: key.corpora.clear(), lambda: key.delete(),
        lambda: ben.groups.add(group), lambda: ben.user_permissions.clear() or ben.save(),
        lambda: group.permissions.add(Permission.objects.get(codename="view_corpus")),
        lambda: group.delete(), lambda: browser.logout(), lambda: open_corpus.save(),
        lambda: ben.delete(),
    ]  # fmt: skip
    for number, event in enumerate(events):
        before = revision()
        event()
        assert revision() != before, number


@committed
def test_a_sign_in_and_the_use_of_a_key_change_nothing(ben, private):
    before = revision()
    browser = Client()
    browser.force_login(ben)
    with_key_before = revision()
    key, _ = make_key()
    made = revision()
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    assert (before, made) == (with_key_before, revision())


@committed
def test_it_is_told_when_the_change_can_be_seen(ben):
    from django.db import transaction

    before = revision()
    with transaction.atomic():
        ben.is_active = False
        ben.save()
        assert revision() == before
    assert revision() != before


@committed
def test_another_process_of_this_machine_changes_it_without_redis(ben, settings, tmp_path):
    settings.REDIS_URL, settings.AUTH_REVISION = "", tmp_path / "auth-revision"
    before = revision()

    suspend = "User.objects.get(username='ben').save()"
    imports = "from django.contrib.auth.models import User"
    env = {**same_database(), "VAR_DIR": str(tmp_path)}
    ended = manage("shell", "-c", f"{imports}; {suspend}", env=env)

    assert (ended.returncode, revision() != before) == (0, True), ended.stderr


def test_powers_of_a_widget_s_visitor_are_not_those_of_its_key(private):
    principal = through_widget()
    assert still_good(principal)
    assert not still_good(replace(principal, scopes=frozenset({Power.INGEST})))
