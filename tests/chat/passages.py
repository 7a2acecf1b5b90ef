"""Passages for tests that need no database."""

from uuid import UUID, uuid5

from documents.passages import Passage

NAMESPACE = UUID(int=7)


def passage(text: str, *, title: str = "Lamp", heading: str = "Timing", **more) -> Passage:
    defaults = {
        "chunk_id": uuid5(NAMESPACE, title + heading + text), "document_id": 1, "text": text,
        "title": title, "heading_path": (title, heading), "url": f"https://docs.example.org/{title}#x",
        "language": "en", "trust_tier": "official", "source": "site", "version": "",
        "line_start": 1, "line_end": 2, "text_hash": "0" * 64, "score": 1.0, "similarity": None,
    }  # fmt: skip
    return Passage(**{**defaults, **more})
