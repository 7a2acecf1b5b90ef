"""One writer for each source; whoever lost its lease changes nothing."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from documents.embedding.hashing import HashingEmbedder
from documents.models import Corpus, Document, Source
from ingestion.leases import LeaseLost, SourceBusy, acquire, leased
from ingestion.models import IngestionRun, Lease
from ingestion.runs import ingest_source
from tests.ingestion.pipelines import CountingEmbedder, pipeline_with, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(write_pages):
    return write_pages({f"page-{n}.md": f"# Page {n}\n\nText of {n}.\n" for n in range(5)})


@pytest.fixture
def source(folder):
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location=str(folder))


def expire(source):
    Lease.objects.filter(source=source).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_a_source_has_one_holder_at_a_time(source):
    acquire(source, "run 1")
    with pytest.raises(SourceBusy, match=r"run 1 .* is at work on it"):
        acquire(source, "run 2")


def test_a_lease_that_was_given_back_can_be_taken(source):
    acquire(source, "run 1").release()
    assert acquire(source, "run 2").token == 2


def test_a_lease_that_ran_out_can_be_taken(source):
    acquire(source, "run 1")
    expire(source)
    assert acquire(source, "run 2").token == 2


def test_a_lease_lasts_as_long_as_the_setting_says_from_now_on(source, settings):
    settings.INGEST_LEASE_SECONDS = 30
    acquire(source, "run 1")
    left = Lease.objects.get(source=source).expires_at - timezone.now()
    assert timedelta(seconds=25) < left <= timedelta(seconds=31)


def test_renewing_pushes_the_end_away(source):
    lease = acquire(source, "run 1")
    expire(source)
    assert lease.renew()
    assert Lease.objects.get(source=source).expires_at > timezone.now()


def test_a_lease_is_renewed_while_the_block_runs(source, settings):
    settings.INGEST_LEASE_SECONDS = 0.6
    beats = []
    enough = threading.Event()

    def beat():
        beats.append(Lease.objects.get(source=source).expires_at)
        if len(beats) == 12:  # twice as long as it would last by itself
            enough.set()

    with leased(source, "run 1", each_beat=beat):
        assert enough.wait(20)
        with pytest.raises(SourceBusy):
            acquire(source, "run 2")
    assert beats == sorted(beats)
    assert acquire(source, "run 2")


def test_whoever_lost_the_lease_cannot_write_renew_or_release(source):
    old = acquire(source, "run 1")
    expire(source)
    new = acquire(source, "run 2")
    with pytest.raises(LeaseLost), old.writing():
        pytest.fail("the block must not run")
    assert not old.renew()
    old.release()
    with new.writing():
        pass


def test_nobody_can_write_to_a_source_that_was_deleted(source):
    lease = acquire(source, "run 1")
    source.delete()
    source.pk = lease.source.pk or -1
    with pytest.raises(LeaseLost), lease.writing():
        pytest.fail("the block must not run")


def test_of_many_that_ask_at_once_one_gets_it(source):
    Lease.objects.create(source=source, expires_at=timezone.now())
    ready, got, refused = threading.Barrier(8), [], []

    def ask(number):
        ready.wait()
        try:
            got.append(acquire(source, f"run {number}").token)
        except SourceBusy:
            refused.append(number)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)


def test_a_run_that_lost_its_source_publishes_nothing_and_touches_no_record(source, folder):
    """As if it had been frozen while it embedded: another run did the work meanwhile."""
    record = IngestionRun.objects.create(source=source)
    seen = {}

    class FrozenEmbedder(CountingEmbedder):
        def embed_documents(self, texts):
            vectors = super().embed_documents(texts)
            expire(source)
            other = IngestionRun.objects.create(source=source)
            ingest_source(other, pipeline_with())
            seen.update(stored=stored(), items=other.items.count())
            return vectors

    with pytest.raises(LeaseLost):
        ingest_source(record, pipeline_with(FrozenEmbedder(HashingEmbedder())))
    assert stored() == seen["stored"]
    assert Document.objects.count() == seen["items"] == 5
    record.refresh_from_db()
    assert record.error.startswith("Its process died.")  # as the other run has it on record
    assert not record.items.exists()


def test_two_runs_over_one_source_do_not_mix(source):
    inside, go_on = threading.Event(), threading.Event()

    class SlowEmbedder(CountingEmbedder):
        def embed_documents(self, texts):
            inside.set()
            go_on.wait(20)
            return super().embed_documents(texts)

    def work():
        first = IngestionRun.objects.create(source=source)
        ingest_source(first, pipeline_with(SlowEmbedder(HashingEmbedder())))
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert inside.wait(20)
        second = IngestionRun.objects.create(source=source)
        with pytest.raises(SourceBusy):
            ingest_source(second, pipeline_with())
        assert second.status == IngestionRun.Status.QUEUED
    finally:
        go_on.set()
        thread.join()
    ingest_source(second, pipeline_with())
    assert second.counts["unchanged"] == 5
