"""`manage.py ingest`: what an operator types, what comes back, and the messages when it cannot."""

import json
import sqlite3
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

import documents.providers
from documents.embedding import bundled
from documents.models import Chunk, Corpus, Document, Source
from ingestion.models import IngestionRun

pytestmark = pytest.mark.django_db
NOISE = bytes(range(32)) * 20


def ingest(*names, **options):
    """Exit code, output and errors of one call."""
    out, err = StringIO(), StringIO()
    try:
        call_command("ingest", *map(str, names), stdout=out, stderr=err, **options)
    except SystemExit as stop:
        return stop.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def json_lines(*names, **options):
    code, out, _ = ingest(*names, json=True, **options)
    return code, [json.loads(line) for line in out.splitlines()]


def everything():
    """Every row of every table."""
    return {model: sorted(map(str, model.objects.values_list())) for model in apps.get_models()}


@pytest.fixture(autouse=True)
def words_alone(settings):
    """Embedding is another test's matter."""
    settings.EMBEDDER = "none"
    documents.providers.reset()
    yield
    documents.providers.reset()


# Output


def test_a_table_sums_up_the_run(site):
    code, out, _ = ingest(site, corpus="docs")
    assert code == 0
    assert "site in corpus docs" in out
    columns = ["new", "changed", "unchanged", "removed", "skipped", "failed", "chunks", "pages/s"]
    assert [column for column in columns if column not in out] == []
    row = [line for line in out.splitlines() if line.startswith("│")][-1]
    assert [cell.strip() for cell in row.strip("│").split("│")][:7] == [
        "4", "0", "0", "0", "0", "0", "8",
    ]  # fmt: skip


def test_json_is_one_object_a_line(site):
    code, lines = json_lines(site)
    items, summary = lines[:-1], lines[-1]
    assert code == 0
    assert [item["key"] for item in items] == [
        "guide/install.md", "guide/lamp.md", "index.md", "operate/backup.md",
    ]  # fmt: skip
    assert {item["outcome"] for item in items} == {"new"}
    assert (summary["event"], summary["source"], summary["new"]) == ("summary", "site", 4)
    assert summary["chunks"] == Chunk.objects.count()


def test_a_second_run_has_no_items(site):
    ingest(site)
    code, (summary,) = json_lines(site)
    assert (code, summary["unchanged"], summary["new"]) == (0, 4, 0)


def test_one_failed_page_makes_the_exit_code_1(site):
    (site / "noise.md").write_bytes(NOISE)
    code, _, err = ingest(site)
    assert code == 1
    assert "failed: noise.md: noise.md: not a text file" in err
    assert Document.objects.count() == 4


def test_many_failures_are_counted_after_the_first_few(site):
    for number in range(25):
        (site / f"noise-{number}.md").write_bytes(NOISE)
    _, _, err = ingest(site)
    assert err.count("  failed: ") == 20
    assert "and 5 more" in err


def test_warnings_are_told(site):
    (site / "broken.md").write_text("---\na: [\n---\n\n# Broken\n\nStill here.\n")
    _, out, _ = ingest(site)
    assert "warning: broken.md: front matter, line" in out


# Dry run


def test_a_dry_run_shows_the_changes_and_writes_nothing(site):
    ingest(site, corpus="docs")
    (site / "index.md").write_text("# Lighthouse\n\nAnother text.\n")
    (site / "new.md").write_text("# New\n\nA new page.\n")
    (site / "guide" / "lamp.md").unlink()
    before = everything()
    code, out, _ = ingest(site, corpus="docs", dry_run=True)
    assert code == 0
    assert "dry run, nothing written" in out
    assert [line.strip() for line in out.splitlines() if line.startswith("  ")] == [
        "changed: index.md", "new: new.md", "removed: guide/lamp.md (no longer in the source)",
    ]  # fmt: skip
    assert everything() == before


def test_a_dry_run_of_a_new_folder_leaves_no_source_behind(site):
    before = everything()
    _, lines = json_lines(site, corpus="docs", public=True, dry_run=True)
    assert (lines[-1]["new"], lines[-1]["dry_run"]) == (4, True)
    assert everything() == before


# Which sources


def test_a_folder_becomes_a_source_of_its_corpus(site):
    ingest(site, corpus="docs", base_url="https://docs.example.org", public=True)
    source = Source.objects.get()
    assert (source.slug, source.location) == ("site", str(site))
    assert (source.corpus.slug, source.corpus.is_public) == ("docs", True)
    assert Document.objects.get(key="index.md").url == "https://docs.example.org/index"


def test_a_corpus_is_private_unless_said(site):
    ingest(site)
    assert not Corpus.objects.get(slug="default").is_public


def test_a_base_url_is_given_once(site):
    ingest(site, base_url="https://docs.example.org")
    assert json_lines(site)[1][-1]["unchanged"] == 4


def test_a_source_can_be_named_by_its_slug(site):
    ingest(site, corpus="docs")
    _, lines = json_lines("site")
    assert lines[-1]["unchanged"] == 4
    assert Source.objects.count() == 1


def test_without_a_name_every_source_is_ingested(site, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("# A\n\nText.\n")
    ingest(site, other)
    _, lines = json_lines()
    assert [line["source"] for line in lines] == ["other", "site"]


def test_without_any_source_it_says_what_to_give():
    with pytest.raises(CommandError, match=r"There is no source yet\. Give a folder"):
        ingest()


def test_folders_of_the_same_name_get_slugs_of_their_own(tmp_path):
    slugs = set()
    for parent in ("one", "two", "three/one"):
        folder = tmp_path / parent / "docs"
        folder.mkdir(parents=True)
        (folder / "a.md").write_text(f"# A\n\nText of {parent}.\n")
        _, lines = json_lines(folder)
        slugs.add(lines[-1]["source"])
    assert slugs == {"docs", "two-docs", "one-docs"}
    assert Document.objects.count() == 3


def test_a_folder_may_be_in_two_corpora(site):
    ingest(site, corpus="one")
    ingest(site, corpus="two")
    assert Document.objects.count() == 8
    assert Source.objects.values("slug").distinct().count() == 2


# What cannot be done


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "does not exist, and no source has that name"), ("index.md", "is a file")],
)
def test_a_name_that_is_neither_folder_nor_source_leaves_nothing_behind(site, name, message):
    with pytest.raises(CommandError, match=message):
        ingest(site / name)
    assert not Source.objects.exists()
    assert not Corpus.objects.exists()


def test_a_folder_without_documents_says_what_was_looked_for(tmp_path):
    with pytest.raises(CommandError, match=r"no documents found in .* looked for \.md"):
        ingest(tmp_path)
    assert IngestionRun.objects.get().status == IngestionRun.Status.FAILED


def test_the_mass_delete_guard_names_its_option(site):
    for number in range(10):
        (site / f"{number}.md").write_text(f"# {number}\n\nText {number}.\n")
    ingest(site)
    for number in range(10):
        (site / f"{number}.md").unlink()
    with pytest.raises(CommandError, match="--allow-mass-delete"):
        ingest(site)
    assert Document.objects.count() == 14
    _, lines = json_lines(site, allow_mass_delete=True)
    assert lines[-1]["removed"] == 10


@pytest.fixture
def write_lock(transactional_db):
    """Another process that is writing and does not come to an end."""
    if connection.vendor != "sqlite":
        pytest.skip("a writer locks the whole database on SQLite only")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()
    connection.close()


def test_a_locked_database_says_what_to_do(site, write_lock):
    with pytest.raises(CommandError, match=r"database is locked\. .*Wait .* SQLITE_TIMEOUT"):
        ingest(site)


# The bundled model


@pytest.fixture
def model_directory(settings, tmp_path):
    settings.EMBEDDER, settings.MODEL_DIR = "bundled", tmp_path / "models"
    documents.providers.reset()
    return settings.MODEL_DIR


def test_a_damaged_model_is_built_again(site, model_directory, caplog):
    model_directory.mkdir()
    (model_directory / bundled.GRAPH_NAME).write_bytes(b"cut short")
    (model_directory / bundled.GRAPH_NAME).with_suffix(".sha256").write_text("of the whole file")
    _, lines = json_lines(site)
    assert lines[-1]["embedded"] == 8
    assert "is damaged; building it again" in caplog.text


def test_a_damaged_part_that_cannot_be_built_says_what_to_do(
    site, model_directory, monkeypatch, tmp_path
):
    damaged = tmp_path / "tokenizer.json"
    damaged.write_text("{}")
    monkeypatch.setattr(bundled, "TOKENIZER", damaged)
    with pytest.raises(CommandError, match=r"tokenizer\.json is damaged .* Restore the file"):
        ingest(site)
    assert not Document.objects.exists()
    assert IngestionRun.objects.get().status == IngestionRun.Status.FAILED


def test_a_folder_for_the_model_that_cannot_be_written_says_what_to_do(
    site, model_directory, tmp_path
):
    model_directory.write_text("a file is in the way")
    with pytest.raises(CommandError, match=r"could not be built in .* Set VAR_DIR"):
        ingest(site)
