"""What fails for a while is tried again; what was done is not done twice."""

from datetime import timedelta
from threading import Timer
from time import monotonic

import pytest
from django.utils import timezone

from documents.embedding.base import EmbeddingError
from documents.embedding.hashing import HashingEmbedder
from documents.index.base import IndexUnavailable
from documents.models import ChunkVector, Corpus, Document, Source, Tombstone
from documents.providers import cohere_embedder
from documents.stopping import stopping
from ingestion.models import IngestionItem, IngestionRun
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.runs import ATTEMPTS, Cancelled, ingest_source
from tests.ingestion.pipelines import CountingEmbedder, StoppingIndex, pipeline_with
from tests.standins.cohere import EMBED, too_many_requests

pytestmark = pytest.mark.django_db
Status, Outcome = IngestionRun.Status, IngestionItem.Outcome
AWAY = EmbeddingError("Cohere's rate limit is reached (429).", retry_after=90)


@pytest.fixture
def folder(write_pages):
    # Longer than one call to the embedder holds, so that it is called several times.
    return write_pages({f"page-{n:03}.md": f"# Page {n}\n\nText of {n}.\n" for n in range(120)})


@pytest.fixture
def source(folder):
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location=str(folder))


@pytest.fixture
def run(source):
    return IngestionRun.objects.create(source=source)


class LimitedEmbedder(CountingEmbedder):
    """Its provider refuses the second call."""

    def embed_documents(self, texts):
        self.error = AWAY if self.calls == 1 else None
        return super().embed_documents(texts)


@pytest.fixture
def embedder():
    return LimitedEmbedder(HashingEmbedder())


def test_documents_that_met_a_rate_limit_wait_as_long_as_the_provider_said(run, embedder):
    ingest_source(run, pipeline_with(embedder))
    assert run.status == Status.WAITING
    assert run.error == str(AWAY)
    waiting = run.items.filter(outcome=Outcome.WAITING)
    assert waiting.count() == run.counts["waiting"] == 24
    assert waiting.first().next_attempt_at > timezone.now() + timedelta(seconds=80)
    assert run.next_attempt_at > timezone.now() + timedelta(seconds=80)


def test_the_next_attempt_takes_up_those_documents_alone_and_embeds_nothing_twice(run, embedder):
    report = ingest_source(run, pipeline_with(embedder))
    ingest_source(run, pipeline_with(embedder), report=report)
    assert run.status == Status.SUCCEEDED
    assert Document.objects.exclude(space="").count() == 120
    assert len(embedder.texts) == len(set(embedder.texts)) == 120
    assert run.counts == dict(report.counts)
    assert (run.counts["new"], run.counts["unchanged"]) == (120, 0)


def test_an_item_remembers_how_often_it_was_tried(run, embedder):
    ingest_source(run, pipeline_with(embedder))
    ingest_source(run, pipeline_with(embedder))
    assert set(run.items.values_list("key", "attempts")) == {
        (f"page-{n:03}.md", 2 if n >= 96 else 1) for n in range(120)
    }


def test_after_enough_attempts_a_document_has_failed(run):
    embedder = CountingEmbedder(HashingEmbedder())
    embedder.error = AWAY
    for attempt in range(1, ATTEMPTS + 1):
        ingest_source(run, pipeline_with(embedder))
        assert run.status == (Status.WAITING if attempt < ATTEMPTS else Status.INCOMPLETE)
    assert run.counts["failed"] == 120
    assert run.items.first().reason == str(AWAY)


def test_a_run_waits_for_an_index_that_is_away(run, embedder):
    away = StoppingIndex(pipeline_with(embedder).index, "upsert", IndexUnavailable("away"))
    with pytest.raises(Aborted):
        ingest_source(run, IngestionPipeline(embedder, away))
    assert (run.status, run.error) == (Status.WAITING, "away")
    embedder.calls = 2
    ingest_source(run, pipeline_with(embedder))
    assert run.status == Status.SUCCEEDED


def test_a_run_waits_as_long_as_the_index_asks_it_to(run, embedder):
    limited = IndexUnavailable("too much", code="rate_limited", retry_after=3000)
    index = StoppingIndex(pipeline_with(embedder).index, "upsert", limited)
    with pytest.raises(Aborted):
        ingest_source(run, IngestionPipeline(embedder, index))
    assert run.next_attempt_at > timezone.now() + timedelta(seconds=2900)


@pytest.mark.parametrize("code", ["key_refused", "bad_request", "full"])
def test_a_run_does_not_wait_for_what_needs_a_hand(run, embedder, code):
    refusing = IndexUnavailable("no", code=code)
    index = StoppingIndex(pipeline_with(embedder).index, "upsert", refusing)
    with pytest.raises(Aborted):
        ingest_source(run, IngestionPipeline(embedder, index))
    assert (run.status, run.error) == (Status.FAILED, "no")


def test_a_run_does_not_wait_for_ever(run, embedder):
    away = StoppingIndex(pipeline_with(embedder).index, "upsert", IndexUnavailable("away"))
    for _ in range(ATTEMPTS):
        with pytest.raises(Aborted):
            ingest_source(run, IngestionPipeline(embedder, away))
    assert run.status == Status.FAILED


def test_a_run_over_named_documents_touches_no_other(source, folder, embedder):
    ingest_source(IngestionRun.objects.create(source=source), pipeline_with())
    for path in folder.glob("page-00*.md"):
        path.unlink()
    (folder / "page-050.md").write_text("# Page\n\nAnother text.\n")
    (folder / "page-051.md").write_text("# Page\n\nAnother text.\n")
    only = IngestionRun.objects.create(source=source, only=["page-050.md", "page-777.md"])
    ingest_source(only, pipeline_with())
    assert dict(only.items.values_list("key", "outcome")) == {
        "page-050.md": "changed",
        "page-777.md": "failed",
    }
    assert Document.objects.count() == 120


def test_a_cancelled_run_stops_and_keeps_what_it_published(run, monkeypatch):
    monkeypatch.setattr("ingestion.runs.ITEMS_AT_ONCE", 10)

    class CancellingEmbedder(CountingEmbedder):
        def embed_documents(self, texts):
            IngestionRun.objects.filter(pk=run.pk).update(cancel_requested=True)
            return super().embed_documents(texts)

    with pytest.raises(Cancelled):
        ingest_source(run, pipeline_with(CancellingEmbedder(HashingEmbedder())))
    assert run.status == Status.CANCELLED
    assert 0 < Document.objects.count() < 120
    assert run.counts["new"] == Document.objects.count()


def test_a_process_that_is_told_to_stop_hands_its_run_back(run, embedder):
    embedder.calls = 2
    stopping.set()
    try:
        ingest_source(run, pipeline_with(embedder))
    finally:
        stopping.clear()
    assert run.status == Status.WAITING
    assert run.next_attempt_at <= timezone.now()
    assert run.attempts == 0  # nothing is wrong with the run
    ingest_source(run, pipeline_with(embedder))
    assert run.status == Status.SUCCEEDED
    assert run.counts["new"] == 120


def test_so_it_does_while_its_provider_asks_to_wait(run, cohere_standin, settings):
    def busy(request):
        Timer(0.3, stopping.set).start()
        return too_many_requests(retry_after="50")

    settings.COHERE_API_KEY, settings.COHERE_BASE_URL = cohere_standin.api_key, cohere_standin.url
    settings.COHERE_EMBED_DIMENSION = 256
    cohere_standin.script(EMBED, busy)
    started = monotonic()
    try:
        ingest_source(run, pipeline_with(cohere_embedder()))
    finally:
        stopping.clear()
    assert monotonic() - started < 30
    assert len(cohere_standin.requests_to(EMBED)) == 1
    assert (run.status, run.attempts) == (Status.WAITING, 0)
    assert run.error == "The process that worked on it was stopped."
    assert run.next_attempt_at <= timezone.now()


def test_a_run_taken_up_after_a_crash_counts_what_was_done_before(run, source, embedder):
    embedder.calls = 2
    ingest_source(run, pipeline_with(embedder))
    IngestionRun.objects.filter(pk=run.pk).update(status=Status.RUNNING, finished_at=None)
    run.refresh_from_db()
    ingest_source(run, pipeline_with(embedder))
    assert (run.status, run.attempts) == (Status.SUCCEEDED, 2)
    assert (run.counts["new"], run.counts["unchanged"]) == (120, 0)


def test_a_run_that_is_done_is_not_done_again(run, embedder):
    embedder.calls = 2
    ingest_source(run, pipeline_with(embedder))
    before = run.finished_at
    ingest_source(run, pipeline_with(embedder))
    run.refresh_from_db()
    assert (run.finished_at, run.attempts) == (before, 1)


def test_a_dead_run_over_the_same_source_is_closed_by_the_next(source, run):
    IngestionRun.objects.filter(pk=run.pk).update(status=Status.RUNNING)
    run.items.create(key="page-000.md", outcome=Outcome.WAITING)
    other = IngestionRun.objects.create(source=source)
    ingest_source(other, pipeline_with())
    run.refresh_from_db()
    assert run.items.get().outcome == Outcome.FAILED  # nobody will try it again
    assert run.status == Status.FAILED
    assert run.error == f"Its process died. Run {other.pk} did the work."


def test_a_document_that_somebody_deleted_does_not_come_back(source):
    ingest_source(IngestionRun.objects.create(source=source), pipeline_with())
    Tombstone.objects.create(source=source, key="page-007.md", deleted_by="ann")
    again = IngestionRun.objects.create(source=source)
    ingest_source(again, pipeline_with())
    assert not Document.objects.filter(key="page-007.md").exists()
    (item,) = again.items.all()
    assert (item.outcome, item.key) == ("removed", "page-007.md")
    assert "deleted by ann" in item.reason
    third = IngestionRun.objects.create(source=source)
    ingest_source(third, pipeline_with())
    assert "deleted by ann" in third.items.get().reason


def test_a_document_deleted_while_it_was_on_its_way_is_not_published(source, folder):
    class DeletingEmbedder(CountingEmbedder):
        def embed_documents(self, texts):
            Tombstone.objects.get_or_create(source=source, key="page-007.md")
            return super().embed_documents(texts)

    run = IngestionRun.objects.create(source=source)
    ingest_source(run, pipeline_with(DeletingEmbedder(HashingEmbedder())))
    assert not Document.objects.filter(key="page-007.md").exists()
    assert Document.objects.count() == 119
    assert ChunkVector.objects.count() == 119  # its own was stored already
