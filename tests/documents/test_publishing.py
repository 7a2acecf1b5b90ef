"""What readers may see: states, live chunks, deletion, and what the database refuses."""

from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test.utils import CaptureQueriesContext

from documents.index.base import IndexHit
from documents.models import (
    TRUST_SET_BY_HAND,
    Chunk,
    ChunkVector,
    Corpus,
    Document,
    IndexChange,
    Source,
)
from documents.scope import Scope
from tests.documents.builders import make_source, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def source():
    return make_source()


def scope_of(*sources, **narrowing):
    corpora = frozenset(source.corpus_id for source in sources)
    return Scope(corpora, **{name: frozenset(values) for name, values in narrowing.items()})


def announced():
    return set(IndexChange.objects.values_list("chunk_id", flat=True))


def texts(document):
    return list(document.chunks.values_list("text", flat=True))


# Publishing


def test_a_new_document_is_published_and_announced(source):
    document, chunks = publish(source, "a", ["one", "two"])
    assert texts(document) == ["one", "two"]
    assert document.status == Document.Status.PUBLISHED
    assert announced() == {chunk.pk for chunk in chunks}


def test_a_document_belongs_to_the_corpus_of_its_source(source):
    document, _ = publish(source, "a", ["one"])
    assert document.corpus_id == source.corpus_id


def test_the_new_state_replaces_the_old_one(source):
    _, (kept, dropped) = publish(source, "a", ["one", "two"])
    document, (_, added) = publish(source, "a", ["one", "three"], title="A")
    assert document.title == "A"
    assert texts(document) == ["one", "three"]
    assert not Chunk.objects.filter(pk=dropped.pk).exists()
    assert {kept.pk, added.pk} == set(document.chunks.values_list("pk", flat=True))


def test_what_is_no_longer_part_of_it_is_named(source):
    _, chunks = publish(source, "a", ["one", "two"])
    _, stale = Document.objects.publish_state(source, "a", {"title": "a"}, chunks[:1])
    assert stale == [chunks[1].pk]


def test_vectors_of_stale_chunks_go_with_their_rows(source):
    _, chunks = publish(source, "a", ["one", "two"])
    for chunk in chunks:
        ChunkVector.objects.create(chunk_id=chunk.pk, space="s", vector=b"")
    publish(source, "a", ["one"])
    assert [vector.chunk_id for vector in ChunkVector.objects.all()] == [chunks[0].pk]


def test_only_new_and_stale_chunks_are_announced(source):
    _, (_, dropped) = publish(source, "a", ["one", "two"], space="verified")
    IndexChange.objects.all().delete()
    _, (_, added) = publish(source, "a", ["one", "three"])
    assert announced() == {dropped.pk, added.pk}


def test_unchanged_rows_are_not_written(source, connection_queries):
    publish(source, "a", ["one", "two"], space="verified")
    with connection_queries() as queries:
        publish(source, "a", ["one", "two"])
    assert not [sql for sql in queries.writes() if '"documents_chunk"' in sql]
    assert not [sql for sql in queries.writes() if '"documents_indexchange"' in sql]


def test_a_chunk_that_moved_is_written_but_not_announced(source):
    _, (first, second) = publish(source, "a", ["one", "two"], space="verified")
    IndexChange.objects.all().delete()
    document, _ = publish(source, "a", ["two", "one"])
    assert list(document.chunks.values_list("pk", flat=True)) == [second.pk, first.pk]
    assert announced() == set()


def test_a_document_that_was_never_verified_is_announced_again(source):
    """Its points may have been stored by a process that died before it could tell anybody."""
    _, chunks = publish(source, "a", ["one", "two"])
    IndexChange.objects.all().delete()
    publish(source, "a", ["one", "two"])
    assert announced() == {chunk.pk for chunk in chunks}


def test_a_damaged_text_is_mended_and_its_switch_is_kept(source):
    _, (chunk,) = publish(source, "a", ["one"])
    Chunk.objects.filter(pk=chunk.pk).update(text="nobody wrote this", enabled=False)
    publish(source, "a", ["one"])
    mended = Chunk.objects.get(pk=chunk.pk)
    assert (mended.text, mended.enabled) == ("one", False)


@pytest.mark.parametrize(
    "fact", [{"language": "de"}, {"version": "2"}, {"trust_tier": "official"}], ids=str
)
def test_what_a_search_is_narrowed_by_is_announced_for_every_chunk(source, fact):
    _, chunks = publish(source, "a", ["one", "two"])
    IndexChange.objects.all().delete()
    publish(source, "a", ["one", "two"], **fact)
    assert announced() == {chunk.pk for chunk in chunks}


def test_if_it_cannot_be_published_all_of_the_old_state_stays(source):
    _, chunks = publish(source, "a", ["one", "two"], title="old")
    before = IndexChange.objects.count()
    broken = Chunk(id=uuid4(), position=0, text="x", line_start=2, line_end=1, char_start=0,
                   char_end=1, token_estimate=1, text_hash="")  # fmt: skip
    with pytest.raises(IntegrityError):
        Document.objects.publish_state(source, "a", {"title": "new"}, [chunks[0], broken])
    document = Document.objects.get(source=source, key="a")
    assert (document.title, texts(document)) == ("old", ["one", "two"])
    assert IndexChange.objects.count() == before


def test_a_chunk_switched_off_stays_off_wherever_it_moves(source):
    _, (first, _) = publish(source, "a", ["one", "two"])
    Chunk.objects.filter(pk=first.pk).update(enabled=False)
    publish(source, "a", ["zero", "one", "two"])
    first.refresh_from_db()
    assert (first.enabled, first.position) == (False, 1)


def test_a_trust_tier_set_by_hand_stays(source):
    publish(source, "a", ["one"], trust_tier="community", trust_reason="front matter")
    Document.objects.all().set_trust_tier("retracted", f"{TRUST_SET_BY_HAND}eve")
    document, _ = publish(source, "a", ["two"], trust_tier="official", trust_reason="front matter")
    assert (document.trust_tier, document.trust_reason) == ("retracted", "set by eve")


def test_facts_set_by_hand_stay_and_the_others_follow_the_document(source):
    document, _ = publish(source, "a", ["one"], authors=["Ann"], year=2020, doi="10.1/a")
    document.authors, document.year, document.set_by_hand = ["Ada"], None, ["authors", "year"]
    document.save()
    document, _ = publish(source, "a", ["two"], authors=["Bo"], year=2021, doi="10.1/b")
    assert (document.authors, document.year, document.doi) == (["Ada"], None, "10.1/b")


def test_any_other_trust_tier_follows_the_document(source):
    publish(source, "a", ["one"], trust_tier="community", trust_reason="front matter")
    document, _ = publish(source, "a", ["one"], trust_tier="official", trust_reason="front matter")
    assert document.trust_tier == "official"


def test_a_withdrawn_document_stays_withdrawn_when_its_text_changes(source):
    publish(source, "a", ["one"])
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    document, _ = publish(source, "a", ["two"])
    assert document.status == Document.Status.WITHDRAWN
    assert not Chunk.objects.live(scope_of(source)).exists()


def test_withdrawing_announces_the_chunks_and_says_how_many_documents_changed(source):
    _, chunks = publish(source, "a", ["one", "two"])
    publish(source, "b", ["three"])
    IndexChange.objects.all().delete()
    assert Document.objects.filter(key="a").set_status(Document.Status.WITHDRAWN) == 1
    assert Document.objects.filter(key="a").set_status(Document.Status.WITHDRAWN) == 0
    assert announced() == {chunk.pk for chunk in chunks}


def test_a_page_without_text_is_a_document_without_chunks(source):
    publish(source, "a", ["one"])
    document, _ = publish(source, "a", [])
    assert texts(document) == []


# What a caller may be shown


def test_live_chunks_are_those_of_the_scope(source):
    other = make_source("other")
    publish(source, "a", ["mine"])
    publish(other, "b", ["theirs"])
    assert [chunk.text for chunk in Chunk.objects.live(scope_of(source))] == ["mine"]
    assert Chunk.objects.live(scope_of(source, other)).count() == 2
    assert Chunk.objects.live(scope_of()).count() == 0


def test_withdrawn_documents_and_disabled_chunks_are_not_live(source):
    publish(source, "a", ["shown"])
    publish(source, "b", ["withdrawn"])
    _, (off,) = publish(source, "c", ["off"])
    Document.objects.filter(key="b").set_status(Document.Status.WITHDRAWN)
    Chunk.objects.filter(pk=off.pk).update(enabled=False)
    assert [chunk.text for chunk in Chunk.objects.live(scope_of(source))] == ["shown"]


@pytest.mark.parametrize(
    "narrowing",
    [{"languages": ["de"]}, {"versions": ["2"]}, {"trust_tiers": ["official"]}],
    ids=str,
)
def test_a_scope_can_be_narrowed(source, narrowing):
    publish(source, "a", ["other"])
    publish(source, "b", ["wanted"], language="de", version="2", trust_tier="official")
    found = Chunk.objects.live(scope_of(source, **narrowing))
    assert [chunk.text for chunk in found] == ["wanted"]


def test_a_scope_can_be_narrowed_to_sources(source):
    second = Source.objects.create(corpus=source.corpus, slug="second", location="/second")
    publish(source, "a", ["one"])
    publish(second, "a", ["two"])
    found = Chunk.objects.live(scope_of(source, sources=["second"]))
    assert [chunk.text for chunk in found] == ["two"]


def test_narrowing_never_reaches_another_corpus(source):
    other = make_source("other")
    publish(other, "b", ["theirs"])
    scope = scope_of(source, sources=[other.slug])
    assert not Chunk.objects.live(scope).exists()
    assert scope_of(source, other).within(frozenset([source.corpus_id])) == scope_of(source)


def test_passages_keep_the_order_of_the_hits_and_drop_what_is_not_live(source):
    _, (one, two, three) = publish(source, "a", ["one", "two", "three"])
    Chunk.objects.filter(pk=two.pk).update(enabled=False)
    hits = [IndexHit(pk, 1 / n) for n, pk in enumerate((three.pk, two.pk, uuid4(), one.pk), 1)]
    passages = Chunk.objects.live(scope_of(source)).passages(hits)
    assert [passage.text for passage in passages] == ["three", "one"]
    assert [passage.score for passage in passages] == [1, 1 / 4]


def test_a_passage_says_where_it_stands(source):
    _, (chunk,) = publish(
        source, "a", ["one"], ["Title", "Part"], url="https://x.org/a", trust_tier="official"
    )
    Chunk.objects.update(anchor="part", line_start=3, line_end=4)
    (passage,) = Chunk.objects.live(scope_of(source)).passages([IndexHit(chunk.pk, 0.5, 0.9)])
    assert passage == replace(
        passage, url="https://x.org/a#part", line_start=3, line_end=4, source=source.slug,
        trust_tier="official", heading_path=("Title", "Part"), score=0.5, similarity=0.9,
    )  # fmt: skip


def test_loading_passages_is_one_query(source, django_assert_num_queries):
    _, chunks = publish(source, "a", [str(n) for n in range(20)])
    hits = [IndexHit(chunk.pk, 1) for chunk in chunks]
    with django_assert_num_queries(1):
        Chunk.objects.live(scope_of(source)).passages(hits)


# Deleting


@pytest.mark.parametrize("what", ["document", "source", "corpus"])
def test_whatever_is_deleted_is_announced_and_loses_its_vectors(source, what):
    document, chunks = publish(source, "a", ["one", "two"])
    _, (kept,) = publish(make_source("other"), "b", ["three"])
    for chunk in (*chunks, kept):
        ChunkVector.objects.create(chunk_id=chunk.pk, space="s", vector=b"")
    IndexChange.objects.all().delete()
    {"document": document, "source": source, "corpus": source.corpus}[what].delete()
    assert announced() == {chunk.pk for chunk in chunks}
    assert [vector.chunk_id for vector in ChunkVector.objects.all()] == [kept.pk]


def test_deleting_many_documents_at_once_announces_them_too(source):
    _, one = publish(source, "a", ["one"])
    _, two = publish(source, "b", ["two"])
    IndexChange.objects.all().delete()
    Document.objects.filter(source=source).delete()
    assert announced() == {chunk.pk for chunk in (*one, *two)}


# What the database refuses


def refused():
    return pytest.raises(IntegrityError)


def test_a_key_is_unique_inside_its_source(source):
    document, _ = publish(source, "a", ["one"])
    document.pk = None
    with refused(), transaction.atomic():
        document.save(force_insert=True)
    publish(make_source("other"), "a", ["one"])


def test_a_folder_is_one_source_of_a_corpus(source):
    with refused(), transaction.atomic():
        Source.objects.create(corpus=source.corpus, slug="again", location=source.location)
    corpus = Corpus.objects.create(slug="second")
    Source.objects.create(corpus=corpus, slug="again", location=source.location)


@pytest.mark.parametrize(
    "change", [{"line_start": 5, "line_end": 4}, {"char_start": 9, "char_end": 8}], ids=str
)
def test_a_span_runs_forward(source, change):
    publish(source, "a", ["one"])
    with refused(), transaction.atomic():
        Chunk.objects.update(**change)


@pytest.mark.parametrize(
    ("model", "change"), [(Document, {"status": "gone"}), (Source, {"kind": "wish"})]
)
def test_statuses_and_kinds_are_known_ones(source, model, change):
    publish(source, "a", ["one"])
    with refused(), transaction.atomic():
        model.objects.update(**change)


def test_a_chunk_has_one_vector_in_a_space(source):
    _, (chunk,) = publish(source, "a", ["one"])
    ChunkVector.objects.create(chunk_id=chunk.pk, space="s", vector=b"")
    ChunkVector.objects.create(chunk_id=chunk.pk, space="t", vector=b"")
    with refused(), transaction.atomic():
        ChunkVector.objects.create(chunk_id=chunk.pk, space="s", vector=b"")


class Writes(CaptureQueriesContext):
    def writes(self):
        words = ("INSERT", "UPDATE", "DELETE")
        return [query["sql"] for query in self if query["sql"].startswith(words)]


@pytest.fixture
def connection_queries():
    from django.db import connection

    return lambda: Writes(connection)
