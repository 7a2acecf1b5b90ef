"""From one embedding space to another and back, stopped at every step, with search going on."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from qdrant_client import QdrantClient

from documents.embedding.base import DocumentEmbedder
from documents.embedding.hashing import HashingEmbedder
from documents.index import rows
from documents.index.base import Index, IndexQuery, SpaceMismatch
from documents.index.embedded import EmbeddedIndex
from documents.index.qdrant import QdrantIndex
from documents.index.sparse import encode_query
from documents.models import Chunk, ChunkVector, Corpus, Document, IndexChange, Source
from documents.scope import Scope
from ingestion import reindex
from ingestion.leases import SourceBusy, acquire
from ingestion.management.commands import reindex as command
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.reindex import Incomplete, NothingBefore, Reindexer
from tests.ingestion.pipelines import CountingEmbedder, Stopped, run
from tests.ingestion.test_reconcile import OneAtATime

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = ["reindex.created", "reindex.copied", "reindex.verified", "reindex.flipped"]


@dataclass
class Installation:
    """A small site in the space of the old embedder; the new one is another model."""

    source: Source
    client: Any  # None: embedded
    old: CountingEmbedder
    new: CountingEmbedder

    def index(self, embedder: DocumentEmbedder) -> Any:
        """As a process with that embedder in its settings has it."""
        if self.client is None:
            return EmbeddedIndex(embedder.space, "rrf")
        return QdrantIndex(self.client, None, alias="chunks", space=embedder.space, fusion="rrf")

    def pipeline(self, embedder: DocumentEmbedder) -> IngestionPipeline:
        return IngestionPipeline(embedder, self.index(embedder))

    def reindexer(self, patience: float = 0.0) -> Reindexer:
        return Reindexer(self.index(self.new), self.new, patience=patience)

    @property
    def active(self) -> str | None:
        return self.index(self.new).active_collection()


@pytest.fixture(params=["embedded", "qdrant"])
def installation(request: pytest.FixtureRequest, site: Path) -> Installation:
    return installed(request.param, site)


@pytest.fixture
def with_qdrant(site: Path) -> Installation:
    return installed("qdrant", site)


def installed(kind: str, site: Path) -> Installation:
    corpus = Corpus.objects.create(slug="lighthouse")
    source = Source.objects.create(corpus=corpus, slug="site", location=str(site))
    client = OneAtATime(QdrantClient(":memory:")) if kind == "qdrant" else None
    old, new = CountingEmbedder(HashingEmbedder(64)), CountingEmbedder(HashingEmbedder(96))
    made = Installation(source, client, old, new)
    run(source, made.pipeline(old))
    old.texts.clear()
    return made


def all_chunks() -> set[UUID]:
    return set(Chunk.objects.values_list("pk", flat=True))


def is_complete(index: Index) -> bool:
    return index.count() == len(all_chunks()) and not any(
        page.found for page in rows.compare(index)
    )


def found_by(index: Any, embedder: Any, source: Source) -> set[UUID]:
    scope = Scope(frozenset({source.corpus_id}))
    vector = asyncio.run(embedder.embedder.embed_query("lamp"))
    query = IndexQuery(vector, encode_query("lamp", "en"), scope)
    hits = asyncio.run(index.search(query, limit=50))
    assert all(hit.similarity is not None for hit in hits)
    return {hit.chunk_id for hit in hits}


# Switching


def test_the_new_space_is_filled_from_the_rows_and_switched_to(installation: Installation) -> None:
    reindexer = installation.reindexer()
    assert reindexer.run() == len(all_chunks())
    assert is_complete(reindexer.index)
    assert found_by(reindexer.index, installation.new, installation.source) == all_chunks()
    assert len(installation.new.texts) == len(all_chunks())
    assert set(Document.objects.values_list("space", flat=True)) == {str(installation.new.space)}
    if installation.client is not None:
        assert installation.active == reindexer.index.collection


def test_afterwards_a_run_has_nothing_to_do(installation: Installation) -> None:
    installation.reindexer().run()
    installation.new.texts.clear()
    report = run(installation.source, installation.pipeline(installation.new))
    assert report.counts["unchanged"] == Document.objects.count()
    assert installation.new.texts == []


def test_what_is_not_shown_is_copied_too(installation: Installation) -> None:
    Document.objects.filter(key="index.md").set_status(Document.Status.WITHDRAWN)
    installation.reindexer().run()
    index = installation.index(installation.new)
    assert index.present(all_chunks()) == all_chunks()
    hidden = set(Chunk.objects.filter(document__key="index.md").values_list("pk", flat=True))
    assert found_by(index, installation.new, installation.source) == all_chunks() - hidden


def test_a_dry_run_counts_and_changes_nothing(installation: Installation) -> None:
    plan = installation.reindexer().plan()
    assert (plan.chunks, plan.to_embed) == (len(all_chunks()), len(all_chunks()))
    assert installation.new.texts == []
    installation.reindexer().run()
    assert installation.reindexer().plan().to_embed == 0
    assert list(installation.reindexer().plan().spare.values()) == [len(all_chunks())]


def test_the_settings_alone_switch_nothing(with_qdrant: Installation) -> None:
    with pytest.raises(Aborted, match="reindex"):
        run(with_qdrant.source, with_qdrant.pipeline(with_qdrant.new))
    with pytest.raises(SpaceMismatch, match="reindex"):
        with_qdrant.index(with_qdrant.new).open()
    assert with_qdrant.active == with_qdrant.index(with_qdrant.old).collection


def test_after_the_switch_a_run_with_the_old_settings_writes_nothing(
    with_qdrant: Installation,
) -> None:
    with_qdrant.reindexer().run()
    with pytest.raises(Aborted, match="Put the settings back"):
        run(with_qdrant.source, with_qdrant.pipeline(with_qdrant.old))
    assert with_qdrant.old.texts == []
    assert is_complete(with_qdrant.index(with_qdrant.new))


# Stopped at every step


def stop_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failpoint(name: str) -> None:
        if name == step:
            raise Stopped

    monkeypatch.setattr(reindex, "failpoint", failpoint)


@pytest.mark.parametrize("step", STEPS)
def test_stopped_anywhere_the_alias_is_on_a_complete_collection_and_the_next_one_ends_it(
    step: str, with_qdrant: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "EMBED_AT_ONCE", 3)
    spaces = [with_qdrant.old, with_qdrant.new]
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(Stopped):
            with_qdrant.reindexer().run()
    (used,) = [e for e in spaces if with_qdrant.index(e).collection == with_qdrant.active]
    assert used is (with_qdrant.new if step == "reindex.flipped" else with_qdrant.old)
    assert is_complete(with_qdrant.index(used))
    with_qdrant.reindexer().run()
    assert is_complete(with_qdrant.index(with_qdrant.new))
    assert sorted(with_qdrant.new.texts) == sorted(set(with_qdrant.new.texts))  # none twice


@pytest.mark.parametrize("step", STEPS)
def test_stopped_anywhere_an_embedded_one_can_be_searched_in_both_spaces(
    step: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = installed("embedded", site)
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(Stopped):
            made.reindexer().run()
    assert is_complete(made.index(made.old))
    assert found_by(made.index(made.old), made.old, made.source) == all_chunks()
    made.reindexer().run()
    assert is_complete(made.index(made.new))


def test_ten_switches_there_and_back_never_stop_a_search(
    with_qdrant: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every switch is stopped at one of the steps first, and searched beside all the while."""
    made = with_qdrant
    done, errors, searches = threading.Event(), [], []

    def search() -> None:
        """As servers do: each in the space of its settings, whichever the alias is on."""
        try:
            while not done.is_set():
                for embedder in (made.old, made.new):
                    index = made.index(embedder)
                    if index.collection == made.active:
                        found = found_by(index, embedder, made.source)
                        assert found == all_chunks(), (embedder.space, len(found))
                        searches.append(found)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=search)
    thread.start()
    try:
        for turn in range(10):
            to = made.new if turn % 2 == 0 else made.old
            reindexer = Reindexer(made.index(to), to)
            with monkeypatch.context() as patch:
                stop_at(STEPS[turn % len(STEPS)], patch)
                with suppress(Stopped):
                    reindexer.run()
            (used,) = [e for e in (made.old, made.new) if made.index(e).collection == made.active]
            assert is_complete(made.index(used))
            reindexer.run()
            assert made.active == made.index(to).collection
            assert is_complete(made.index(to))
    finally:
        done.set()
        thread.join()
    assert errors == []
    assert len(searches) > 10
    assert len(made.new.texts) == len(all_chunks())  # going there again costs nothing


# While ingestion goes on


def test_what_is_ingested_meanwhile_is_in_the_new_space_too(
    with_qdrant: Installation, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = reindex.Reindexer._copy
    passes = []

    def and_then_ingest(self: Reindexer) -> int:
        number = copied(self)
        if not passes:
            (site / "late.md").write_text("# Late\n\nWritten while the index was built.\n")
            (site / "index.md").unlink()
            run(with_qdrant.source, with_qdrant.pipeline(with_qdrant.old))
        passes.append(number)
        return number

    monkeypatch.setattr(reindex.Reindexer, "_copy", and_then_ingest)
    with_qdrant.reindexer().run()
    assert Document.objects.filter(key="late.md").exists()
    assert not Document.objects.filter(key="index.md").exists()
    assert is_complete(with_qdrant.index(with_qdrant.new))
    assert is_complete(with_qdrant.index(with_qdrant.old))  # changes reach the whole family


def test_it_waits_for_a_run_and_gives_up_without_having_switched(
    with_qdrant: Installation,
) -> None:
    lease = acquire(with_qdrant.source, "a long run")
    with pytest.raises(SourceBusy, match="a long run"):
        with_qdrant.reindexer().run()
    assert with_qdrant.active == with_qdrant.index(with_qdrant.old).collection
    lease.release()
    assert with_qdrant.reindexer().run() == 0  # all was copied before


def test_nobody_publishes_between_the_last_look_and_the_switch(
    with_qdrant: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def failpoint(name: str) -> None:
        if name == "reindex.verified":
            with pytest.raises(SourceBusy, match="reindex"):
                run(with_qdrant.source, with_qdrant.pipeline(with_qdrant.old))
            tried.append(name)

    monkeypatch.setattr(reindex, "failpoint", failpoint)
    with_qdrant.reindexer().run()
    assert tried


def test_a_damaged_text_is_not_switched_to(with_qdrant: Installation) -> None:
    Chunk.objects.filter(pk=min(all_chunks())).update(text="Nobody wrote this.")
    with pytest.raises(Incomplete, match="reconcile --repair"):
        with_qdrant.reindexer().run()
    assert with_qdrant.active == with_qdrant.index(with_qdrant.old).collection


# Back


def test_back_to_the_space_before(with_qdrant: Installation) -> None:
    with_qdrant.reindexer().run()
    assert with_qdrant.reindexer().roll_back() == str(with_qdrant.old.space)
    assert with_qdrant.active == with_qdrant.index(with_qdrant.old).collection
    report = run(with_qdrant.source, with_qdrant.pipeline(with_qdrant.old))
    assert report.counts["unchanged"] == Document.objects.count()


def test_not_back_to_a_space_that_lacks_what_was_added_since(
    with_qdrant: Installation, site: Path
) -> None:
    with_qdrant.reindexer().run()
    (site / "late.md").write_text("# Late\n\nWritten after the switch.\n")
    run(with_qdrant.source, with_qdrant.pipeline(with_qdrant.new))
    with pytest.raises(Incomplete, match="1 chunks are not in the space hashing/words/64"):
        with_qdrant.reindexer().roll_back()
    assert with_qdrant.active == with_qdrant.index(with_qdrant.new).collection
    # With its settings, nothing but the late page is embedded.
    back = Reindexer(with_qdrant.index(with_qdrant.old), with_qdrant.old)
    back.roll_back()
    assert len(with_qdrant.old.texts) == 1
    assert with_qdrant.active == with_qdrant.index(with_qdrant.old).collection
    assert is_complete(with_qdrant.index(with_qdrant.old))


def test_nothing_to_go_back_to(installation: Installation) -> None:
    with pytest.raises(NothingBefore, match="settings"):
        Reindexer(installation.index(installation.old), installation.old).roll_back()


# The command


@contextmanager
def configured(
    made: Installation, embedder: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    def call(**options: Any) -> list[dict[str, Any]]:
        output = StringIO()
        call_command("reindex", json=True, stdout=output, **options)
        return [json.loads(line) for line in output.getvalue().splitlines()]

    with monkeypatch.context() as patch:
        patch.setattr(command, "get_index", lambda: made.index(embedder))
        patch.setattr(command, "get_embedder", lambda: embedder)
        yield call


def test_the_command_switches_and_drops(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = len(all_chunks())
    with configured(installation, installation.new, monkeypatch) as call:
        (plan,) = call(dry_run=True)
        assert (plan["chunks"], plan["to_embed"]) == (total, total)
        events = [line["event"] for line in call()]
        assert events == ["plan", "switched", "kept"]
        (dropped,) = call(drop_old=True)
        assert (dropped["event"], dropped["points"]) == ("dropped", total)
        assert call(drop_old=True) == []
    assert installation.index(installation.new).spare() == {}
    assert is_complete(installation.index(installation.new))
    if installation.client is None:
        assert not ChunkVector.objects.exclude(space=str(installation.new.space)).exists()


def test_the_collection_in_use_is_never_dropped(
    with_qdrant: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with configured(with_qdrant, with_qdrant.new, monkeypatch) as call:
        assert call(drop_old=True) == []
    assert is_complete(with_qdrant.index(with_qdrant.old))


def test_the_command_goes_back_or_says_why_not(
    with_qdrant: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with configured(with_qdrant, with_qdrant.new, monkeypatch) as call:
        with pytest.raises(CommandError, match="No other space"):
            call(rollback=True)
        call()
        assert call(rollback=True) == [
            {"event": "rolled back", "space": str(with_qdrant.old.space)}
        ]
    assert not IndexChange.objects.exists()
