"""Passage: a chunk as retrieved for one question; a plain value without Django."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Passage:
    """`text` stands verbatim in the source; offsets count characters of the source file."""

    chunk_id: UUID
    document_id: int
    text: str
    title: str
    heading_path: tuple[str, ...]
    url: str  # with "#anchor" when the section has one
    language: str
    trust_tier: str
    source: str  # slug
    version: str
    line_start: int
    line_end: int
    text_hash: str
    position: int = 0  # among the chunks of its document
    score: float = 0.0  # position in the final order; comparable inside one result only
    similarity: float | None = None  # cosine to the query; None when only words were compared

    @property
    def is_retracted(self) -> bool:
        return self.trust_tier == "retracted"

    @property
    def breadcrumb(self) -> str:
        """Title and headings, outermost first, the title not repeated."""
        path = self.heading_path
        if not path or path[0] != self.title:
            path = (self.title, *path)
        return " › ".join(path)
