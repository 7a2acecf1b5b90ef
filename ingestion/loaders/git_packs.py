"""What a pack of Git objects would unfold to, found out before anything unfolds it.

dulwich believes the sizes that a pack declares. Here its objects are unpacked a piece at a time
and thrown away, so that a bomb is found in constant memory.
"""

import zlib
from mmap import ACCESS_READ, mmap
from typing import IO

OFFSET_DELTA, REF_DELTA = 6, 7
PIECE = 65_536


class PackTooLarge(Exception):
    pass


def check_sizes(pack: IO[bytes], *, largest: int, total: int) -> None:
    """Raises PackTooLarge; ValueError, IndexError or zlib.error when it is no pack."""
    with mmap(pack.fileno(), 0, access=ACCESS_READ) as data:
        if data[:4] != b"PACK":
            raise ValueError("no pack")
        position = 12
        for _object in range(int.from_bytes(data[8:12])):
            kind = data[position] >> 4 & 7
            size, position = _size(data, position, first=4)
            if kind == OFFSET_DELTA:
                _distance, position = _size(data, position)
            elif kind == REF_DELTA:
                position += 20
            start, position = _skipped(data, position, size)
            if kind in (OFFSET_DELTA, REF_DELTA):  # it says how large its result is
                _base_size, after = _size(start, 0)
                size, _after = _size(start, after)
            total -= size
            if size > largest or total < 0:
                raise PackTooLarge


def _size(data: bytes | mmap, position: int, first: int = 7) -> tuple[int, int]:
    """Git's numbers: seven bits a byte, `first` bits in the first; and where they end."""
    size, shift = data[position] & (1 << first) - 1, first
    while data[position] & 0x80:
        position += 1
        size |= (data[position] & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")
    return size, position + 1


def _skipped(data: mmap, position: int, size: int) -> tuple[bytes, int]:
    """The first bytes of what is compressed there, and where it ends."""
    unpacker = zlib.decompressobj()
    start, unpacked = b"", 0
    while not unpacker.eof:
        packed = data[position : position + PIECE]
        piece = unpacker.decompress(packed, PIECE)
        left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        position += len(packed) - len(left)
        unpacked += len(piece)
        start = start or piece[:32]
        if unpacked > size or not (packed or piece):
            raise ValueError("an object is not as large as it says")
    return start, position
