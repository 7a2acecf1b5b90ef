"""A run over a source: its record, the mass-delete guard, and sources that cannot be read."""

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User

from chat.models import ApiKey
from documents.embedding.base import EmbeddingError
from documents.embedding.hashing import HashingEmbedder
from documents.models import Corpus, Document, Source
from ingestion.loaders.base import LoadError
from ingestion.models import IngestionItem, IngestionRun
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.planning import plan_run
from ingestion.runs import MassDelete
from tests.ingestion.pipelines import (
    CountingEmbedder,
    Stopped,
    StoppingIndex,
    last_change,
    pipeline_with,
    run,
    stored,
)

pytestmark = pytest.mark.django_db
Status = IngestionRun.Status


def page(number):
    return f"# Page {number}\n\nThe text of page {number}.\n"


@pytest.fixture
def folder(write_pages):
    return write_pages({f"page-{number:02}.md": page(number) for number in range(10)})


@pytest.fixture
def source(folder):
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location=str(folder))


@pytest.fixture
def embedder():
    return CountingEmbedder(HashingEmbedder())


@pytest.fixture
def pipeline(embedder):
    return pipeline_with(embedder)


def newest_run():
    return IngestionRun.objects.first()


def items():
    return {item.key: item for item in newest_run().items.all()}


# On record


def test_a_run_records_its_counts_and_moments(source, pipeline):
    run(source, pipeline)
    record = newest_run()
    assert record.status == Status.SUCCEEDED
    assert record.counts["new"] == record.counts["chunks"] == record.counts["embedded"] == 10
    assert record.created_at <= record.started_at <= record.heartbeat_at <= record.finished_at


def test_each_document_that_was_touched_has_an_item(source, pipeline, folder):
    run(source, pipeline)
    (folder / "page-00.md").write_text("# Page 0\n\nAnother text.\n")
    (folder / "page-01.md").unlink()
    (folder / "page-02.md").write_bytes(bytes(range(32)) * 20)
    (folder / "page-99.md").write_text(page(99))
    run(source, pipeline)
    outcomes = {key: item.outcome for key, item in items().items()}
    assert outcomes == {
        "page-00.md": "changed",
        "page-01.md": "removed",
        "page-02.md": "failed",
        "page-99.md": "new",
    }
    assert items()["page-01.md"].reason == "no longer in the source"
    assert "not a text file" in items()["page-02.md"].reason


def test_unchanged_documents_are_counted_and_have_no_item(source, pipeline):
    run(source, pipeline)
    run(source, pipeline)
    assert newest_run().counts["unchanged"] == 10
    assert not items()


def test_an_item_keeps_the_warnings_of_its_page(source, pipeline, write_pages):
    write_pages({"empty.md": ""})
    run(source, pipeline)
    assert items()["empty.md"].warnings


def test_more_items_than_are_written_at_once_are_all_on_record(source, pipeline, write_pages):
    write_pages({f"more-{number:03}.md": page(number) for number in range(120)})
    run(source, pipeline)
    assert len(items()) == 130


def test_a_page_that_becomes_a_draft_is_one_item_that_says_why(source, pipeline, write_pages):
    write_pages({"docusaurus.config.js": "module.exports = {url: 'https://d.example.org'}",
                 "docs/a.md": page(1), "docs/b.md": page(2)})  # fmt: skip
    run(source, pipeline, allow_mass_delete=True)
    write_pages({"docs/a.md": f"---\ndraft: true\n---\n{page(1)}"})
    run(source, pipeline, allow_mass_delete=True)
    item = items()["docs/a.md"]
    assert item.outcome == IngestionItem.Outcome.REMOVED
    assert "draft" in item.reason


def test_failed_pages_make_a_run_incomplete_and_the_next_one_heals(source, pipeline, folder):
    (folder / "page-00.md").write_bytes(bytes(range(32)) * 20)
    run(source, pipeline)
    assert newest_run().status == Status.INCOMPLETE
    assert "not a text file" in items()["page-00.md"].reason
    (folder / "page-00.md").write_text(page(0))
    run(source, pipeline)
    assert newest_run().status == Status.SUCCEEDED
    assert Document.objects.count() == 10


def test_an_aborted_run_is_failed_with_its_reason(source, pipeline, embedder):
    embedder.error = EmbeddingError("Cohere refused the API key (401).", retryable=False)
    with pytest.raises(Aborted):
        run(source, pipeline)
    assert newest_run().status == Status.FAILED
    assert newest_run().error == "Cohere refused the API key (401)."
    assert newest_run().finished_at


def test_a_run_that_is_stopped_ends_failed_too(source, pipeline):
    index = StoppingIndex(pipeline.index, "upsert", Stopped())
    with pytest.raises(Stopped):
        run(source, IngestionPipeline(pipeline.embedder, index))
    assert (newest_run().status, newest_run().error) == (Status.FAILED, "stopped by Stopped")


def test_what_was_done_before_an_abort_is_on_record(source, pipeline, write_pages, folder):
    run(source, pipeline)
    (folder / "page-00.md").write_bytes(bytes(range(32)) * 20)
    (folder / "page-01.md").write_text("# Page 1\n\nAnother text.\n")
    pipeline.embedder.error = EmbeddingError("no credit", retryable=False)
    with pytest.raises(Aborted):
        run(source, pipeline)
    assert list(items()) == ["page-00.md"]


# The mass-delete guard


def drop(folder, count):
    for path in sorted(folder.glob("*.md"))[:count]:
        path.unlink()


def test_losing_many_pages_stops_the_run_before_anything_is_changed(source, pipeline, folder):
    run(source, pipeline)
    before, outbox = stored(), last_change()
    drop(folder, 4)
    (folder / "page-09.md").write_text("# Page 9\n\nAnother text.\n")
    with pytest.raises(MassDelete, match=r"4 of the source's 10 documents.*--allow-mass-delete"):
        run(source, pipeline)
    assert (stored(), last_change()) == (before, outbox)
    assert newest_run().status == Status.FAILED
    assert "--allow-mass-delete" in newest_run().error


def test_with_permission_they_are_removed(source, pipeline, folder):
    run(source, pipeline)
    drop(folder, 9)
    report = run(source, pipeline, allow_mass_delete=True)
    assert report.counts["removed"] == 9
    assert [document.key for document in Document.objects.all()] == ["page-09.md"]


def test_losing_a_few_pages_needs_no_permission(source, pipeline, folder):
    run(source, pipeline)
    drop(folder, 2)
    assert run(source, pipeline).counts["removed"] == 2


def test_losing_a_fifth_is_allowed_and_one_more_is_not(source, pipeline, folder):
    run(source, pipeline)
    drop(folder, 3)
    with pytest.raises(MassDelete, match="3 of the source's 10"):
        run(source, pipeline)


def test_emptying_many_pages_stops_the_run_and_leaves_them_as_they_were(source, pipeline, folder):
    run(source, pipeline)
    chunks = stored()["chunks"]
    for path in sorted(folder.glob("*.md"))[:4]:
        path.write_text("---\ntitle: Please sign in\n---\n")
    with pytest.raises(MassDelete, match=r"4 of the source's 10 .* have no text any more"):
        run(source, pipeline)
    assert stored()["chunks"] == chunks


def test_emptied_pages_beside_removed_ones_count_together(source, pipeline, folder):
    run(source, pipeline)
    drop(folder, 2)
    (folder / "page-09.md").write_text("")
    with pytest.raises(MassDelete, match="3 of the source's 10"):
        run(source, pipeline)
    assert Document.objects.count() == 10


def test_a_page_that_lost_its_text_is_empty_after_the_run(source, pipeline, folder):
    run(source, pipeline)
    (folder / "page-09.md").write_text("")
    assert run(source, pipeline).counts["changed"] == 1
    assert not Document.objects.get(key="page-09.md").chunks.exists()


def test_the_share_that_needs_permission_is_a_setting(source, pipeline, folder, settings):
    settings.MASS_DELETE_SHARE = 0.9
    run(source, pipeline)
    drop(folder, 9)
    assert run(source, pipeline).counts["removed"] == 9


def test_pages_that_their_site_no_longer_publishes_count_for_the_guard(
    source, pipeline, write_pages
):
    docs = {f"docs/{number}.md": page(number) for number in range(5)}
    write_pages(docs)
    write_pages({"docusaurus.config.js": "module.exports = {url: 'https://d.example.org'}"})
    run(source, pipeline, allow_mass_delete=True)
    write_pages({key: f"---\ndraft: true\n---\n{text}" for key, text in docs.items()})
    with pytest.raises(MassDelete):
        run(source, pipeline)
    assert Document.objects.count() == 5


def test_unreadable_pages_are_not_missing_pages(source, pipeline, folder):
    run(source, pipeline)
    for path in folder.glob("*.md"):
        path.write_bytes(bytes(range(32)) * 20)
    assert run(source, pipeline).counts["failed"] == 10
    assert Document.objects.count() == 10


# Sources that cannot be read


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda path: None, "there is no folder"),
        (lambda path: path.mkdir(), "no documents found in"),
        (lambda path: path.write_text("x"), "is a file; give the folder that holds it"),
    ],
    ids=["missing", "empty", "file"],
)
def test_a_folder_that_went_away_removes_nothing(source, pipeline, folder, break_it, message):
    run(source, pipeline)
    before = stored()
    folder.rename(folder.with_name("elsewhere"))
    break_it(folder)
    with pytest.raises(LoadError, match=message):
        run(source, pipeline)
    assert stored() == before
    assert newest_run().status == Status.FAILED
    assert message in newest_run().error


def test_a_folder_inside_that_cannot_be_opened_removes_nothing(
    source, pipeline, write_pages, monkeypatch
):
    write_pages({"closed/a.md": page(1), "closed/b.md": page(2)})
    run(source, pipeline)
    before, scandir = stored(), os.scandir

    def closed(folder):
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("ingestion.loaders.files.os.scandir", closed)
    with pytest.raises(LoadError, match="closed cannot be opened: Permission denied"):
        run(source, pipeline)
    assert stored() == before
    assert newest_run().status == Status.FAILED


# Previews


def test_a_preview_says_what_a_run_would_do(source, pipeline, folder):
    run(source, pipeline)
    (folder / "page-00.md").write_text("# Page 0\n\nAnother text.\n")
    (folder / "page-01.md").unlink()
    (folder / "page-99.md").write_text(page(99))
    preview = plan_run(source, pipeline).report
    report = run(source, pipeline)
    assert [(r.key, r.outcome) for r in preview.results] == [
        ("page-00.md", "changed"),
        ("page-99.md", "new"),
        ("page-01.md", "removed"),
    ]
    assert preview.counts == report.counts


def test_a_preview_writes_and_embeds_nothing(source, pipeline, embedder):
    plan_run(source, pipeline)
    assert not Document.objects.exists()
    assert not IngestionRun.objects.exists()
    assert embedder.calls == 0


# Over the API


def test_only_keys_and_who_may_view_runs_see_their_errors(source, pipeline, client):
    Corpus.objects.update(is_public=True)
    run(source, pipeline)
    key, secret = ApiKey.objects.create_key(name="deployment", scopes=["admin-read"])
    key.corpora.set([source.corpus])
    user = User.objects.create_user("joe")

    refused = [client.get("/api/v1/runs/")]
    client.force_login(user)
    refused += [client.get("/api/v1/runs/"), client.get(f"/api/v1/runs/{newest_run().pk}/")]
    user.user_permissions.set(Permission.objects.filter(codename="view_ingestionrun"))
    shown = [client.get("/api/v1/runs/")]
    client.logout()
    shown += [client.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {secret}"})]

    assert {reply.status_code for reply in refused} == {403}
    assert {reply.json()["code"] for reply in refused} <= {"scope_missing", "permission_denied"}
    assert [len(reply.json()["results"]) for reply in shown] == [1, 1]
