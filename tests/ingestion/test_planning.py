"""What a plan says is what the run then takes."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from documents.embedding.base import EmbeddingSpace
from documents.embedding.hashing import HashingEmbedder
from documents.index.sizing import collection_size
from documents.models import Chunk, Corpus, Source
from documents.quotas import database_size
from ingestion.planning import limits, plan_run
from tests.ingestion.pipelines import CountingEmbedder, pipeline_with, run, stored

pytestmark = pytest.mark.django_db


class PaidEmbedder(CountingEmbedder):
    """Counts the calls that Cohere would count: one for each 96 texts of a batch."""

    def __init__(self):
        super().__init__(HashingEmbedder())
        self.space = EmbeddingSpace("cohere", "embed-v4.0", self.embedder.space.dimension)


@pytest.fixture
def folder(write_pages):
    long = "".join(f"## Part {n}\n\nPart {n} tells of the sea.\n\n" for n in range(250))
    pages = {f"page-{n:02}.md": f"# Page {n}\n\nThe text of page {n}.\n" for n in range(60)}
    return write_pages({**pages, "book.md": f"# Book\n\n{long}"})


@pytest.fixture
def source(folder):
    corpus = Corpus.objects.create(slug="pages", name="Pages")
    return Source.objects.create(corpus=corpus, slug="pages", location=str(folder))


@pytest.fixture
def pipeline():
    return pipeline_with(PaidEmbedder())


def test_the_plan_names_the_calls_and_texts_that_the_run_then_makes(source, pipeline):
    plan = plan_run(source, pipeline)
    assert pipeline.embedder.calls == 0
    run(source, pipeline)
    assert (plan.calls, plan.texts) == (pipeline.embedder.calls, len(pipeline.embedder.texts))
    assert plan.chunks_after == Chunk.objects.count() == 310


def test_an_edited_page_costs_only_its_changed_chunks(source, pipeline, folder):
    run(source, pipeline)
    book = folder / "book.md"
    book.write_text(book.read_text().replace("Part 7 tells of the sea", "Part 7 tells of storms"))
    plan = plan_run(source, pipeline)
    assert (plan.calls, plan.texts, plan.chunks_after) == (1, 1, 310)


def test_nothing_new_costs_nothing(source, pipeline):
    run(source, pipeline)
    plan = plan_run(source, pipeline)
    assert (plan.calls, plan.texts, plan.tokens, plan.database_growth) == (0, 0, 0, 0)
    assert plan.report.counts["unchanged"] == 61


def test_planning_writes_nothing(source, pipeline, folder):
    run(source, pipeline)
    before = stored()
    (folder / "page-00.md").write_text("# Page\n\nAnother text.\n")
    plan_run(source, pipeline)
    assert stored() == before


def test_tokens_are_counted_with_title_and_headings(source, pipeline):
    plan = plan_run(source, pipeline)
    run(source, pipeline)
    characters = sum(map(len, pipeline.embedder.texts))
    assert characters / 6 < plan.tokens < characters / 2


def test_a_model_on_this_machine_costs_no_calls(source):
    assert plan_run(source, pipeline_with()).calls == 0


def test_a_run_that_would_stop_is_foretold(source, pipeline, folder):
    run(source, pipeline)
    for path in sorted(folder.glob("*.md"))[:15]:
        path.unlink()
    assert "15 of the source's 61 documents" in plan_run(source, pipeline).refusal


def test_a_page_that_would_lose_its_text_says_so(source, pipeline, folder):
    run(source, pipeline)
    (folder / "page-00.md").write_text("")
    (result,) = plan_run(source, pipeline).report.results
    assert (result.outcome, result.reason) == ("changed", "loses all its text")


def test_needs_are_held_against_the_tier_of_the_settings(source, pipeline, settings):
    settings.COHERE_CALLS_A_MONTH = 2
    plan = plan_run(source, pipeline)
    (calls, *_) = limits(plan)
    assert (calls.needed, calls.allowed, calls.fits) == (plan.calls, 2, False)
    settings.COHERE_CALLS_A_MONTH = 0
    assert limits(plan)[0].fits


def test_qdrant_is_planned_for_where_it_is_used(source, pipeline, settings):
    settings.QDRANT_MEMORY_BYTES, settings.QDRANT_DISK_BYTES = 1_000_000_000, 4_000_000_000
    settings.QDRANT_URL = "https://qdrant.example.org"
    memory, disk = [limit for limit in limits(plan_run(source, pipeline)) if "Qdrant" in limit.name]
    assert (memory.allowed, disk.allowed) == (1_000_000_000, 4_000_000_000)
    dimension = pipeline.embedder.space.dimension
    none, hundred = (collection_size(310, dimension, words) for words in (0, 100))
    assert memory.needed == round(hundred.memory)
    assert none.disk < disk.needed < hundred.disk


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's file is not limited")
def test_the_growth_of_postgresql_is_about_right(source, pipeline):
    planned = plan_run(source, pipeline).database_growth
    before = database_size()
    run(source, pipeline)
    assert planned / 4 < database_size() - before < planned * 4


def test_the_command_prints_the_plan_for_people_and_for_machines(folder):
    out = StringIO()
    call_command("ingest", str(folder), plan=True, stdout=out)
    assert "What it will take to ingest site" in out.getvalue()
    assert "Embedding costs nothing" in out.getvalue()
    out = StringIO()
    call_command("ingest", str(folder), plan=True, json=True, stdout=out)
    plan = json.loads(out.getvalue().splitlines()[-1])
    assert (plan["event"], plan["texts"], plan["calls"]) == ("plan", 310, 0)
    assert not Source.objects.exists()
