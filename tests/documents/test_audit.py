"""The audit log: what goes on record, and that it stays as it was written."""

import io
import json
import threading
from datetime import timedelta
from importlib import import_module

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from documents import audit, request_id
from documents.audit import record
from documents.models import AuditEntry, AuditHead, Corpus, Document
from documents.trail import faults
from tests.documents.builders import make_source, publish

pytestmark = pytest.mark.django_db
ESCAPES = [
    "\r\n",
    "\n",
    "\x1b[2J",
    "\x00",
    "\x9b31m",
    "\u2028",
    "\u202e",
    "\u200b",
    "\x7f",
    "\ud800",
]


def entries(**wanted):
    return list(AuditEntry.objects.filter(**wanted).order_by("number"))


def some(count=3):
    return [record("user.changed", by="user:1", target=f"user:{n}", n=n) for n in range(count)]


def sql(statement, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


# Append-only


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents_auditentry SET by = 'user:2'",
        "DELETE FROM documents_auditentry",
        "DELETE FROM documents_auditentry WHERE number = 3",
        "UPDATE documents_audithead SET number = 1",
        "UPDATE documents_audithead SET pruned_to = 9",
        "DELETE FROM documents_audithead",
    ],
)
def test_the_database_refuses_to_change_or_remove(statement):
    some()
    with pytest.raises(IntegrityError, match="append-only"):
        sql(statement)
    assert len(entries()) == 3


def test_an_entry_cannot_be_written_over():
    first = some()[0]
    values = "(number, at, action, by, target, corpus, address, request_id, details, hash)"
    verb = "INSERT OR REPLACE INTO" if connection.vendor == "sqlite" else "INSERT INTO"
    with pytest.raises(IntegrityError):
        sql(
            f"{verb} documents_auditentry {values} "
            "VALUES (%s, %s, 'a', 'b', 'c', '', '', '', '{}', '')",
            first.number, timezone.now(),
        )  # fmt: skip


@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.parametrize("table", ["documents_auditentry", "documents_audithead"])
def test_the_tables_cannot_be_emptied(table):
    some()
    with pytest.raises(IntegrityError, match="append-only"):
        sql(f"TRUNCATE {table}")


def test_what_is_rolled_back_was_not_done():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record("corpus.created", target="corpus:a")
        1 / 0  # noqa: B018
    record("corpus.created", target="corpus:b")
    assert [entry.number for entry in entries()] == [1]
    assert list(faults()) == []


# The chain


@pytest.fixture
def unguarded():
    """Somebody has got past the database."""
    migration = import_module("documents.migrations.0007_audit_log_and_retention")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION audit_is_append_only() CASCADE")
        else:
            for name in migration.SQLITE_NAMES:
                cursor.execute(f"DROP TRIGGER {name}")


def test_an_untouched_chain_has_no_faults():
    some(5)
    assert list(faults()) == []
    assert "5 entries, unchanged" in told("verify")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents_auditentry SET by = 'user:2' WHERE number = 2",
        "UPDATE documents_auditentry SET details = '{}' WHERE number = 2",
        "UPDATE documents_auditentry SET at = '2020-01-01' WHERE number = 2",
        "DELETE FROM documents_auditentry WHERE number = 2",
        "DELETE FROM documents_auditentry WHERE number = 1",
        "DELETE FROM documents_auditentry WHERE number = 3",
        "DELETE FROM documents_auditentry",
        "DELETE FROM documents_audithead",
    ],
)
def test_every_change_breaks_the_chain(unguarded, statement):
    some()
    sql(statement)
    with pytest.raises(CommandError, match="not as it was written"):
        told("verify")


def test_a_chain_that_was_written_anew_lacks_the_links_that_were_kept(unguarded):
    some()
    kept = str(AuditHead.objects.get())
    assert "3 entries, unchanged" in told("verify", "--link", kept)
    AuditEntry.objects.all().delete()
    AuditHead.objects.all().delete()
    some()
    assert list(faults()) == []
    with pytest.raises(CommandError):
        told("verify", "--link", kept)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_one_chain():
    def write(who):
        try:
            for number in range(5):
                record("user.changed", by=f"user:{who}", target=f"user:{number}")
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.number for entry in entries()] == list(range(1, 21))
    assert list(faults()) == []


# Retention


def of_age(days, count=1):
    moment = timezone.now() - timedelta(days=days)
    for number in range(count):
        AuditEntry.objects.append(
            at=moment, action="user.changed", by="command", target=f"user:{number}"
        )


def test_only_entries_past_their_time_are_dropped(settings):
    settings.AUDIT_RETENTION_DAYS = 400
    of_age(401, 3)
    of_age(399, 2)
    assert told("prune") == "3 entries dropped.\n"
    assert [entry.number for entry in entries()] == [4, 5, 6]
    assert entries()[-1].action == "audit.pruned"
    assert list(faults()) == []
    assert told("prune") == "0 entries dropped.\n"


def test_a_pruning_that_was_killed_is_finished_the_next_time(settings, monkeypatch):
    of_age(500, 3)
    some(1)
    monkeypatch.setattr("documents.trail.AT_ONCE", 1)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("documents.trail.AuditEntryQuerySet.delete", killed)
        audit.prune()
    assert list(faults()) == []
    assert audit.prune() == 3
    assert list(faults()) == []


def test_dropping_without_a_record_is_a_fault(unguarded):
    some(4)
    second = entries()[1]
    AuditHead.objects.update(pruned_to=2, pruned_hash=second.hash)
    AuditEntry.objects.filter(number__lte=2).delete()
    with pytest.raises(CommandError):
        told("verify")


# What an entry holds


def test_an_unknown_action_is_a_mistake():
    with pytest.raises(ValueError, match="not a valid Action"):
        record("made.up", target="x")


def test_it_knows_the_request_and_no_whole_address():
    with request_id.visit("request-7", "203.0.113.77") as known:
        known.principal = "key:abc"
        entry = record("source.synced", target="source:docs")
    assert (entry.request_id, entry.address, entry.by) == ("request-7", "203.0.113.0/24", "key:abc")
    assert record("source.synced", target="source:docs").by == "command"


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: f"{ord(escape[0]):04x}")
def test_no_value_can_forge_a_line_or_move_a_cursor(escape):
    forged = f"docs{escape}9: user.deleted"
    details = {"keys": [forged], escape: 1}
    entry = record("source.synced", by=forged, target=forged, corpus=forged, **details)
    line = told("export").splitlines()[0]
    assert escape not in json.loads(line)["target"] + entry.by + entry.corpus + str(entry.details)
    assert json.loads(line)["details"] == entry.details
    assert list(faults()) == []


def test_values_come_back_as_they_were_hashed():
    record("user.changed", target="user:1", a=None, b=True, c=2**40, d=["ü", {"x": 1.5}], e={1, 2})
    assert list(faults()) == []


# What goes on record


def test_rows_tell_of_their_own_changes():
    corpus = Corpus.objects.create(slug="docs", name="Docs")
    corpus.is_public, corpus.name = True, "Secret name"
    corpus.save()
    corpus.save()
    corpus.delete()
    found = entries()
    assert [(e.action, e.target) for e in found] == [
        ("corpus.created", "corpus:docs"), ("corpus.changed", "corpus:docs"),
        ("corpus.deleted", "corpus:docs"),
    ]  # fmt: skip
    assert found[1].details == {"changed": {"name": "…", "is_public": True}}


def test_a_suspended_account_and_its_rights_are_on_record():
    user = User.objects.create_user("ada", password="x")
    user.is_active = False
    user.save()
    user.is_active = True
    user.save()
    user.user_permissions.add(Permission.objects.first())
    Group.objects.create(name="curators").user_set.add(user)
    actions = [e.action for e in entries(target=f"user:{user.pk}")]
    assert actions == [
        "user.created", "user.suspended", "user.reactivated", "user.changed", "user.changed"
    ]  # fmt: skip


def test_nothing_of_a_name_or_a_password_is_kept(client):
    User.objects.create_user("ada.lovelace", "ada@example.org", "right-horse", is_staff=True)
    for username, password in (
        ("ada.lovelace", "right-horse"), ("ada.lovelace", "wrong-horse"),
        ("my-password-by-mistake", "x"),
    ):  # fmt: skip
        client.post("/admin/login/", {"username": username, "password": password})
    assert [e.action for e in entries()][1:] == [
        "user.signed_in", "user.sign_in_failed", "user.sign_in_failed"
    ]  # fmt: skip
    text = told("export")
    assert not any(word in text for word in ("lovelace", "example.org", "horse", "mistake"))


def test_documents_published_and_withdrawn():
    document, _chunks = publish(make_source(), "a.md", ["text"])
    rows = Document.objects.filter(pk=document.pk)
    rows.set_status(Document.Status.WITHDRAWN)
    rows.set_status(Document.Status.WITHDRAWN)
    rows.set_status(Document.Status.PUBLISHED)
    told = [(e.action, e.details) for e in entries(target="documents")]
    assert told == [
        ("documents.withdrawn", {"ids": [document.pk]}),
        ("documents.published", {"ids": [document.pk]}),
    ]  # fmt: skip


def test_the_admin_shows_it_and_changes_nothing(client):
    reader = User.objects.create_user("reader", password="x", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    client.force_login(reader)
    entry = record("source.synced", target="source:<script>alert(1)</script>")
    address = "/admin/documents/auditentry/"
    assert "&lt;script&gt;" in client.get(address).text
    assert client.get(f"{address}?action=source.synced&q=user:5").status_code == 200
    assert client.get(f"{address}{entry.number}/change/").status_code == 200
    assert client.get(f"{address}{entry.number}/delete/").status_code == 403
    assert client.get(f"{address}add/").status_code == 403
    assert client.post(f"{address}{entry.number}/change/", {"by": "x"}).status_code == 403


def told(*arguments):
    out = io.StringIO()
    call_command("audit", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()
