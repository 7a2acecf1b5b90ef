"""Progress is told through the cache, and a cache that is away is no trouble for the run."""

import pytest

import ingestion.progress
from documents.models import Corpus, Source
from ingestion.models import IngestionRun
from ingestion.progress import forget_progress, publish_progress, watched_progress
from ingestion.runs import ingest_source
from tests.ingestion.pipelines import pipeline_with

pytestmark = pytest.mark.django_db


class Away:
    def __getattr__(self, name):
        def fail(*arguments):
            raise OSError("away")

        return fail


@pytest.fixture
def run(site):
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    source = Source.objects.create(corpus=corpus, slug="pages", location=str(site))
    return IngestionRun.objects.create(source=source, total=4)


def test_what_was_published_is_seen_until_it_is_forgotten(run):
    assert watched_progress(run.pk) is None
    publish_progress(run, {"new": 3}, "lamp.md")
    seen = watched_progress(run.pk)
    assert (seen.done, seen.total, seen.current) == (3, 4, "lamp.md")
    forget_progress(run.pk)
    assert watched_progress(run.pk) is None


def test_watching_asks_no_database(run, django_assert_num_queries):
    publish_progress(run, {"new": 3}, "lamp.md")
    with django_assert_num_queries(0):
        assert watched_progress(run.pk).done == 3


def test_a_run_does_not_need_the_cache(run, monkeypatch):
    monkeypatch.setattr(ingestion.progress, "cache", Away())
    ingest_source(run, pipeline_with())
    assert run.status == IngestionRun.Status.SUCCEEDED
    assert watched_progress(run.pk) is None
