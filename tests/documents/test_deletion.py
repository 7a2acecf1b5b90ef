"""Deleting: invisible first, gone second, verified third, and a receipt that tells the truth."""

import io
import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat.models import ApiKey
from documents import uploads
from documents.deletion import delete_corpora, delete_documents, delete_keys, delete_sources
from documents.embedding.hashing import HashingEmbedder
from documents.index.qdrant import QdrantIndex
from documents.models import (
    Chunk,
    ChunkVector,
    Corpus,
    Document,
    IndexChange,
    Source,
    Tombstone,
    Upload,
)
from documents.providers import get_index
from documents.scope import Scope
from documents.signals import index_owes
from ingestion.models import IngestionItem, IngestionRun
from ingestion.pipeline import IngestionPipeline
from tests.documents.builders import make_source, publish
from tests.ingestion.pipelines import CountingEmbedder, run
from tests.uploading import given, keep_uploads_in, stored_files
from tests.uploading import store as store_files

pytestmark = pytest.mark.django_db(transaction=True)
ZERO = {"rows": 0, "points": 0, "files": 0, "cached_answers": 0, "pending": 0, "complete": True}
NOWHERE = "http://127.0.0.1:9"
in_both_indexes = pytest.mark.parametrize(
    "store", ["", ":memory:"], ids=["embedded", "qdrant"], indirect=True
)


@pytest.fixture
def store(request, settings):
    settings.QDRANT_URL = getattr(request, "param", "")


@pytest.fixture
def source(store, corpus):
    return corpus.sources.get()


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    return keep_uploads_in(tmp_path / "uploads", settings)


@pytest.fixture
def shelf(source, folder):
    """Two uploads, one of them also under a second name."""
    shelf = uploads.upload_source(source.corpus)
    files = [given("lamp.md"), given("copy.md"), given("horn.md", "# Horn\n\nIt sounds.\n")]
    store_files(shelf, files, by="eve")
    run(shelf, IngestionPipeline.from_settings())
    return shelf


def chunks_of(*keys):
    return set(Chunk.objects.filter(document__key__in=keys).values_list("pk", flat=True))


def left(receipt):
    body = receipt.as_dict()
    body.pop("documents")
    return body


def away(settings):
    """From now on the index does not answer."""
    settings.QDRANT_URL, settings.QDRANT_TIMEOUT = NOWHERE, 1
    get_index.cache_clear()


# Gone


@in_both_indexes
def test_a_deleted_document_is_gone_from_rows_and_index(source):
    chunks = chunks_of("guide/lamp.md")
    assert get_index().present(chunks) == chunks

    receipt = delete_documents(source.documents.filter(key="guide/lamp.md"), by="eve")

    assert receipt.documents == ("site/guide/lamp.md",)
    assert left(receipt) == ZERO
    assert not Chunk.objects.filter(pk__in=chunks).exists()
    assert get_index().present(chunks) == set()
    assert not ChunkVector.objects.filter(chunk_id__in=chunks).exists()
    assert source.documents.count() == 3


def test_it_does_not_come_back_with_the_next_run(source):
    delete_documents(source.documents.filter(key="guide/lamp.md"), by="eve")

    report = run(source, IngestionPipeline.from_settings())

    assert report.counts["skipped"] == 1
    assert "deleted by eve" in report.found["guide/lamp.md"].reason
    assert not chunks_of("guide/lamp.md")


def test_many_documents_are_deleted_a_batch_at_a_time(monkeypatch):
    monkeypatch.setattr("documents.deletion.AT_ONCE", 3)
    one, two = make_source("one"), make_source("two")
    for number in range(5):
        publish(one, f"{number}.md", ["text"])
        publish(two, f"{number}.md", ["text"])

    receipt = delete_documents(Document.objects.exclude(key="4.md"), by="eve")

    assert len(receipt.documents) == 8
    assert receipt.complete
    assert sorted(Document.objects.values_list("key", flat=True)) == ["4.md", "4.md"]
    assert Tombstone.objects.count() == 8


def test_deleting_nothing_is_complete(source):
    assert left(delete_documents(Document.objects.none(), by="eve")) == ZERO


@in_both_indexes
def test_an_upload_is_deleted_with_its_file(shelf, folder):
    receipt = delete_documents(shelf.documents.filter(key="horn.md"), by="eve")

    assert left(receipt) == ZERO
    assert not shelf.uploads.filter(key="horn.md").exists()
    assert stored_files(folder) == [shelf.uploads.get(key="lamp.md").stored_as]


def test_a_file_stays_while_another_upload_has_the_same_content(shelf, folder):
    before = stored_files(folder)
    assert delete_keys(shelf, ["copy.md"], by="eve").complete
    assert stored_files(folder) == before
    assert delete_keys(shelf, ["lamp.md"], by="eve").complete
    assert len(stored_files(folder)) == len(before) - 1


def test_an_upload_that_never_became_a_document_is_deleted_by_its_key(shelf, folder):
    store_files(shelf, [given("broken.pdf", "no pdf")], by="eve")
    receipt = delete_keys(shelf, ["broken.pdf"], by="eve")
    assert (receipt.documents, receipt.complete) == (("lighthouse-uploads/broken.pdf",), True)
    assert not uploads.orphan_files(older_than=timedelta(0))


def test_uploaded_again_it_is_back(shelf):
    delete_keys(shelf, ["lamp.md"], by="eve")
    store_files(shelf, [given("lamp.md")], by="eve")
    run(shelf, IngestionPipeline.from_settings())
    assert chunks_of("lamp.md")


def test_work_that_waits_for_it_is_forgotten(source):
    waiting = IngestionRun.objects.create(source=source, status="waiting")
    for key in ("guide/lamp.md", "index.md"):
        waiting.items.create(key=key, outcome="waiting", next_attempt_at=timezone.now())

    delete_keys(source, ["guide/lamp.md"], by="eve")

    assert waiting.items.get().key == "index.md"
    assert IngestionItem.objects.filter(key="guide/lamp.md", outcome="new").exists()  # on record


@in_both_indexes
def test_a_source_goes_with_everything_it_had(shelf, folder):
    chunks = chunks_of("lamp.md", "copy.md", "horn.md")
    Tombstone.objects.create(source=shelf, key="old.md")

    receipt = delete_sources([shelf], by="eve")

    assert (len(receipt.documents), left(receipt)) == (3, ZERO)
    assert not Source.objects.filter(pk=shelf.pk).exists()
    assert not Upload.objects.exists()
    assert not Tombstone.objects.exists()
    assert not IngestionRun.objects.filter(source=shelf.pk).exists()
    assert get_index().present(chunks) == set()
    assert stored_files(folder) == []


def test_a_corpus_goes_with_all_its_sources(shelf, folder):
    receipt = delete_corpora(Corpus.objects.all(), by="eve")
    assert (len(receipt.documents), left(receipt)) == (7, ZERO)
    assert not Corpus.objects.exists()
    assert stored_files(folder) == []


# While a run is at work


class DeletingEmbedder(CountingEmbedder):
    """Somebody deletes while the texts are being embedded: read, but not yet published."""

    def __init__(self, delete):
        super().__init__(HashingEmbedder())
        self.delete = delete

    def embed_documents(self, texts):
        vectors = super().embed_documents(texts)
        self.delete()
        return vectors


@pytest.mark.parametrize("kind", ["folder", "upload"])
def test_a_run_that_has_read_it_cannot_bring_it_back(shelf, source, site, kind, settings):
    of, key = (source, "guide/lamp.md") if kind == "folder" else (shelf, "lamp.md")
    receipts = []
    embedder = DeletingEmbedder(lambda: receipts.append(delete_keys(of, [key], by="eve")))
    (site / "guide" / "lamp.md").write_text("# The lamp\n\nAnother text.\n")
    if kind == "upload":
        store_files(shelf, [given("lamp.md", "# The lamp\n\nAnother text.\n")], by="eve")

    report = run(of, IngestionPipeline(embedder, get_index()))

    assert [receipt.complete for receipt in receipts] == [True]
    assert report.found[key].outcome != "changed"
    assert not chunks_of(key)
    assert not of.documents.filter(key=key).exists()


def test_a_run_over_a_source_that_is_deleted_publishes_nothing_more(shelf):
    from ingestion.leases import LeaseLost

    store_files(shelf, [given("new.md", "# New\n\nText.\n")], by="eve")
    embedder = DeletingEmbedder(lambda: delete_sources([shelf], by="eve"))

    with pytest.raises(LeaseLost):
        run(shelf, IngestionPipeline(embedder, get_index()))

    assert not chunks_of("new.md")


# When the index is away


@pytest.fixture
def owed():
    calls = []

    def hear(sender, **kwargs):
        calls.append(sender)

    index_owes.connect(hear)
    yield calls
    index_owes.disconnect(hear)


def test_without_the_index_it_is_invisible_at_once_and_the_receipt_says_what_is_left(
    source, settings, owed
):
    chunks = chunks_of("guide/lamp.md")
    away(settings)

    receipt = delete_documents(source.documents.filter(key="guide/lamp.md"), by="eve")

    scope = Scope(frozenset([source.corpus_id]))
    assert not Chunk.objects.live(scope).filter(pk__in=chunks).exists()
    expected = {**ZERO, "points": None, "pending": len(chunks), "complete": False}
    assert left(receipt) == expected
    assert owed == [Document]  # the worker is told


@pytest.mark.parametrize("store", [":memory:"], indirect=True)
def test_the_worker_does_the_rest_later(source, settings):
    chunks, index = chunks_of("guide/lamp.md"), get_index()
    away(settings)
    delete_documents(source.documents.filter(key="guide/lamp.md"), by="eve")
    assert index.present(chunks) == chunks

    index.drain()  # what ingestion.tasks.work does

    assert index.present(chunks) == set()
    assert index.owed() == 0


@pytest.mark.parametrize("store", [":memory:"], indirect=True)
def test_what_others_still_have_to_tell_the_index_is_not_its_business(source, monkeypatch):
    other = chunks_of("index.md")
    drain = QdrantIndex.drain

    def drain_and_more_arrives(self):
        done = drain(self)
        IndexChange.objects.record(list(other))
        return done

    monkeypatch.setattr(QdrantIndex, "drain", drain_and_more_arrives)
    receipt = delete_documents(source.documents.filter(key="guide/lamp.md"), by="eve")
    assert left(receipt) == ZERO
    assert get_index().owed() == len(other)


@pytest.mark.parametrize("store", [":memory:"], indirect=True)
def test_points_that_stay_are_in_the_receipt(source, monkeypatch, owed):
    def accepted_and_forgotten(self):
        return IndexChange.objects.all().delete()[0]

    monkeypatch.setattr(QdrantIndex, "drain", accepted_and_forgotten)
    receipt = delete_documents(source.documents.filter(key="guide/lamp.md"), by="eve")
    assert left(receipt) == {**ZERO, "points": 2, "complete": False}
    assert owed


def test_a_file_that_stays_is_in_the_receipt(shelf, monkeypatch, owed):
    from django.core.files.storage import FileSystemStorage

    def refuse(self, name):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileSystemStorage, "delete", refuse)
    receipt = delete_keys(shelf, ["horn.md"], by="eve")
    assert left(receipt) == {**ZERO, "files": 1, "complete": False}
    assert owed


# Stopped half-way


class Stopped(BaseException):
    pass


@pytest.mark.parametrize(
    ("step", "visible", "files"),
    [
        ("delete.writing", True, 1),
        ("delete.committed", False, 1),
        ("delete.drained", False, 1),
        ("delete.purged", False, 0),
    ],
)
def test_stopped_anywhere_it_is_whole_or_invisible(shelf, monkeypatch, step, visible, files):
    stored_as = shelf.uploads.get(key="horn.md").stored_as

    def failpoint(name):
        if name == step:
            raise Stopped

    monkeypatch.setattr("documents.deletion.failpoint", failpoint)
    with pytest.raises(Stopped):
        delete_keys(shelf, ["horn.md"], by="eve")

    assert bool(chunks_of("horn.md")) is visible
    assert shelf.uploads.filter(key="horn.md").exists() is visible
    orphans = uploads.orphan_files(older_than=timedelta(0))
    assert (stored_as in orphans) is (not visible and bool(files))


# From the command line


def forget(*arguments, **options):
    out = io.StringIO()
    code = 0
    try:
        call_command("forget", *arguments, stdout=out, **options)
    except SystemExit as end:
        code = end.code
    return code, out.getvalue()


def test_the_command_forgets_documents_and_prints_the_receipt(source):
    code, said = forget("site", "guide/lamp.md", "index.md")
    assert (code, source.documents.count()) == (0, 2)
    assert said.strip() == (
        "2 documents deleted; nothing is left in the rows, the index or the files."
    )
    assert Tombstone.objects.first().deleted_by == "manage.py forget"


def test_the_command_forgets_a_whole_source_for_machines(source):
    code, said = forget("site", all=True, json=True)
    receipt = json.loads(said)
    assert (code, len(receipt.pop("documents"))) == (0, 4)
    assert receipt == ZERO
    assert not Source.objects.exists()


def test_the_command_fails_when_something_is_left(source, settings):
    away(settings)
    code, said = forget("site", "guide/lamp.md")
    assert code == 1
    assert "Still to go: rows 0, points unknown, files 0, pending 2" in said
    assert "A worker tells the index; `reconcile --repair` does that, too" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "x"], 'There is no source "nowhere"'),
        (["site"], "Say which documents, or --all"),
        (["site", "index.md", "--all"], "Say which documents, or --all"),
        (["site", "index.md", "indx.md"], r"site has no document indx\.md\. Nothing was done"),
    ],
)
def test_the_command_does_nothing_by_mistake(source, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("forget", *arguments)
    assert source.documents.count() == 4


# Through the API


@pytest.fixture
def key(source):
    key, secret = ApiKey.objects.create_key(name="backend", scopes=["chat", "ingest"])
    key.corpora.add(source.corpus)
    return {"Authorization": f"Api-Key {secret}"}


def address_of(source, name="guide/lamp.md"):
    return f"/api/v1/documents/{source.documents.get(key=name).pk}/"


def test_the_api_answers_with_the_receipt_and_knows_it_no_more(source, client, key):
    address = address_of(source)
    answer = client.delete(address, headers=key)
    body = answer.json()
    assert (answer.status_code, body.pop("documents")) == (200, ["site/guide/lamp.md"])
    assert body == ZERO
    assert client.get(address).status_code == 404
    assert client.delete(address, headers=key).status_code == 404
    assert Tombstone.objects.get().deleted_by.startswith("key:")


def test_the_api_says_when_it_is_not_complete(source, client, key, settings):
    away(settings)
    answer = client.delete(address_of(source), headers=key)
    assert (answer.status_code, answer.json()["complete"]) == (202, False)


def test_a_withdrawn_document_can_be_deleted(source, client, key):
    source.documents.all().set_status(Document.Status.WITHDRAWN)
    assert client.delete(address_of(source), headers=key).status_code == 200


def test_deleting_is_for_keys_that_may_ingest_and_for_who_may_delete(source, client, key):
    address = address_of(source)
    assert client.delete(address).status_code == 403
    ApiKey.objects.update(scopes=["chat"])
    assert client.delete(address, headers=key).status_code == 403
    user = User.objects.create_user("joe")
    client.force_login(user)
    assert client.delete(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="delete_document"))
    assert client.delete(address).status_code == 200
    assert Tombstone.objects.get().deleted_by == "joe"


def test_a_document_of_another_corpus_looks_like_a_missing_one(source, client, key):
    document, _ = publish(make_source("private"), "closed.md", ["one"])
    there = client.delete(f"/api/v1/documents/{document.pk}/", headers=key)
    missing = client.delete("/api/v1/documents/999999/", headers=key)
    assert there.status_code == missing.status_code == 404
    assert {**there.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    assert Document.objects.filter(pk=document.pk).exists()
