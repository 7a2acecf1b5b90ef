"""Wraps an embedder and remembers the vectors of queries: in this process, and for all of them."""

import asyncio
import base64
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from documents.embedding.base import Embedder, Matrix, Vector
from documents.upstream.moments import SharedStore

logger = logging.getLogger(__name__)

KEPT = 7 * 86_400.0  # seconds in the store; the vector of a text does not change
PATIENCE = 0.25  # seconds to wait for the store: a call to the provider takes less than its absence

Found = Literal["hit", "miss"]


class CachedEmbedder:
    """A repeated question costs no call. Documents pass through: they are embedded once anyway.

    `store`: shared by all processes, as float16 and under a hash of the text; None: each remembers
    for itself. `found` is told of each query whether it was known.
    """

    def __init__(
        self,
        embedder: Embedder,
        size: int = 2048,
        *,
        store: SharedStore | None = None,
        found: Callable[[Found], None] = lambda _found: None,
    ):
        self.embedder, self.size, self.store, self.found = embedder, size, store, found
        self.space, self.languages = embedder.space, embedder.languages
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        return self.embedder.embed_documents(texts)

    async def embed_query(self, text: str) -> Vector:
        text = " ".join(text.split())
        key = self._key(text)
        with self._lock:
            if (known := self._vectors.get(key)) is not None:
                self._vectors.move_to_end(key)
        if known is None and (known := await self._stored(key)) is not None:
            self._remember(key, known)
        self.found("miss" if known is None else "hit")
        if known is not None:
            return known
        vector = await self.embedder.embed_query(text)
        vector.setflags(write=False)  # it is shared from now on
        self._remember(key, vector)
        await self._store(key, vector)
        return vector

    def _key(self, text: str) -> str:
        space = self.space.vectors  # chunks have no say in how a query is embedded
        return "vector:" + hashlib.sha256(f"{space}\0{text}".encode()).hexdigest()

    def _remember(self, key: str, vector: Vector) -> None:
        with self._lock:
            self._vectors[key] = vector
            while len(self._vectors) > self.size:
                self._vectors.popitem(last=False)

    async def _stored(self, key: str) -> Vector | None:
        if self.store is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                packed = await asyncio.to_thread(self.store.get, key)
            return None if packed is None else unpacked(packed, self.space.dimension)
        except Exception as error:  # whatever the store's client raises, or has kept for us
            logger.info("No vector from the store (%s)", type(error).__name__)
            return None

    async def _store(self, key: str, vector: Vector) -> None:
        if self.store is None:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.to_thread(self.store.set, key, packed(vector), KEPT)
        except Exception as error:  # as above
            logger.info("A vector was not stored (%s)", type(error).__name__)


def packed(vector: Vector) -> str:
    """As text, because the shared cache keeps JSON."""
    return base64.b64encode(vector.astype("<f2").tobytes()).decode()


def unpacked(text: str, dimension: int) -> Vector:
    """A unit vector, read-only; raises ValueError for what is none of this dimension."""
    vector = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    norm = float(np.linalg.norm(vector))
    if vector.shape != (dimension,) or not 0.9 < norm < 1.1:
        raise ValueError("not a vector of this space")
    vector /= norm
    vector.setflags(write=False)
    return vector
