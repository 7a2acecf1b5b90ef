"""The page of a run, as somebody in the admin meets it while the run is at work."""

import os
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from documents.models import Corpus, Source
from ingestion import progress
from ingestion.models import IngestionRun

pytestmark = pytest.mark.browser


@pytest.fixture
def run(transactional_db):
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    source = Source.objects.create(corpus=corpus, slug="pages", location="/pages")
    run = IngestionRun.objects.create(
        source=source, status="running", total=40, started_at=timezone.now() - timedelta(seconds=8)
    )
    yield run
    progress.forget_progress(run.pk)


@pytest.fixture
def signed_in(page, server, run):
    client = Client()
    client.force_login(User.objects.create_superuser("eve"))
    session = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": server}])
    return page


def publish(run, current, **counts):
    progress._published.clear()  # more often than once in half a second
    progress.publish_progress(run, counts, current)


def polls_of(page):
    asked = []
    page.on("request", lambda request: "/watch/" in request.url and asked.append(request.url))
    return asked


def picture(page, name):
    """Only where somebody wants to look at it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def open_page(page, run):
    page.goto(f"/admin/ingestion/ingestionrun/{run.pk}/change/")


def value_is(page, number):
    page.wait_for_selector(f'#live progress[value="{number}"]')


def test_the_bar_moves_and_what_fails_appears(signed_in, run):
    page = signed_in
    publish(run, "guide/install.md", new=10)
    open_page(page, run)
    value_is(page, 10)
    assert page.inner_text("[data-live=done]") == "10 of 40"
    assert "None." in page.inner_text("#items")

    publish(run, "guide/lamp.md", new=24)
    value_is(page, 24)
    assert page.inner_text("[data-live=current]") == "guide/lamp.md"
    assert page.inner_text("[data-live=left]").startswith("about")

    run.items.create(key="broken.pdf", outcome="failed", reason="is encrypted; remove its password")
    run.items.create(
        key="slow.md", outcome="waiting", reason="too many requests", attempts=2,
        next_attempt_at=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    publish(run, "slow.md", new=28, failed=1, waiting=1)
    page.wait_for_selector("#items td:has-text('is encrypted')")
    assert page.inner_text("[data-live=failed]") == "1"
    picture(page, "run")

    page.get_by_role("button", name="Try broken.pdf again").press("Enter")
    page.wait_for_selector("text=this is the run that tries again")
    assert IngestionRun.objects.first().only == ["broken.pdf"]


def test_a_run_is_cancelled_and_the_page_stops_asking(signed_in, run):
    page = signed_in
    publish(run, "guide/install.md", new=10)
    open_page(page, run)
    page.get_by_role("button", name="Cancel").press("Enter")
    page.wait_for_selector("text=a run at work stops at its next document")
    run.refresh_from_db()
    assert run.cancel_requested

    run.finish(IngestionRun.Status.CANCELLED, {"new": 10}, "Cancelled. What was published stays.")
    progress.forget_progress(run.pk)
    page.wait_for_selector("#live:not([data-address])")  # it loads itself once more
    polls = polls_of(page)
    page.wait_for_timeout(3500)
    assert polls == []
    assert "Cancelled" in page.inner_text("#live .state")
    picture(page, "cancelled")


def test_a_tab_that_nobody_sees_asks_nothing(signed_in, run):
    page = signed_in
    publish(run, "guide/install.md", new=10)
    open_page(page, run)
    value_is(page, 10)
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away ?? true})")
    page.wait_for_timeout(2500)
    polls = polls_of(page)
    page.wait_for_timeout(3500)
    assert polls == []

    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    publish(run, "guide/lamp.md", new=30)
    value_is(page, 30)
