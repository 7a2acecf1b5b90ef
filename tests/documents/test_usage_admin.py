"""The page on provider usage: what was used, what is left; never a key, never for everybody."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from documents import ledger
from documents.models import ProviderUsage
from documents.upstream.metering import Spent
from tests.documents.metering import meter_of

KEY = "co-secret-0123456789-canary"
PAGE = "admin:documents_providerusage_changelist"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def used(settings):
    settings.COHERE_API_KEY, settings.COHERE_CALLS_A_MONTH = KEY, 1000
    settings.COHERE_RERANKS_A_MINUTE = 10
    meter = meter_of("cohere", lambda: datetime.now(UTC))
    for failed in (False, True):
        meter.admit("embed", model="embed-v4.0", inputs=96)
        meter.record("embed", "embed-v4.0", Spent(inputs=96, tokens_in=12_345, failed=failed))
    meter.ledger.flush()


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser("eve"))
    return client


def page(client) -> str:
    return client.get(reverse(PAGE)).content.decode()


def test_it_says_what_was_used_and_what_is_left_until_when(admin):
    text = page(admin)
    assert "1,000 calls a month: 2 used; begins anew on" in text
    assert "998 left." in text
    assert "At most 10 calls a minute (rerank)." in text
    assert "24,690" in text


def test_it_says_which_calls_a_minute_are_limited(admin, settings):
    settings.OPENROUTER_API_KEY, settings.OPENROUTER_CALLS_A_MINUTE = "key", 20
    assert "At most 20 calls a minute (chat). Free models alone." in page(admin)


def test_a_soft_budget_that_is_used_up_says_so(admin, settings):
    settings.BUDGETS, settings.COHERE_CALLS_A_MONTH = "soft", 1
    assert "calls are made nevertheless" in page(admin)


def test_the_providers_own_word_is_shown(admin, settings):
    settings.COHERE_CALLS_A_MONTH = 0
    meter = meter_of("cohere", lambda: datetime.now(UTC))
    meter.used_up("embed", model="m")
    meter.ledger.flush()
    assert "The provider itself said on" in page(admin)


def test_no_key_and_no_part_of_one_is_anywhere(admin):
    row = ProviderUsage.objects.get()
    change = reverse("admin:documents_providerusage_change", args=[row.pk])
    for text in (page(admin), admin.get(change).content.decode()):
        assert row.key in text
        assert not any(part in text for part in (KEY, KEY[:9], KEY[-6:]))


def test_only_staff_that_may_view_it_see_it(client):
    user = User.objects.create_user("joe", is_staff=True)
    client.force_login(user)
    assert client.get(reverse(PAGE)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_providerusage"))
    assert "998 left." in page(client)


def test_nobody_changes_the_record(admin):
    row = ProviderUsage.objects.get()
    for name in ("add", "delete"):
        arguments = [] if name == "add" else [row.pk]
        address = reverse(f"admin:documents_providerusage_{name}", args=arguments)
        assert admin.post(address, {"post": "yes"}).status_code == 403
    change = reverse("admin:documents_providerusage_change", args=[row.pk])
    assert admin.post(change, {"calls": 0}).status_code == 403


def test_without_providers_it_says_so(admin, settings):
    settings.COHERE_API_KEY = ""
    assert "No provider is configured" in page(admin)


def test_it_shows_how_often_the_cache_helped(admin):
    for found in (True, True, False):
        ledger.this_process.count_lookup("vectors", found=found)
    ledger.this_process.flush()

    assert "vectors: 2 of 3 (67 %)." in page(admin)
