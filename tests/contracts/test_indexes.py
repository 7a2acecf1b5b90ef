"""What every index does, run against every implementation."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from qdrant_client import QdrantClient

from documents.embedding.base import NO_DENSE_VECTORS, Vector
from documents.embedding.hashing import HashingEmbedder
from documents.index import embedded
from documents.index.base import Index, IndexHit, IndexPoint, IndexQuery
from documents.index.embedded import EmbeddedIndex
from documents.index.payload import payload_of
from documents.index.qdrant import QdrantIndex
from documents.index.qdrant_collection import MemoryReplica
from documents.index.sparse import SparseVector, encode_document, encode_query
from documents.models import Chunk, Document, IndexChange, Source, TrustTier
from documents.scope import Scope
from tests.documents.builders import index, make_source, points, publish

pytestmark = pytest.mark.django_db(transaction=True)

EMBEDDER = HashingEmbedder()
TEXTS = [
    "Install the package with npm and start the development server.",
    "The sidebar is generated from the folder structure.",
    "Versioning keeps old documents readable under their own address.",
]


def make_index(kind: str, monkeypatch: pytest.MonkeyPatch, fusion: str = "dbsf") -> Index:
    if kind == "qdrant":
        made: Index = QdrantIndex(
            QdrantClient(":memory:"), None, alias="chunks", space=EMBEDDER.space, fusion=fusion
        )
    else:
        if kind == "embedded, without the engine":
            monkeypatch.setattr(embedded, "new_replica", MemoryReplica)
        made = EmbeddedIndex(EMBEDDER.space, fusion)
    made.prepare()
    return made


KINDS = ["embedded", "embedded, without the engine", "qdrant"]


@pytest.fixture(params=KINDS)
def any_index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Index:
    return make_index(request.param, monkeypatch)


@pytest.fixture
def source() -> Source:
    return make_source()


@pytest.fixture
def chunks(any_index: Index, source: Source) -> list[Chunk]:
    _document, chunks = publish(source, "guide", TEXTS)
    index(any_index, EMBEDDER, chunks)
    return chunks


def vectors_of(text: str) -> tuple[Vector, SparseVector]:
    return EMBEDDER.embed_documents([text])[0], encode_document(text, "en")


Search = Callable[..., list[IndexHit]]


@pytest.fixture
def search(any_index: Index, source: Source) -> Search:
    def run(
        text: str, *, limit: int = 10, dense: bool = True, **narrowing: object
    ) -> list[IndexHit]:
        scope = Scope(**{"corpora": frozenset({source.corpus_id}), **narrowing})
        vector = asyncio.run(EMBEDDER.embed_query(text)) if dense else None
        query = IndexQuery(vector, encode_query(text, "en"), scope)
        return asyncio.run(any_index.search(query, limit=limit))

    return run


def ids(hits: list[IndexHit]) -> list[object]:
    return [hit.chunk_id for hit in hits]


def test_the_chunk_that_says_it_comes_first(search: Search, chunks: list[Chunk]) -> None:
    assert ids(search("how is the sidebar generated"))[0] == chunks[1].pk


def test_similarity_is_the_cosine(search: Search, chunks: list[Chunk]) -> None:
    vector = asyncio.run(EMBEDDER.embed_query("sidebar folder"))
    cosines = EMBEDDER.embed_documents([chunk.searchable_text for chunk in chunks]) @ vector
    expected = {chunk.pk: cosine for chunk, cosine in zip(chunks, cosines, strict=True)}
    hits = search("sidebar folder")
    assert hits
    for hit in hits:
        assert hit.similarity == pytest.approx(expected[hit.chunk_id], abs=2e-3)


def test_without_a_query_vector_words_alone_are_compared(
    search: Search, chunks: list[Chunk]
) -> None:
    hits = search("versioning of documents", dense=False)
    assert ids(hits)[0] == chunks[2].pk
    assert {hit.similarity for hit in hits} == {None}


def test_meaning_can_count_for_more_than_words(
    any_index: Index, source: Source, chunks: list[Chunk]
) -> None:
    def first(weight: int) -> object:
        near, said = EMBEDDER.embed_documents(TEXTS[:1])[0], encode_query("sidebar folder", "en")
        query = IndexQuery(near, said, Scope(frozenset({source.corpus_id})), weight)
        return ids(asyncio.run(any_index.search(query, limit=3)))[0]

    assert (first(1), first(3)) == (chunks[1].pk, chunks[0].pk)


def test_a_query_of_stop_words_still_has_its_vector(search: Search, chunks: list[Chunk]) -> None:
    assert len(search("what is it about")) == len(chunks)
    assert search("what is it about", dense=False) == []


def test_the_same_upsert_twice_is_one_point(
    any_index: Index, search: Search, chunks: list[Chunk]
) -> None:
    index(any_index, EMBEDDER, chunks)
    assert sorted(ids(search("sidebar package versioning"))) == sorted(c.pk for c in chunks)


def test_hits_come_best_first_and_always_in_the_same_order(
    search: Search, chunks: list[Chunk]
) -> None:
    hits = search("documents in the folder")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(search("documents in the folder") == hits for _ in range(5))


def test_never_more_hits_than_asked_for(search: Search, chunks: list[Chunk]) -> None:
    assert len(search("documents in the folder", limit=1)) == 1


def test_a_search_never_leaves_its_corpora(
    any_index: Index, search: Search, chunks: list[Chunk]
) -> None:
    other = make_source("other")
    _document, foreign = publish(other, "guide", TEXTS)
    index(any_index, EMBEDDER, foreign)
    assert set(ids(search(TEXTS[0]))) == {chunk.pk for chunk in chunks}
    assert set(ids(search(TEXTS[0], corpora=frozenset({other.corpus_id})))) == {
        chunk.pk for chunk in foreign
    }
    assert search(TEXTS[0], corpora=frozenset()) == []
    assert search(TEXTS[0], corpora=frozenset({999_999})) == []


def test_another_corpus_has_no_say_in_how_rare_a_word_is(
    any_index: Index, search: Search, chunks: list[Chunk]
) -> None:
    before = search("sidebar package", dense=False)
    _document, foreign = publish(make_source("other"), "guide", [f"sidebar {n}" for n in range(50)])
    index(any_index, EMBEDDER, foreign)
    assert search("sidebar package", dense=False) == before


def test_every_narrowing_leaves_only_what_matches(
    any_index: Index, search: Search, source: Source, chunks: list[Chunk]
) -> None:
    _document, german = publish(
        source, "anleitung", ["Die sidebar kommt aus der folder structure."],
        headings=["Anleitung", "Leiste"], language="de", version="2.0",
        trust_tier=TrustTier.OFFICIAL,
    )  # fmt: skip
    index(any_index, EMBEDDER, german)
    for narrowing in (
        {"languages": frozenset({"de", "fr"})},
        {"versions": frozenset({"2.0"})},
        {"trust_tiers": frozenset({"official"})},
        {"sections": frozenset({"Leiste"})},
    ):
        assert ids(search("sidebar folder structure", **narrowing)) == [german[0].pk]
    assert search("sidebar", sources=frozenset({"another"})) == []
    assert search("sidebar", sections=frozenset({"Leist"})) == []
    assert len(search("sidebar folder structure", sources=frozenset({source.slug}))) == 4


def test_withdrawn_and_published_again(
    any_index: Index, search: Search, chunks: list[Chunk]
) -> None:
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    any_index.drain()
    assert search(TEXTS[0]) == []
    Document.objects.all().set_status(Document.Status.PUBLISHED)
    any_index.drain()
    assert len(search(TEXTS[0])) == len(chunks)


def test_a_disabled_chunk_is_not_found(
    any_index: Index, search: Search, chunks: list[Chunk]
) -> None:
    Chunk.objects.filter(pk=chunks[0].pk).update(enabled=False)
    IndexChange.objects.record([chunks[0].pk])
    any_index.drain()
    assert chunks[0].pk not in ids(search(TEXTS[0]))


def test_a_deleted_document_is_not_found(
    any_index: Index, search: Search, chunks: list[Chunk]
) -> None:
    chunks[0].document.delete()
    any_index.drain()
    assert search(TEXTS[0]) == []
    assert any_index.present([chunk.pk for chunk in chunks]) == set()


def test_a_changed_document_is_found_by_its_new_text_only(
    any_index: Index, search: Search, source: Source, chunks: list[Chunk]
) -> None:
    new = "Plugins are listed in the configuration."
    _document, changed = publish(source, "guide", [TEXTS[0], new])
    any_index.upsert(points(EMBEDDER, [changed[1]]))
    any_index.delete([chunks[1].pk, chunks[2].pk])
    any_index.drain()
    assert set(ids(search("sidebar versioning plugins"))) == {chunk.pk for chunk in changed}


def test_points_stored_before_their_rows_are_found_once_the_rows_are_there(
    any_index: Index, search: Search, source: Source
) -> None:
    document = Document(source=source, corpus=source.corpus, key="new", title="new", language="en")
    chunk = Chunk(id=uuid4(), document=document, heading_path=[], text=TEXTS[1])
    text = chunk.searchable_text
    vector = EMBEDDER.embed_documents([text])[0]
    payload = payload_of(chunk, document)
    any_index.upsert([IndexPoint(chunk.pk, vector, encode_document(text, "en"), payload)])
    assert search("sidebar") == []
    assert any_index.present([chunk.pk]) == {chunk.pk}
    for name in ("position", "line_start", "line_end", "char_start", "char_end", "token_estimate"):
        setattr(chunk, name, 0)
    Document.objects.publish_state(source, "new", {"title": "new", "language": "en"}, [chunk])
    any_index.drain()
    assert ids(search("sidebar")) == [chunk.pk]


def test_present_tells_the_truth(any_index: Index, chunks: list[Chunk]) -> None:
    stranger = uuid4()
    every = [chunk.pk for chunk in chunks]
    assert any_index.present([*every, stranger]) == set(every)
    any_index.delete(every[:1])
    assert any_index.present(every) == set(every[1:])
    assert any_index.present([]) == set()


def test_deleting_what_is_not_there_is_no_error(any_index: Index, chunks: list[Chunk]) -> None:
    any_index.delete([uuid4()])
    any_index.delete([])
    assert len(any_index.present([chunk.pk for chunk in chunks])) == len(chunks)


def test_more_points_than_fit_into_one_batch(
    any_index: Index, search: Search, source: Source
) -> None:
    _document, many = publish(source, "long", [f"Setting number {n}" for n in range(230)])
    index(any_index, EMBEDDER, many)
    assert len(any_index.present([chunk.pk for chunk in many])) == 230
    assert len(search("setting", limit=300)) == 230


def test_a_chunk_without_words_can_be_stored_and_found(
    any_index: Index, search: Search, source: Source
) -> None:
    _document, chunks = publish(source, "—", ["…"])
    index(any_index, EMBEDDER, chunks)
    assert ids(search("anything")) == [chunks[0].pk]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fusion", ["rrf", "dbsf"])
def test_both_fusions_rank(
    kind: str, fusion: str, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_index(kind, monkeypatch, fusion)
    _document, chunks = publish(source, "guide", TEXTS)
    index(made, EMBEDDER, chunks)
    vector = asyncio.run(EMBEDDER.embed_query("sidebar"))
    scope = Scope(frozenset({source.corpus_id}))
    query = IndexQuery(vector, encode_query("sidebar", "en"), scope)
    assert asyncio.run(made.search(query, limit=3))[0].chunk_id == chunks[1].pk


@pytest.mark.parametrize("kind", ["embedded", "qdrant"])
def test_a_space_without_dense_vectors(kind: str, source: Source) -> None:
    made: Index
    if kind == "qdrant":
        client = QdrantClient(":memory:")
        made = QdrantIndex(client, None, alias="c", space=NO_DENSE_VECTORS, fusion="rrf")
    else:
        made = EmbeddedIndex(NO_DENSE_VECTORS, "rrf")
    made.prepare()
    _document, chunks = publish(source, "guide", TEXTS)
    index(made, None, chunks)
    query = IndexQuery(None, encode_query("sidebar", "en"), Scope(frozenset({source.corpus_id})))
    hits = asyncio.run(made.search(query, limit=3))
    assert ids(hits) == [chunks[1].pk]
    assert made.present([chunks[0].pk]) == {chunks[0].pk}


# What reconcile and reindex ask


def test_every_point_is_seen_once_in_the_order_of_ids(any_index: Index, source: Source) -> None:
    _document, many = publish(source, "long", [f"Setting number {n}" for n in range(230)])
    index(any_index, EMBEDDER, many)
    seen, after = [], UUID(int=0)
    while page := any_index.scroll(after, 100):
        assert len(page) <= 100
        seen += [point.chunk_id for point in page]
        after = seen[-1]
    assert seen == sorted(chunk.pk for chunk in many)
    assert any_index.count() == len(seen)


def test_a_point_tells_whose_it_is_and_that_it_is_whole(
    any_index: Index, source: Source, chunks: list[Chunk]
) -> None:
    stored = any_index.stored([*(chunk.pk for chunk in chunks), uuid4()])
    assert {point.chunk_id for point in stored} == {chunk.pk for chunk in chunks}
    assert {(point.source, point.damage) for point in stored} == {(source.slug, "")}
    for point in stored:
        assert point.payload in (None, payload_of(chunks[0]))


def test_only_points_without_a_row_are_purged(any_index: Index, chunks: list[Chunk]) -> None:
    stray = IndexPoint(uuid4(), *vectors_of("Nobody's."), {"source": "docs-folder"})
    any_index.upsert([stray])
    assert any_index.count() == len(chunks) + 1
    any_index.purge([stray.chunk_id, *(chunk.pk for chunk in chunks)])
    assert any_index.present([stray.chunk_id, chunks[0].pk]) == {chunks[0].pk}
    assert any_index.count() == len(chunks)


def test_an_index_in_use_has_no_faults_and_nothing_spare(
    any_index: Index, chunks: list[Chunk]
) -> None:
    any_index.build()
    any_index.activate()
    assert any_index.faults() == []
    assert any_index.spare() == {}
    assert any_index.previous() is None


@pytest.mark.parametrize("kind", ["embedded", "qdrant"])
def test_two_spaces_side_by_side(
    kind: str, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = HashingEmbedder(128)
    old = make_index(kind, monkeypatch)
    new: Index
    if isinstance(old, QdrantIndex):
        new = QdrantIndex(old.client, None, alias="chunks", space=wide.space, fusion="dbsf")
    else:
        new = EmbeddedIndex(wide.space, "dbsf")
    _document, chunks = publish(source, "guide", TEXTS)
    index(old, EMBEDDER, chunks)
    new.build()
    assert new.count() == 0
    index(new, wide, chunks)
    new.activate()
    assert list(new.spare().values()) == [len(TEXTS)]
    chunks[0].document.delete()
    old.drain()
    assert (old.count(), new.count()) == (0, 0)
    for name in new.spare():
        new.drop(name)
    assert new.spare() == {}


def test_nothing_to_look_for_finds_nothing(any_index: Index, source: Source) -> None:
    query = IndexQuery(None, SparseVector((), ()), Scope(frozenset({source.corpus_id})))
    assert asyncio.run(any_index.search(query, limit=3)) == []


def test_searches_side_by_side_agree(any_index: Index, source: Source, chunks: list[Chunk]) -> None:
    async def many() -> list[list[IndexHit]]:
        vector = await EMBEDDER.embed_query("sidebar")
        scope = Scope(frozenset({source.corpus_id}))
        query = IndexQuery(vector, encode_query("sidebar", "en"), scope)
        return await asyncio.gather(*(any_index.search(query, limit=3) for _ in range(20)))

    results = asyncio.run(many())
    assert len(results[0]) == len(chunks)
    assert all(result == results[0] for result in results)
