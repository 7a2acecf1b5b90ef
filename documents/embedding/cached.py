"""Wraps an embedder and remembers the vectors of recent queries in the memory of the process."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from documents.embedding.base import Embedder, Matrix, Vector


class CachedEmbedder:
    """A repeated question costs no call. Documents pass through: they are embedded once anyway."""

    def __init__(self, embedder: Embedder, size: int = 2048):
        self.embedder, self.size = embedder, size
        self.space, self.languages = embedder.space, embedder.languages
        self._vectors: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._lock = threading.Lock()

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        return self.embedder.embed_documents(texts)

    async def embed_query(self, text: str) -> Vector:
        text = " ".join(text.split())
        key = (str(self.space), text)
        with self._lock:
            if (known := self._vectors.get(key)) is not None:
                self._vectors.move_to_end(key)
                return known
        vector = await self.embedder.embed_query(text)
        vector.setflags(write=False)  # it is shared from now on
        with self._lock:
            self._vectors[key] = vector
            while len(self._vectors) > self.size:
                self._vectors.popitem(last=False)
        return vector
