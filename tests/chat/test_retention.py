"""What people asked goes when its time is over: neither earlier nor later, whatever happens."""

import io
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import retention
from chat.models import Citation, Conversation, Message
from chat.retention import purge
from documents.kept_requests import KeptRequest
from documents.models import AuditEntry, Corpus
from ragsite import housekeeping

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def corpus_of():
    def make(slug="docs", days=None):
        return Corpus.objects.create(slug=slug, name=slug, retention_days=days)

    return make


def said(corpus, *ages, owner="key:abc"):
    """A conversation with one message of each age."""
    now = timezone.now()
    conversation = Conversation.objects.create(corpus=corpus, owner=owner, title="the first words")
    for age in ages:
        message = Message.objects.create(conversation=conversation, role="user", text=f"{age}")
        Message.objects.filter(pk=message.pk).update(created_at=now - age)
    oldest, newest = max(ages, default=timedelta()), min(ages, default=timedelta())
    Conversation.objects.filter(pk=conversation.pk).update(
        created_at=now - oldest, updated_at=now - newest
    )
    return conversation


def texts():
    return sorted(Message.objects.values_list("text", flat=True))


@pytest.mark.parametrize("own, default", [(30, 365), (None, 30)])
def test_the_boundary_is_exact(corpus_of, settings, own, default):
    settings.CONVERSATION_RETENTION_DAYS = default
    corpus = corpus_of(days=own)
    over, under = timedelta(days=30) + MINUTE, timedelta(days=30) - MINUTE
    said(corpus, over)
    said(corpus, under)
    assert purge()["messages"] == 1
    assert texts() == [str(under)]
    assert Conversation.objects.count() == 1


def test_each_corpus_has_its_own_time(corpus_of):
    said(corpus_of("short", 10), timedelta(days=20))
    said(corpus_of("long", 100), timedelta(days=20))
    purge()
    assert [c.corpus.slug for c in Conversation.objects.all()] == ["long"]


def test_of_a_long_conversation_only_what_is_old_goes_and_the_title_with_it(corpus_of):
    conversation = said(corpus_of(days=10), timedelta(days=20), timedelta(days=1))
    assert purge() == {
        "messages": 1, "titles": 1, "conversations": 0, "sessions": 0, "requests": 0, "audit": 0
    }  # fmt: skip
    conversation.refresh_from_db()
    assert (conversation.title, texts()) == ("", ["1 day, 0:00:00"])


def test_conversations_in_which_nothing_was_asked_go_after_a_week(corpus_of):
    corpus = corpus_of()
    for days in (6, 8):
        empty = said(corpus)
        moment = timezone.now() - timedelta(days=days)
        Conversation.objects.filter(pk=empty.pk).update(updated_at=moment)
    assert purge()["conversations"] == 1


def test_what_hangs_on_a_message_goes_with_it(corpus_of):
    message = said(corpus_of(days=1), timedelta(days=2)).messages.get()
    message.citations.create(
        number=1, chunk_id="00000000-0000-4000-8000-000000000000", title="t", url="/", quote="q",
        quote_start=0, quote_end=1, text_hash="",
    )  # fmt: skip
    purge()
    assert not Citation.objects.exists()


def test_a_rehearsal_removes_nothing_and_counts_right(corpus_of):
    said(corpus_of(days=1), timedelta(days=2), timedelta(days=3))
    out = io.StringIO()
    call_command("purge", dry_run=True, stdout=out)
    assert "messages: 2 to remove" in out.getvalue()
    assert len(texts()) == 2
    assert not AuditEntry.objects.filter(action="conversations.purged").exists()
    call_command("purge", stdout=out)
    assert "messages: 2 removed" in out.getvalue()
    assert texts() == []
    assert AuditEntry.objects.filter(action="conversations.purged").count() == 1


def test_the_second_time_there_is_nothing_to_do(corpus_of):
    said(corpus_of(days=1), timedelta(days=2))
    purge()
    assert not any(purge().values())
    assert AuditEntry.objects.filter(action="conversations.purged").count() == 1


def test_few_rows_go_in_one_transaction(corpus_of, monkeypatch):
    monkeypatch.setattr(retention, "AT_ONCE", 10)
    said(corpus_of(days=1), *[timedelta(days=2)] * 35)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert purge()["messages"] == 35
    table = '"chat_message" WHERE "chat_message"."id" IN'
    deletes = [q["sql"] for q in queries if q["sql"].startswith(f"DELETE FROM {table}")]
    assert len(deletes) == 4


@pytest.mark.django_db(transaction=True)
def test_killed_half_way_the_next_time_does_the_rest(corpus_of, monkeypatch):
    monkeypatch.setattr(retention, "AT_ONCE", 10)
    said(corpus_of(days=1), *[timedelta(days=2)] * 35)
    killed = iter([False, False, True])
    delete = Message.objects.all().delete.__func__

    def dying(self):
        if self.model is Message and next(killed, False):
            raise KeyboardInterrupt
        return delete(self)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("chat.models.MessageQuerySet.delete", dying)
        purge()
    assert Message.objects.count() == 15
    assert purge()["messages"] == 15
    assert not Message.objects.exists()


def test_sessions_that_are_over_go(corpus_of):
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="x", expire_date=now - MINUTE)
    Session.objects.create(session_key="new", session_data="x", expire_date=now + MINUTE)
    assert purge()["sessions"] == 1
    assert Session.objects.get().session_key == "new"


def test_requests_that_were_kept_for_a_day_go(corpus_of):
    now = timezone.now()
    for name, age in (("old", timedelta(hours=24) + MINUTE), ("new", timedelta(hours=23))):
        KeptRequest.objects.create(digest=name, fingerprint="f", created_at=now - age)
    assert purge()["requests"] == 1
    assert KeptRequest.objects.get().digest == "new"


# The schedule


@pytest.fixture
def started(monkeypatch, settings):
    settings.PURGE_HOURS = 24
    monkeypatch.setattr(housekeeping, "_next", None)
    started = []
    monkeypatch.setattr(housekeeping.threading.Thread, "start", lambda self: started.append(self))
    return started


def test_a_server_in_use_purges_once_a_day(started, monkeypatch):
    for _ in range(3):
        housekeeping.after_activity()
    assert len(started) == 1
    tomorrow = housekeeping.monotonic() + 24.1 * 3600
    monkeypatch.setattr(housekeeping, "monotonic", lambda: tomorrow)
    housekeeping.after_activity()
    assert len(started) == 2


def test_it_can_be_left_to_cron(started, settings):
    settings.PURGE_HOURS = 0
    housekeeping.after_activity()
    assert started == []


def test_processes_that_share_a_cache_do_it_once(corpus_of, settings, monkeypatch):
    settings.PURGE_HOURS = 24
    done = []
    monkeypatch.setattr(housekeeping, "purge", lambda: done.append(1) or {})
    monkeypatch.setattr(housekeeping.connection, "close", lambda: None)
    housekeeping.keep_house()
    housekeeping.keep_house()
    assert done == [1]
