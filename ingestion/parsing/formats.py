"""Which files are documents, and of what kind: by suffix, held against the first bytes."""

from pathlib import PurePosixPath

MARKDOWN, MDX = "text/markdown", "text/mdx"
HTML, REST, PLAIN_TEXT = "text/html", "text/x-rst", "text/plain"
NOTEBOOK = "application/x-ipynb+json"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

MEDIA_TYPES = {
    ".md": MARKDOWN, ".markdown": MARKDOWN, ".mdx": MDX,
    ".html": HTML, ".htm": HTML, ".xhtml": HTML,
    ".rst": REST, ".txt": PLAIN_TEXT, ".ipynb": NOTEBOOK,
    ".pdf": PDF, ".docx": DOCX, ".pptx": PPTX,
}  # fmt: skip
# Parsed in a child process of their own, with limits: their parsers are large, and some are C.
BINARY = frozenset({PDF, DOCX, PPTX})


def media_type_of(key: str) -> str | None:
    """None: not a document."""
    return MEDIA_TYPES.get(PurePosixPath(key).suffix.lower())
