"""The path of one document: what is done again, what is not, and what a failure leaves behind."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from documents.embedding.base import EmbeddingError
from documents.embedding.hashing import HashingEmbedder
from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.index.embedded import EmbeddedIndex
from documents.models import Chunk, ChunkVector, Corpus, Document, Source
from ingestion.leases import leased
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.sources import loader_for
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

LAMP = "# Lamp\n\n## Colour\n\nThe lamp is white.\n\n## Size\n\nThe lamp is tall.\n"
FOG = "# Fog\n\nThe horn sounds in fog.\n"


@pytest.fixture
def folder(write_pages):
    return write_pages({"lamp.md": LAMP, "fog.md": FOG})


@pytest.fixture
def source(folder):
    corpus = Corpus.objects.create(slug="coast", name="Coast")
    return Source.objects.create(
        corpus=corpus, slug="coast", location=str(folder), base_url="https://coast.example.org"
    )


@pytest.fixture
def embedder():
    return CountingEmbedder(HashingEmbedder())


@pytest.fixture
def pipeline(embedder):
    return pipeline_with(embedder)


def outcomes(report):
    return {result.key: result.outcome for result in report.results}


def forget(embedder):
    embedder.texts, embedder.calls = [], 0


# New, changed, unchanged, removed


def test_new_pages_become_documents_with_chunks_and_vectors(source, pipeline, embedder):
    report = run(source, pipeline)
    assert outcomes(report) == {"fog.md": "new", "lamp.md": "new"}
    assert Document.objects.get(key="lamp.md").url == "https://coast.example.org/lamp"
    assert [chunk.text for chunk in Document.objects.get(key="lamp.md").chunks.all()] == [
        "The lamp is white.",
        "The lamp is tall.",
    ]
    assert ChunkVector.objects.count() == Chunk.objects.count() == len(embedder.texts) == 3


def test_title_and_headings_are_embedded_with_the_text(source, pipeline, embedder):
    run(source, pipeline)
    assert "Lamp\nColour\nThe lamp is white." in embedder.texts


def test_an_unchanged_page_is_neither_embedded_nor_written(source, pipeline, embedder):
    run(source, pipeline)
    forget(embedder)
    before, outbox = stored(), last_change()
    with CaptureQueriesContext(connection) as queries:
        report = run(source, pipeline)
    writes = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert report.counts["unchanged"] == 2
    assert (embedder.calls, stored(), last_change()) == (0, before, outbox)
    assert not [sql for sql in writes if "documents_" in sql]


def test_editing_a_page_embeds_only_the_chunks_that_changed(source, pipeline, embedder, folder):
    run(source, pipeline)
    kept = Chunk.objects.get(text="The lamp is tall.").pk
    forget(embedder)
    (folder / "lamp.md").write_text(LAMP.replace("white", "red"))
    report = run(source, pipeline)
    assert outcomes(report) == {"lamp.md": "changed"}
    assert embedder.texts == ["Lamp\nColour\nThe lamp is red."]
    assert (report.counts["embedded"], report.counts["chunks"]) == (1, 2)
    assert Chunk.objects.get(text="The lamp is tall.").pk == kept
    assert not Chunk.objects.filter(text__contains="white").exists()


def test_text_that_only_moves_keeps_its_id_and_its_vector(source, pipeline, embedder, folder):
    run(source, pipeline)
    before = set(Chunk.objects.values_list("pk", flat=True))
    forget(embedder)
    (folder / "lamp.md").write_text("\n\n" + LAMP)
    report = run(source, pipeline)
    assert outcomes(report) == {"lamp.md": "changed"}
    assert embedder.calls == 0
    assert set(Chunk.objects.values_list("pk", flat=True)) == before
    assert Chunk.objects.get(text="The lamp is white.").line_start == 7


def test_a_new_address_embeds_nothing(source, pipeline, embedder):
    run(source, pipeline)
    forget(embedder)
    source.base_url = "https://new.example.org"
    source.save()
    report = run(source, pipeline)
    assert report.counts["changed"] == 2
    assert embedder.calls == 0
    assert Document.objects.get(key="fog.md").url == "https://new.example.org/fog"


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"trust_tier": "official"}, "trust_tier", "official"),
        ({"options": {"version": "2.0"}}, "version", "2.0"),
    ],
    ids=str,
)
def test_what_the_source_says_about_its_pages_reaches_them(
    source, pipeline, embedder, change, field, value
):
    run(source, pipeline)
    forget(embedder)
    Source.objects.update(**change)
    source.refresh_from_db()
    run(source, pipeline)
    assert set(Document.objects.values_list(field, flat=True)) == {value}
    assert embedder.calls == 0


def test_a_source_that_moves_to_another_corpus_takes_its_pages_along(source, pipeline):
    run(source, pipeline)
    source.corpus = Corpus.objects.create(slug="island", name="Island")
    source.save()
    run(source, pipeline)
    assert {document.corpus.slug for document in Document.objects.all()} == {"island"}


def test_a_page_that_is_gone_is_removed_with_its_chunks_and_vectors(source, pipeline, folder):
    run(source, pipeline)
    outbox, gone = last_change(), Chunk.objects.get(document__key="fog.md").pk
    (folder / "fog.md").unlink()
    report = run(source, pipeline)
    assert outcomes(report) == {"fog.md": "removed"}
    assert not Chunk.objects.filter(pk=gone).exists()
    assert not ChunkVector.objects.filter(chunk_id=gone).exists()
    assert last_change() > outbox


def test_a_page_that_comes_back_has_its_old_ids(source, pipeline, folder):
    run(source, pipeline)
    before = stored()["chunks"]
    (folder / "fog.md").unlink()
    run(source, pipeline)
    (folder / "fog.md").write_text(FOG)
    run(source, pipeline)
    assert stored()["chunks"] == before


def test_a_new_embedding_space_embeds_everything_again(source, pipeline):
    run(source, pipeline)
    other = CountingEmbedder(HashingEmbedder(dimension=32))
    report = run(source, pipeline_with(other))
    assert report.counts["changed"] == 2
    assert len(other.texts) == 3
    assert set(Document.objects.values_list("space", flat=True)) == {str(other.space)}
    assert ChunkVector.objects.filter(space=str(other.space)).count() == 3


def test_chunks_may_be_cut_to_another_size(source, pipeline, settings, folder):
    (folder / "lamp.md").write_text("# Lamp\n\n" + "The lamp is white. " * 40)
    run(source, pipeline)
    settings.CHUNK_CHARS = 200
    assert outcomes(run(source, pipeline)) == {"fog.md": "changed", "lamp.md": "changed"}
    assert Document.objects.get(key="lamp.md").chunks.count() > 1


def test_words_alone_are_enough(source):
    pipeline = IngestionPipeline(None, EmbeddedIndex(IngestionPipeline(None, None).space, "rrf"))
    report = run(source, pipeline)
    assert (report.counts["new"], report.counts["embedded"]) == (2, 0)
    assert {bytes(vector.vector) for vector in ChunkVector.objects.all()} == {b""}
    assert run(source, pipeline).counts["unchanged"] == 2


# Texts that are not unique


def test_the_same_text_on_two_pages_is_two_chunks(source, pipeline, write_pages):
    write_pages({"a/fog.md": FOG, "b/fog.md": FOG})
    run(source, pipeline)
    chunks = Chunk.objects.filter(text="The horn sounds in fog.")
    assert sorted(chunk.document.key for chunk in chunks) == ["a/fog.md", "b/fog.md", "fog.md"]


def test_the_same_text_twice_under_headings_alike_is_two_chunks(source, pipeline, write_pages):
    write_pages({"twice.md": "# Twice\n\n## Use\n\nPull the rope.\n\n## Use\n\nPull the rope.\n"})
    run(source, pipeline)
    chunks = Document.objects.get(key="twice.md").chunks.all()
    assert [chunk.text for chunk in chunks] == ["Pull the rope."] * 2
    assert [chunk.anchor for chunk in chunks] == ["use", "use-1"]


# Pages with a problem


def test_broken_front_matter_costs_its_values_and_is_told_with_its_line(
    source, pipeline, write_pages
):
    write_pages({"broken.md": "---\nauthor: [a\nversion: 3\n---\n\n# Body\n\nThe body stays.\n"})
    report = run(source, pipeline)
    document = Document.objects.get(key="broken.md")
    assert [chunk.text for chunk in document.chunks.all()] == ["The body stays."]
    (result,) = [result for result in report.results if result.key == "broken.md"]
    assert result.outcome == "new"
    assert "front matter, line 3" in result.warnings[0]
    assert document.warnings == list(result.warnings)


def test_a_page_that_is_not_text_fails_alone(source, pipeline, folder):
    (folder / "noise.md").write_bytes(bytes(range(32)) * 20)
    report = run(source, pipeline)
    assert outcomes(report) == {"fog.md": "new", "lamp.md": "new", "noise.md": "failed"}
    (result,) = [result for result in report.results if result.key == "noise.md"]
    assert "not a text file" in result.reason


def test_a_page_that_cannot_be_read_any_more_keeps_its_last_good_state(source, pipeline, folder):
    run(source, pipeline)
    before = stored()
    (folder / "fog.md").write_bytes(bytes(range(32)) * 20)
    assert outcomes(run(source, pipeline)) == {"fog.md": "failed"}
    assert stored() == before


@pytest.mark.parametrize("text", ["", "\n \n", "---\ntitle: Nothing\n---\n", "# Only a heading\n"])
def test_an_empty_page_is_kept_without_chunks_and_with_a_warning(
    source, pipeline, write_pages, text
):
    write_pages({"empty.md": text})
    report = run(source, pipeline)
    assert outcomes(report)["empty.md"] == "new"
    document = Document.objects.get(key="empty.md")
    assert not document.chunks.exists()
    assert document.warnings
    assert run(source, pipeline).counts["unchanged"] == 3


def test_a_page_that_becomes_a_draft_is_skipped_and_removed(source, pipeline, folder):
    (folder / "docusaurus.config.js").write_text("module.exports = {url: 'https://d.example.org'}")
    (folder / "docs").mkdir()
    (folder / "docs" / "horn.md").write_text(FOG)
    run(source, pipeline)
    (folder / "docs" / "horn.md").write_text(f"---\ndraft: true\n---\n{FOG}")
    report = run(source, pipeline)
    assert report.counts["removed"] == 1
    assert not Document.objects.filter(key="docs/horn.md").exists()


def test_a_title_that_is_too_long_is_cut(source, pipeline, write_pages):
    write_pages({"long.md": f"# {'Long ' * 300}\n\nStill a page.\n"})
    run(source, pipeline)
    assert len(Document.objects.get(key="long.md").title) <= 500


@pytest.mark.parametrize("escape", ["\\0", "\\ud800", "\\x1b"])
def test_an_escape_of_what_no_database_takes_costs_nothing_but_itself(
    source, pipeline, write_pages, escape
):
    matter = f'title: "Es{escape}cape"\nauthors: ["An{escape}n"]'
    write_pages({"escape.md": f"---\n{matter}\n---\n\nText.\n"})
    run(source, pipeline)
    document = Document.objects.get(key="escape.md")
    assert (document.title, document.authors) == ("Escape", ["Ann"])


def test_a_heading_too_long_for_an_anchor_leads_to_the_top_of_its_page(
    source, pipeline, write_pages
):
    write_pages({"long.md": f"# Page\n\n## {'Long ' * 100}\n\nText.\n\n## Short\n\nText.\n"})
    run(source, pipeline)
    chunks = Document.objects.get(key="long.md").chunks.all()
    assert [chunk.anchor for chunk in chunks] == ["", "short"]


def test_a_path_too_long_to_be_stored_fails_alone(source, pipeline, write_pages):
    write_pages({"/".join(["folder" * 20] * 5) + "/page.md": FOG})
    report = run(source, pipeline)
    assert (report.counts["new"], report.counts["failed"]) == (2, 1)
    assert report.results[0].reason == "its path or address is too long"


@pytest.mark.parametrize("base_url", ["javascript:alert(1)//", "//evil.example.org", "data:x,"])
def test_a_page_whose_address_is_no_web_address_fails(source, pipeline, base_url):
    Source.objects.update(base_url=base_url)  # past the form's own check
    source.refresh_from_db()
    report = run(source, pipeline)
    assert set(outcomes(report).values()) == {"failed"}
    assert "neither http nor https nor a path" in report.results[0].reason
    assert not Document.objects.exists()


def test_two_pages_of_one_address_are_both_kept_and_the_second_is_told(
    source, pipeline, folder, write_pages
):
    (folder / "docusaurus.config.js").write_text("module.exports = {url: 'https://d.example.org'}")
    write_pages({"docs/a.md": f"---\nslug: /horn\n---\n\n{FOG}"})
    run(source, pipeline)
    write_pages({"docs/b.md": f"---\nslug: /horn\n---\n\n{LAMP}"})
    report = run(source, pipeline)
    (second,) = [result for result in report.results if result.key == "docs/b.md"]
    assert second.outcome == "new"
    assert "same address as docs/a.md" in second.warnings[0]
    assert Document.objects.get(key="docs/b.md").warnings == list(second.warnings)


def test_pages_that_need_no_embedding_are_stored_as_they_come_too(source, pipeline, write_pages):
    write_pages({f"{number:03}.md": f"# {number}\n\nText {number}.\n" for number in range(200)})
    run(source, pipeline)
    Source.objects.update(base_url="https://new.example.org")
    source.refresh_from_db()
    loaded = []
    with leased(source, "test") as lease, loader_for(source) as loader:
        results = pipeline.ingest(lease, map(remembered(loaded), loader.load()))
        assert next(results).outcome == "changed"
        assert len(loaded) < 100


def remembered(loaded):
    def remember(raw):
        loaded.append(raw)
        return raw

    return remember


# Failing embedder, failing index


def test_pages_wait_for_an_embedder_that_is_away_and_the_next_run_heals(source, pipeline, embedder):
    embedder.error = EmbeddingError("Cohere did not answer.")
    report = run(source, pipeline)
    assert outcomes(report) == {"fog.md": "waiting", "lamp.md": "waiting"}
    assert {result.reason for result in report.results} == {"Cohere did not answer."}
    assert not Document.objects.exists()
    embedder.error = None
    assert outcomes(run(source, pipeline)) == {"fog.md": "new", "lamp.md": "new"}


def test_a_changed_page_stays_as_it_was_while_the_embedder_is_away(
    source, pipeline, embedder, folder
):
    run(source, pipeline)
    before = stored()
    (folder / "lamp.md").write_text(LAMP.replace("white", "red"))
    embedder.error = EmbeddingError("Cohere did not answer.")
    run(source, pipeline)
    assert stored() == before


def test_an_embedder_that_needs_a_hand_ends_the_run(source, pipeline, embedder):
    embedder.error = EmbeddingError("Cohere refused the API key (401).", retryable=False)
    with pytest.raises(Aborted, match="refused the API key"):
        run(source, pipeline)
    assert not Document.objects.exists()


@pytest.mark.parametrize("step", ["prepare", "present", "upsert", "drain"])
@pytest.mark.parametrize("error", [IndexUnavailable("away"), SpaceMismatch("other space")])
def test_an_index_that_fails_at_any_step_ends_the_run_and_the_next_one_heals(
    source, pipeline, step, error
):
    stopping = IngestionPipeline(pipeline.embedder, StoppingIndex(pipeline.index, step, error))
    with pytest.raises(Aborted, match=str(error)):
        run(source, stopping)
    run(source, pipeline)
    assert_complete()


def assert_complete():
    """Two documents, verified, with the chunks of their pages and one vector for each."""
    texts = set(Chunk.objects.values_list("text", flat=True))
    assert texts == {"The lamp is white.", "The lamp is tall.", "The horn sounds in fog."}
    assert not Document.objects.filter(space="").exists()
    vectors = ChunkVector.objects.values_list("chunk_id", flat=True)
    assert sorted(vectors) == sorted(Chunk.objects.values_list("pk", flat=True))


# Stopped anywhere


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["upsert", "drain"])
def test_stopped_anywhere_the_next_run_ends_as_if_nothing_had_happened(
    source, pipeline, folder, step, after
):
    run(source, pipeline)
    edited = LAMP.replace("tall", "very tall")
    (folder / "lamp.md").write_text(edited)
    run(source, pipeline)
    undisturbed = stored()

    (folder / "lamp.md").write_text(LAMP)
    run(source, pipeline)
    (folder / "lamp.md").write_text(edited)
    stopping = StoppingIndex(pipeline.index, step, Stopped(), after=after)
    with pytest.raises(Stopped):
        run(source, IngestionPipeline(pipeline.embedder, stopping))
    run(source, pipeline)
    assert stored() == undisturbed


def test_a_page_counts_as_done_only_when_its_chunks_were_found_in_the_index(
    source, pipeline, folder
):
    run(source, pipeline)
    (folder / "lamp.md").write_text(LAMP.replace("tall", "very tall"))
    stopping = StoppingIndex(pipeline.index, "drain", Stopped())
    with pytest.raises(Stopped):
        run(source, IngestionPipeline(pipeline.embedder, stopping))
    assert Document.objects.get(key="lamp.md").space == ""
    assert outcomes(run(source, pipeline)) == {"lamp.md": "changed"}


def test_a_page_waits_when_the_index_loses_its_chunks_and_the_next_run_heals(
    source, pipeline, embedder
):
    report = run(source, IngestionPipeline(embedder, ForgetfulIndex(pipeline.index)))
    assert outcomes(report) == {"fog.md": "waiting", "lamp.md": "waiting"}
    assert "did not keep all of its chunks" in report.results[0].reason
    assert outcomes(run(source, pipeline)) == {"fog.md": "changed", "lamp.md": "changed"}
    assert ChunkVector.objects.count() == 3


class ForgetfulIndex:
    """Accepts everything and keeps nothing."""

    def __init__(self, index):
        self.space, self.prepare, self.present = index.space, index.prepare, index.present
        self.drain, self.purge = index.drain, index.purge

    def upsert(self, points):
        pass
