"""A provider with a bad day: a run gets slower, loses nothing and pays for nothing twice."""

import random
from collections import Counter

import cohere
import httpx
import pytest

from documents.embedding.cohere import CohereEmbedder
from documents.embedding.pacing import Pace
from documents.models import ChunkVector, Corpus, Document, Source
from ingestion.models import IngestionRun
from ingestion.runs import ingest_source
from tests.clocks import SleepingClock
from tests.ingestion.pipelines import pipeline_with
from tests.standins.cohere import CohereStandIn, error, too_many_requests

pytestmark = pytest.mark.django_db
PAGES, SECTIONS = 100, 10
SEED = 20261122


class BadDay(CohereStandIn):
    """Three calls in ten are refused for some seconds, one in twenty breaks."""

    def __init__(self, clock: SleepingClock) -> None:
        super().__init__()
        self.clock, self.random = clock, random.Random(SEED)
        self.embedded: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.closed_until, self.too_early = 0.0, 0

    def _answer(self, request):
        self.too_early += self.clock.now() < self.closed_until
        texts = request.json["texts"]
        self.attempts[texts[0]] += 1
        dice = self.random.random()
        if dice < 0.30:
            seconds = self.random.randint(1, 40)
            self.closed_until = self.clock.now() + seconds
            return too_many_requests(retry_after=str(seconds))
        if dice < 0.35:
            return error(503, "try again")
        self.embedded.update(texts)
        return super()._answer(request)


@pytest.fixture
def source(write_pages):
    pages = {
        f"{page:03}.md": f"# Page {page}\n\n"
        + "".join(f"## Part {n}\n\nPart {n} of page {page}.\n\n" for n in range(SECTIONS))
        for page in range(PAGES)
    }
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location=str(write_pages(pages)))


def test_a_bad_day_costs_time_and_nothing_else(source):
    clock = SleepingClock()
    run = IngestionRun.objects.create(source=source)
    with BadDay(clock) as server, httpx.Client(trust_env=False) as http:
        client = cohere.ClientV2(
            server.api_key, base_url=server.url, httpx_client=http, max_retries=0
        )
        pace = Pace("cohere", sleep=clock.sleep, now=clock.now)
        pipeline = pipeline_with(CohereEmbedder(client, lambda: None, "embed-v4.0", 256, pace))
        while not run.is_finished:
            ingest_source(run, pipeline)
    assert run.status == IngestionRun.Status.SUCCEEDED
    assert Document.objects.exclude(space="").count() == PAGES
    assert ChunkVector.objects.count() == len(server.embedded) == PAGES * SECTIONS
    assert set(server.embedded.values()) == {1}
    assert server.too_early == 0
    assert max(server.attempts.values()) <= 6
    assert clock.waits  # it was a bad day
