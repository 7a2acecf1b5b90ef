"""Progress is told through the cache, and a cache that is away is no trouble for the run."""

import pickle

import pytest
from django.conf import settings
from django.core.cache import cache
from redis import Redis

import ingestion.progress
from documents.embedding.pacing import Pace
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


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.skipif(not settings.REDIS_URL, reason="needs a Redis")
def test_what_somebody_wrote_into_redis_is_not_unpickled(run, tmp_path):
    evil = pickle.dumps(Evil(tmp_path / "evil"))
    with Redis.from_url(settings.REDIS_URL) as redis:
        for key in (ingestion.progress._key(run.pk), "pace:cohere"):
            redis.set(cache.make_key(key), evil)
    assert watched_progress(run.pk) is None
    assert Pace("cohere", cache).left() < 0
    assert not (tmp_path / "evil").exists()


def test_a_run_does_not_need_the_cache(run, monkeypatch):
    monkeypatch.setattr(ingestion.progress, "cache", Away())
    ingest_source(run, pipeline_with())
    assert run.status == IngestionRun.Status.SUCCEEDED
    assert watched_progress(run.pk) is None
