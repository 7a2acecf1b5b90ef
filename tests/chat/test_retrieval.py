"""From a query to passages."""

from dataclasses import replace

import pytest

from chat.retrieval import Retriever, weigh_by_language, weigh_by_trust
from chat.trace import DUPLICATE
from documents.embedding.hashing import HashingEmbedder
from documents.index.base import IndexHit
from documents.index.sparse import encode_query
from documents.models import Chunk, Document
from documents.providers import get_embedder, get_index
from documents.scope import Scope
from documents.threads import in_database_thread
from tests.chat.passages import passage
from tests.documents.builders import index, make_source, publish


def test_trust_multiplies_the_score():
    ranked = [passage("a", score=1.0, trust_tier="retracted"), passage("b", score=0.5)]

    assert [p.text for p in weigh_by_trust(ranked)] == ["b", "a"]


def test_a_peer_reviewed_passage_wins_a_near_tie_only():
    near = [passage("a", score=1.0, trust_tier="unknown"),
            passage("b", score=0.95, trust_tier="peer-reviewed")]  # fmt: skip
    far = [near[0], replace(near[1], score=0.5)]

    assert weigh_by_trust(near)[0].text == "b"
    assert weigh_by_trust(far)[0].text == "a"


class LaggingIndex:
    """Its first hits are points whose rows are gone."""

    def __init__(self, index):
        self.index, self.limits = index, []

    async def search(self, query, *, limit):
        self.limits.append(limit)
        hits = await self.index.search(query, limit=limit)
        ghosts = [IndexHit(passage(str(n)).chunk_id, 9.0) for n in range(10)]
        return [*ghosts, *hits][:limit]


async def test_when_the_index_lags_it_is_asked_once_more_and_deeper(corpus):
    real = Retriever.from_settings()
    retriever = replace(real, index=LaggingIndex(real.index), fetch_k=8)

    found = await retriever.search("the lamp", Scope(frozenset([corpus.pk])))

    assert retriever.index.limits == [8, 32]
    assert found.passages


async def test_a_language_the_embedder_does_not_know_is_searched_by_words(corpus):
    found = await Retriever.from_settings().search(
        "lamp", Scope(frozenset([corpus.pk])), language="de"
    )

    assert found.passages
    assert found.degraded == []
    assert {p.similarity for p in found.passages} == {None}


async def test_a_question_in_a_language_the_embedder_knows_is_embedded(corpus):
    found = await Retriever.from_settings().search(
        "How is the lamp lit?", Scope(frozenset([corpus.pk])), language="de"
    )

    assert None not in {p.similarity for p in found.passages}


async def test_function_words_of_the_questions_language_find_nothing(corpus):
    class Listening:
        asked = []

        async def search(self, query, *, limit):
            self.asked.append(query.sparse)
            return []

    retriever = replace(Retriever.from_settings(), index=Listening())
    await retriever.search("¿Cómo se enciende la lamp en la torre?", Scope(frozenset([corpus.pk])))

    (words,) = Listening.asked
    assert set(encode_query("lamp", "en").indices) <= set(words.indices)
    assert set(words.indices).isdisjoint(encode_query("como se la en", "xx").indices)


@pytest.mark.parametrize(
    ("languages", "question", "weight"),
    [
        (None, "How is the lamp lit?", 1),
        (None, "¿Cómo se enciende la lámpara en la torre?", 2),
        (None, "lamp", 1),  # it may be of any language
        ({"en"}, "¿Cómo se enciende la lámpara en la torre?", 1),
        (set(), "How is the lamp lit?", 1),
    ],
)
async def test_meaning_counts_double_across_languages_that_the_embedder_knows(
    corpus, languages, question, weight
):
    class Knowing(HashingEmbedder):
        pass

    class Listening:
        weights = []

        async def search(self, query, *, limit):
            self.weights.append(query.dense_weight)
            return []

    Knowing.languages = languages
    retriever = replace(Retriever.from_settings(), embedder=Knowing(), index=Listening())
    await retriever.search(question, Scope(frozenset([corpus.pk])))

    assert Listening.weights == [weight]


async def test_nothing_outside_the_scope_is_ever_found(corpus):
    assert not (await Retriever.from_settings().search("lamp", Scope(frozenset()))).passages
    assert not (await Retriever.from_settings().search("lamp", Scope(frozenset([999])))).passages


async def test_a_withdrawn_document_and_a_disabled_chunk_are_gone_from_the_next_question(corpus):
    retriever, scope = Retriever.from_settings(), Scope(frozenset([corpus.pk]))
    await retriever.search("lamp", scope)  # the replica is warm

    def withdraw_and_disable():
        corpus.documents.filter(key="guide/lamp.md").set_status(Document.Status.WITHDRAWN)
        Chunk.objects.filter(anchor="restore").update(enabled=False)

    await in_database_thread(withdraw_and_disable)()
    found = await retriever.search("lamp restore", scope)

    assert not {"timing", "colours", "restore"} & {p.url.partition("#")[2] for p in found.passages}


async def test_a_misspelled_word_is_searched_for_as_it_was_meant(corpus):
    scope = Scope(frozenset([corpus.pk]))
    retriever = replace(Retriever.from_settings(), embedder=None)  # by words, which must be exact

    found = await retriever.search("light the lamp and restroe a bakcup", scope)

    assert found.query == "light the lamp and restore a backup"
    assert found.respelled == {"restroe": "restore", "bakcup": "backup"}
    assert found.passages[0].heading_path[-1] == "Restore"
    assert found.degraded == ["no_vectors"]  # noted once for two searches


async def test_what_is_spelled_as_the_content_spells_it_is_searched_once(corpus):
    real = Retriever.from_settings()
    retriever = replace(real, index=LaggingIndex(real.index))

    found = await retriever.search("restore a backup in Zanzibar", Scope(frozenset([corpus.pk])))

    assert len(retriever.index.limits) == 1
    assert (found.query, found.respelled) == ("restore a backup in Zanzibar", {})


async def test_of_a_text_in_two_versions_the_more_trusted_one_is_shown(transactional_db):
    text = "The lamp turns once in twelve seconds and shows three flashes."
    source = await in_database_thread(make_source)()

    def publish_both():
        facts = {"title": "Lamp", "trust_tier": "community"}
        (old,) = publish(source, "1.0/lamp", [text], **facts)[1]
        (new,) = publish(source, "2.0/lamp", [text], **{**facts, "trust_tier": "official"})[1]
        get_index().prepare()
        index(get_index(), get_embedder(), [old, new])
        return old.pk, new.pk

    old, new = await in_database_thread(publish_both)()

    found = await Retriever.from_settings().search(
        "how often does the lamp turn", Scope(frozenset([source.corpus_id]))
    )

    assert [shown.chunk_id for shown in found.passages] == [new]
    assert found.dropped == {old: DUPLICATE}


def test_of_a_page_and_its_translation_the_one_in_the_language_of_the_question_is_shown():
    english, spanish = passage("The lamp turns.", language="en"), passage("Gira.", language="es")

    assert weigh_by_language([english, spanish], "es")[0].text == "Gira."
    assert weigh_by_language([spanish, english], "en")[0].text == "The lamp turns."


def test_content_in_another_language_alone_keeps_its_order():
    best, second = passage("one", language="en", score=2.0), passage("two", score=1.0)

    assert [one.text for one in weigh_by_language([best, second], "ja")] == ["one", "two"]


def test_where_the_language_of_a_question_is_not_clear_none_is_preferred():
    both = [passage("one", language="en"), passage("dos", language="es")]

    assert weigh_by_language(both, "") == both


async def test_a_corpus_of_a_region_is_respelled_like_its_language(corpus):
    found = await Retriever.from_settings().search(
        "lamp secnds", Scope(frozenset([corpus.pk])), language="en-GB"
    )

    assert found.query == "lamp seconds"
