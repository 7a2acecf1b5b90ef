"""What a point carries beside its vectors, and which of it a search can be narrowed by."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from documents.models import Chunk, Document
from documents.scope import Scope

# Every field that is ever filtered, each with an index: Qdrant's strict mode refuses others.
KEYWORD_FIELDS = (
    "corpus", "source", "document", "language", "version", "trust_tier", "sections",
)  # fmt: skip
LIVE_FIELD = "live"


def payload_of(chunk: Chunk, document: Document | None = None) -> dict[str, Any]:
    """Only for finding it: whatever is shown comes from the row.

    `document` is given while neither of the two is stored yet; the point is not live until then.
    """
    document = document or chunk.document
    published = document.pk is not None and document.status == Document.Status.PUBLISHED
    return {
        "corpus": str(document.corpus_id),
        "source": document.source.slug,
        "document": str(document.pk or ""),
        "language": document.language,
        "version": document.version,
        "trust_tier": document.trust_tier,
        "sections": chunk.heading_path,
        LIVE_FIELD: published and chunk.enabled,
    }


def current_payloads(chunk_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Of those that have a row."""
    rows = Chunk.objects.filter(pk__in=chunk_ids).select_related("document__source")
    return {chunk.pk: payload_of(chunk) for chunk in rows}


def conditions(scope: Scope) -> dict[str, list[str]]:
    """Field to accepted values; all of the fields must match. The corpus is always among them."""
    narrowed = {
        "corpus": map(str, scope.corpora),
        "source": scope.sources,
        "language": scope.languages,
        "version": scope.versions,
        "trust_tier": scope.trust_tiers,
        "sections": scope.sections,
    }
    required = {field: sorted(values) for field, values in narrowed.items()}
    return {field: values for field, values in required.items() if values or field == "corpus"}
