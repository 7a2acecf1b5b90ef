"""CachedEmbedder: a repeated question costs no call, in this process or in another."""

import time

import numpy as np
import pytest

from documents.embedding import cached as module
from documents.embedding.base import EmbeddingSpace
from documents.embedding.cached import CachedEmbedder, packed, unpacked
from documents.embedding.hashing import HashingEmbedder
from documents.upstream.moments import Memory

PLUGIN = "What is a plugin?"


class Counting(HashingEmbedder):
    calls = 0

    async def embed_query(self, text: str) -> np.ndarray:
        self.calls += 1
        return await super().embed_query(text)


@pytest.fixture
def counting() -> Counting:
    return Counting()


async def test_a_repeated_question_is_embedded_once(counting):
    embedder = CachedEmbedder(counting, size=2)
    await embedder.embed_query("What is  a plugin?")
    await embedder.embed_query(f" {PLUGIN}\n")
    assert counting.calls == 1
    for text in ("two", "three", PLUGIN):  # the third pushes the oldest out
        await embedder.embed_query(text)
    assert counting.calls == 4


async def test_another_process_need_not_embed_it_again(counting):
    store = Memory()
    first = await CachedEmbedder(counting, store=store).embed_query(PLUGIN)

    again = await CachedEmbedder(counting, store=store).embed_query(PLUGIN)

    assert counting.calls == 1
    assert again == pytest.approx(first, abs=1e-3)  # it is kept in half precision
    assert np.linalg.norm(again) == pytest.approx(1.0, abs=1e-6)


async def test_vectors_of_another_space_are_not_taken(counting, monkeypatch):
    store = Memory()
    await CachedEmbedder(counting, store=store).embed_query(PLUGIN)
    other = Counting()
    other.space = EmbeddingSpace("another", "model", counting.space.dimension)

    await CachedEmbedder(other, store=store).embed_query(PLUGIN)

    assert other.calls == 1


async def test_the_store_holds_nothing_that_can_be_read(counting):
    class Seen(Memory):
        def set(self, key, value, timeout):
            seen.append(f"{key} {value}")
            super().set(key, value, timeout)

    seen: list[str] = []
    await CachedEmbedder(counting, store=Seen()).embed_query("Where is the secret garden?")

    assert "garden" not in seen[0]


class Broken(Memory):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def get(self, key, default=None):
        if self.how == "away":
            raise ConnectionError
        if self.how == "hangs":
            time.sleep(0.2)
        return {"foreign": "AAAA", "garbage": "%%%", "a number": 7}.get(self.how)

    def set(self, key, value, timeout):
        self.get(key)


@pytest.mark.parametrize("how", ["away", "hangs", "foreign", "garbage", "a number"])
async def test_a_store_that_fails_costs_a_call_and_nothing_else(counting, monkeypatch, how):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    vector = await CachedEmbedder(counting, store=Broken(how)).embed_query(PLUGIN)

    assert counting.calls == 1
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)


async def test_it_tells_how_often_it_knew(counting):
    told: list[str] = []
    store = Memory()
    for _process in range(2):
        embedder = CachedEmbedder(counting, store=store, found=told.append)
        await embedder.embed_query(PLUGIN)
        await embedder.embed_query(PLUGIN)

    assert told == ["miss", "hit", "hit", "hit"]


def test_a_packed_vector_of_another_length_is_refused():
    vector = np.ones(4, np.float32) / 2
    assert unpacked(packed(vector), 4) == pytest.approx(vector)
    with pytest.raises(ValueError, match="space"):
        unpacked(packed(vector), 5)
