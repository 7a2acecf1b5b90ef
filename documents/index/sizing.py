"""What a collection takes of Qdrant's memory and disk: one formula for plans and for the handbook.

The figures of a chunk were measured in Qdrant's own engine with the collection that we make
(benchmarks/index_memory.py, which holds this formula against it). Memory is what cannot be given
back: the int8 copies, the graph, the ids. The rest is on disk, and in the page cache while there is
room for it.
"""

from dataclasses import dataclass

LINKS = 16  # of a point with its neighbours in the graph; twice as many on its lowest level
# Qdrant's own rule of thumb for what a collection takes while it is being put in order: then a part
# of it is there twice.
REBUILDING = 1.5
# Bytes. A server without any points, and its write-ahead log.
SERVER, LOG = 150_000_000, 64_000_000
# Bytes of a point: its id both ways, its version and what keeps them; its links in the graph; its
# payload with the indexes; one word of its text, in vectors and postings.
IDS, GRAPH, PAYLOAD, WORD = 220, 130, 650, 8.5
INT8, FLOAT32 = 1, 4


@dataclass(frozen=True)
class Size:
    """In bytes."""

    memory: float
    disk: float


def chunk_size(dimension: int, words: float = 100.0) -> Size:
    """Of one chunk more in a collection at rest. `words`: of its text; dimension 0: a space of
    words alone."""
    graph = GRAPH if dimension else 0
    copies, originals = dimension * INT8, dimension * FLOAT32
    return Size(copies + graph + IDS, copies + originals + graph + PAYLOAD + words * WORD)


def collection_size(chunks: int, dimension: int, words: float = 100.0) -> Size:
    """Of a server that holds this many chunks and nothing else."""
    one = chunk_size(dimension, words)
    return Size(SERVER + chunks * one.memory * REBUILDING, LOG + chunks * one.disk * REBUILDING)


def chunks_that_fit(memory: int, disk: int, dimension: int, words: float = 100.0) -> int:
    """Into a cluster of that many bytes; whole thousands. While the embedding space changes, there
    are two collections."""
    one = chunk_size(dimension, words)
    fit = min((memory - SERVER) / one.memory, (disk - LOG) / one.disk) / REBUILDING
    return max(0, int(fit) // 1000 * 1000)
