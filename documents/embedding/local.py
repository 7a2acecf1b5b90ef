"""What embedders that run in this process share: graphs built once, batches, threads."""

import asyncio
import hashlib
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Protocol

import numpy as np

from documents.embedding.base import EmbeddingError, EmbeddingSpace, Matrix, Vector

logger = logging.getLogger(__name__)

# Attention needs memory for batch times length squared: small batches of like lengths.
BATCH_SIZE = 8


class Encoder(Protocol):
    """A model in memory. Several threads may use it at once, but not across a fork."""

    def tokens(self, text: str) -> list[int]: ...

    def vectors(self, batch: Sequence[Sequence[int]]) -> Matrix:
        """One unit vector for each list of tokens."""
        ...


class LocalEmbedder(ABC):
    """Needs no key and no network. Everything heavy is imported and loaded at the first text.

    `threads` is how many batches of documents run at once. A query always takes one core: threads
    inside the runtime's operators were measured to cost more than they bring.
    """

    languages: ClassVar[frozenset[str] | None]
    # What the model wants to read in front of each.
    query_prefix: ClassVar[str] = ""
    document_prefix: ClassVar[str] = ""

    def __init__(self, space: EmbeddingSpace, threads: int):
        self.space, self.threads = space, threads
        self._loading = threading.Lock()
        self._encoder: Encoder | None = None
        # Queries have threads of their own: a busy default executor must not make them wait. The
        # runtime releases the GIL, so two of them use two cores.
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="embed-query")

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        return self._embed([self.document_prefix + text for text in texts])

    async def embed_query(self, text: str) -> Vector:
        texts = [self.query_prefix + text]
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._executor, self._embed, texts))[0]

    @abstractmethod
    def load(self) -> Encoder:
        """Read the model; raises EmbeddingError. Called once."""

    def _embed(self, texts: Sequence[str]) -> Matrix:
        encoder = self._loaded()
        # One by one: encode_batch starts a thread pool that no setting of ours would govern.
        tokens = [encoder.tokens(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        batches = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]
        vectors = np.empty((len(texts), self.space.dimension), np.float32)

        def embed(rows: list[int]) -> None:
            vectors[rows] = encoder.vectors([tokens[row] for row in rows])

        if self.threads == 1 or len(batches) < 2:
            for rows in batches:
                embed(rows)
        else:
            with ThreadPoolExecutor(self.threads, thread_name_prefix="embed-documents") as pool:
                list(pool.map(embed, batches))
        return vectors

    def _loaded(self) -> Encoder:
        if self._encoder is None:
            with self._loading:
                if self._encoder is None:
                    self._encoder = self.load()
        return self._encoder


def padded(batch: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    """Token ids and attention mask, both of shape (texts, longest)."""
    ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def session(graph: bytes) -> Any:
    """The runtime on one core, as several threads may use it at once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # The arena keeps the largest batch's memory for ever; spinning burns a core between runs.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def verified(path: Path, sha256: str, remedy: str) -> bytes:
    """The file's content, if it is the content we know."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"Cannot read {path}: {error.strerror}. {remedy}"
        raise EmbeddingError(message, retryable=False) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise EmbeddingError(f"{path} is damaged or of another version. {remedy}", retryable=False)
    return content


def built_once(path: Path, build: Callable[[Path], None]) -> bytes:
    """The graph at `path`; built there first if it is missing or damaged."""
    checksum = path.with_suffix(".sha256")
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == checksum.read_text("ascii").strip():
            return content
        logger.warning("%s is damaged; building it again", path)
    except FileNotFoundError:
        logger.info("Building the embedding model in %s, once", path.parent)
    except (OSError, UnicodeDecodeError) as error:
        logger.warning("%s cannot be read (%s); building it again", path, error)
    return _built(path, checksum, build)


def _built(path: Path, checksum: Path, build: Callable[[Path], None]) -> bytes:
    """Safe beside other builders: files appear whole, and every builder makes the same bytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".building-") as folder:
            made, digest = Path(folder) / path.name, Path(folder) / checksum.name
            build(made)
            content = made.read_bytes()
            digest.write_text(hashlib.sha256(content).hexdigest() + "\n", "ascii")
            os.replace(made, path)
            os.replace(digest, checksum)
    except OSError as error:
        raise EmbeddingError(
            f"The embedding model could not be built in {path.parent}: {error.strerror}. "
            "Set VAR_DIR to a folder that can be written to.",
            retryable=False,
        ) from error
    return content
