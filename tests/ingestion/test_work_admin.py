"""The page of a run in the admin: what it shows, who may steer, and what watching costs."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from documents.models import Corpus, Source
from ingestion import watching
from ingestion.models import IngestionRun
from ingestion.progress import Progress, forget_progress, publish_progress

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def source():
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location="/pages")


@pytest.fixture
def run(source):
    run = IngestionRun.objects.create(
        source=source, status="running", total=40, started_at=timezone.now() - timedelta(seconds=5)
    )
    yield run
    forget_progress(run.pk)


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser("eve"))
    return client


@pytest.fixture
def staff(client):
    """Log in somebody with these permissions only."""

    def log_in(*codenames):
        user = User.objects.create_user("joe", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


def page_of(run):
    return reverse("admin:ingestion_ingestionrun_change", args=[run.pk])


def address_of(run, action):
    return reverse(f"admin:ingestion_ingestionrun_{action}", args=[run.pk])


def watch(run):
    return reverse("admin:ingestion_ingestionrun_watch", args=[watching.token_for(run.pk)])


# Watching


def test_watching_a_run_at_work_asks_no_database(client, run, django_assert_num_queries):
    publish_progress(run, {"new": 9, "failed": 1}, "guide/lamp.md")
    address = watch(run)

    with django_assert_num_queries(0):
        answer = client.get(address)

    sight = answer.json()
    assert (sight["status"], sight["finished"], sight["done"], sight["total"]) == (
        "running", False, 10, 40,
    )  # fmt: skip
    assert (sight["troubled"], sight["again_in"]) == (1, 1.5)
    assert sight["texts"]["current"] == "guide/lamp.md"
    assert sight["texts"]["done"] == "10 of 40"
    assert sight["texts"]["left"].startswith("about 1")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_without_news_it_asks_for_the_row_alone(client, run, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert client.get(watch(run)).json()["status"] == "running"


def test_a_run_that_waits_is_asked_for_when_it_is_due(client, run):
    run.wait(120, {"new": 3, "waiting": 1}, "too many requests")
    sight = client.get(watch(run)).json()
    assert 110 < sight["again_in"] <= 120
    assert "Next attempt at" in sight["texts"]["state"]


def test_a_finished_run_says_so(client, run):
    run.finish(IngestionRun.Status.SUCCEEDED, {"new": 40}, "")
    sight = client.get(watch(run)).json()
    assert (sight["finished"], sight["done"]) == (True, 40)


def test_a_token_opens_one_run_for_a_while_and_nothing_else(client, run, monkeypatch):
    def status(token):
        address = reverse("admin:ingestion_ingestionrun_watch", args=[token])
        return client.get(address).status_code

    assert status(watching.token_for(run.pk)) == 200
    assert status(watching.token_for(999_999)) == 404
    assert status(str(run.pk)) == 403
    assert status(signing.dumps(run.pk, salt="other")) == 403
    assert status(watching.token_for(run.pk)[:-1]) == 403
    monkeypatch.setattr(watching, "TOKEN_SECONDS", -1)
    assert status(watching.token_for(run.pk)) == 403


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"), (0, "about 1 second"), (89, "about 89 seconds"), (91, "about 2 minutes"),
        (5000, "about 83 minutes"), (7300, "about 2 hours"),
    ],
)  # fmt: skip
def test_a_time_is_said_in_words(seconds, words):
    assert watching.duration(seconds) == words


@pytest.mark.parametrize("status", IngestionRun.Status.values)
def test_every_state_has_plain_words(status):
    texts = watching.sight(Progress(status, 0, None, {}, "", None, None))["texts"]
    assert texts["state"].endswith((".",))
    assert texts["done"] == "0"


# When nobody is there to do it


@pytest.fixture
def seen(monkeypatch, settings):
    """Say how many minutes ago a worker left a sign of life; None: the queue knows of none."""
    settings.WORKER = "external"

    def seen(minutes):
        at = None if minutes is None else timezone.now() - timedelta(minutes=minutes)
        monkeypatch.setattr(watching, "worker_seen_at", lambda: at)

    return seen


def queued_for(run, minutes, **more):
    created_at = timezone.now() - timedelta(minutes=minutes)
    more = {"status": "queued", "started_at": None, **more}
    IngestionRun.objects.filter(pk=run.pk).update(created_at=created_at, **more)
    run.refresh_from_db()
    return run


def state_of(client, run):
    return client.get(watch(run)).json()["texts"]["state"]


def test_a_run_that_waits_for_a_worker_that_is_not_there_says_so(
    client, admin, run, seen, django_assert_num_queries
):
    seen(14)
    queued_for(run, 1)
    told = "No worker has been seen for about 14 minutes. Start `manage.py run_huey`."
    with django_assert_num_queries(1):  # as without
        assert state_of(client, run) == f"Queued: the next free worker takes it up. {told}"
    assert told in admin.get(page_of(run)).content.decode()


def test_while_a_worker_is_there_it_only_waits_for_its_turn(client, run, seen):
    seen(1)
    assert state_of(client, queued_for(run, 60)) == "Queued: the next free worker takes it up."


@pytest.mark.parametrize(("minutes", "told"), [(1, False), (5, True)])
def test_where_no_worker_was_ever_seen_the_run_itself_says_for_how_long(
    client, run, seen, minutes, told
):
    seen(None)
    state = state_of(client, queued_for(run, minutes))
    assert ("No worker has been seen for about 5 minutes." in state) is told


@pytest.mark.parametrize(
    ("status", "heartbeat", "next_attempt", "told"),
    [
        ("running", 0, None, False),  # by a command: there need not be a worker
        ("running", 7, None, True),  # whoever did it is dead
        ("waiting", 7, -5, False),
        ("waiting", 7, 7, True),  # handed back, and nobody there to go on
        ("failed", 7, None, False),
    ],
)
def test_so_does_one_that_began_if_nobody_goes_on_with_it(
    client, run, seen, status, heartbeat, next_attempt, told
):
    def ago(minutes):
        return None if minutes is None else timezone.now() - timedelta(minutes=minutes)

    seen(30)
    queued_for(
        run, 60, status=status, heartbeat_at=ago(heartbeat), next_attempt_at=ago(next_attempt)
    )
    assert ("No worker has been seen for about 7 minutes." in state_of(client, run)) is told


def test_the_remedy_fits_the_installation(client, run, seen, settings):
    seen(14)
    settings.WORKER, settings.REDIS_URL = "auto", ""
    assert "Start the server as `make run` does, or" in state_of(client, queued_for(run, 9))
    settings.WORKER = "none"
    seen(None)
    assert "Nobody works in the background: WORKER is none." in state_of(client, run)


def test_a_queue_that_is_away_is_a_reason_too(client, run, settings, monkeypatch):
    def away():
        raise OSError("away")

    monkeypatch.setattr(watching, "worker_seen_at", away)
    assert "The queue does not answer" in state_of(client, queued_for(run, 0))


# The page


def test_the_page_of_a_run_at_work_shows_it_and_watches(admin, run):
    run.items.create(
        key="slow.md", outcome="waiting", reason="too many requests",
        next_attempt_at=timezone.now() + timedelta(minutes=5),
    )  # fmt: skip
    run.items.create(key=SCRIPT, outcome="failed", reason=SCRIPT)
    publish_progress(run, {"new": 9, "failed": 1}, SCRIPT)

    page = admin.get(page_of(run)).content.decode()

    assert 'max="40" value="10"' in page
    assert re.search(r'data-address="/admin/ingestion/ingestionrun/watch/[\w:.-]+/"', page)
    assert 'aria-live="polite"' in page
    assert "too many requests" in page
    assert "slow.md" in page
    assert f'action="{address_of(run, "cancel")}"' in page
    assert "<script>alert" not in page
    assert not re.findall(r"<script>|<style>|style=\"|onclick", page)


def test_the_page_of_a_finished_run_does_not_watch(admin, run):
    run.finish(IngestionRun.Status.INCOMPLETE, {"new": 39, "failed": 1}, "")
    page = admin.get(page_of(run)).content.decode()
    assert "data-address" not in page
    assert "Done, but some documents failed." in page


def test_a_run_of_ten_thousand_failures_is_a_page_of_two_hundred(admin, run):
    run.items.bulk_create(
        run.items.model(run=run, key=f"{n}.md", outcome="failed") for n in range(10_000)
    )
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = admin.get(page_of(run)).content.decode()
    assert page.count('<th scope="row">') == 200
    assert "The first 200 of 10000." in page
    assert len(page) < 300_000
    assert len(queries) < 15
    all_of_them = f"{reverse('admin:ingestion_ingestionitem_changelist')}?run__id__exact={run.pk}"
    assert all_of_them in page
    assert (
        "10000 ingestion items"
        in admin.get(all_of_them + "&outcome__exact=failed").content.decode()
    )


# Steering


@pytest.fixture
def failed(run):
    for key in ("bad.md", "worse.md"):
        run.items.create(key=key, outcome="failed", reason="no parser")
    run.finish(IngestionRun.Status.INCOMPLETE, {"new": 38, "failed": 2}, "")
    return run


def test_a_run_is_cancelled(admin, run):
    answer = admin.post(address_of(run, "cancel"), follow=True)
    run.refresh_from_db()
    assert run.cancel_requested
    assert "Cancelled; a run at work stops at its next document." in answer.content.decode()
    assert "It was asked to stop" in answer.content.decode()


def test_all_that_failed_is_tried_again(admin, failed):
    assert "Try again what failed" in admin.get(page_of(failed)).content.decode()
    answer = admin.post(address_of(failed, "retry"))
    again = IngestionRun.objects.first()
    assert answer.headers["Location"] == page_of(again)
    assert (again.only, again.trigger) == (["bad.md", "worse.md"], "admin")


def test_one_that_failed_is_tried_again(admin, failed):
    assert 'aria-label="Try bad.md again"' in admin.get(page_of(failed)).content.decode()
    admin.post(address_of(failed, "retry"), {"key": "bad.md"})
    assert IngestionRun.objects.first().only == ["bad.md"]


def test_what_did_not_fail_is_not_tried_again(admin, failed):
    answer = admin.post(address_of(failed, "retry"), {"key": "good.md"}, follow=True)
    assert "These did not fail in this run: good.md." in answer.content.decode()
    assert IngestionRun.objects.count() == 1


def test_steering_needs_the_permission_to_change(staff, failed):
    client = staff("view_ingestionrun", "view_ingestionitem")
    page = client.get(page_of(failed)).content.decode()
    assert "bad.md" in page
    assert "Try again" not in page
    answers = [client.post(address_of(failed, action)) for action in ("cancel", "retry")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert IngestionRun.objects.count() == 1


def test_who_may_change_may_steer(staff, failed):
    client = staff("view_ingestionrun", "change_ingestionrun")
    assert "Try again" in client.get(page_of(failed)).content.decode()
    assert client.post(address_of(failed, "retry")).status_code == 302
    assert IngestionRun.objects.count() == 2


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_steering_is_never_a_link_and_never_forged(admin, failed, action):
    assert admin.get(address_of(failed, action)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="eve"))
    assert strict.post(address_of(failed, action)).status_code == 403
    assert IngestionRun.objects.count() == 1


def test_a_run_that_is_not_there_is_not_found(admin):
    assert admin.post(reverse("admin:ingestion_ingestionrun_cancel", args=[9])).status_code == 404
    assert admin.get(reverse("admin:ingestion_ingestionrun_change", args=["x"])).status_code == 302
