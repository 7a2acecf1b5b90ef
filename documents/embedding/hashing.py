"""An offline embedder of word hashes: deterministic, instant, for tests."""

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import numpy as np

from documents.embedding.base import EmbeddingSpace, Matrix, Vector


class HashingEmbedder:
    """Texts that share words and pairs of words lie close together; nothing more is promised."""

    languages: ClassVar[frozenset[str] | None] = None

    def __init__(self, dimension: int = 64):
        self.space = EmbeddingSpace("hashing", "words", dimension)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        if not texts:
            return np.empty((0, self.space.dimension), np.float32)
        return np.stack([self._embed(text) for text in texts])

    async def embed_query(self, text: str) -> Vector:
        return self._embed(text)

    def _embed(self, text: str) -> Vector:
        words = re.findall(r"\w+", text.lower())
        vector = np.zeros(self.space.dimension, np.float32)
        for feature in (*words, *map(" ".join, pairwise(words))):
            number = zlib.crc32(feature.encode())
            # The lowest bit is the sign, so that chance meetings in a bucket cancel out.
            vector[(number >> 1) % len(vector)] += 1 if number & 1 else -1
        if not vector.any():
            vector[0] = 1
        return vector / np.linalg.norm(vector)
