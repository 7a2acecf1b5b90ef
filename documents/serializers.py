from typing import Any

from rest_framework import serializers

from documents.closed import PageQuery, Slug
from documents.deletion import Receipt
from documents.models import Chunk, Document, Source
from documents.problem_codes import CODES


class ProblemSerializer(serializers.Serializer[Any]):
    """problem+json: `code` is stable, `detail` is for people."""

    type = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.ChoiceField(sorted(CODES))
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="Of `invalid`: what is wrong, by field or parameter."
    )


class DocumentQuery(PageQuery):
    corpus = Slug(required=False, help_text="Its slug.")
    source = Slug(required=False, help_text="Its slug.")  # type: ignore[assignment]


class DocumentSerializer(serializers.ModelSerializer[Document]):
    corpus = serializers.SlugField(source="corpus.slug")
    source = serializers.SlugField(source="source.slug")  # type: ignore[assignment]

    class Meta:
        model = Document
        fields = [
            "id", "corpus", "source", "key", "url", "title", "language", "version", "trust_tier",
            "authors", "year", "doi", "created_at", "updated_at", "indexed_at",
        ]  # fmt: skip


class ChunkSerializer(serializers.ModelSerializer[Chunk]):
    document = DocumentSerializer()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Chunk
        fields = [
            "id", "document", "position", "heading_path", "anchor", "url", "text", "line_start",
            "line_end", "char_start", "char_end", "token_estimate", "text_hash",
        ]  # fmt: skip

    def get_url(self, chunk: Chunk) -> Any:
        return chunk.url


class ReceiptSerializer(serializers.Serializer[Receipt]):
    """What was deleted, and how much of it is left where."""

    documents = serializers.ListField(child=serializers.CharField(), help_text="source/key")
    rows = serializers.IntegerField()
    points = serializers.IntegerField(
        allow_null=True, help_text="Of the index; null when it could not be asked."
    )
    files = serializers.IntegerField()
    cached_answers = serializers.IntegerField()
    pending = serializers.IntegerField(help_text="Chunks the index has not been told of.")
    complete = serializers.BooleanField(help_text="Nothing is left.")


class OriginSerializer(serializers.ModelSerializer[Source]):
    corpus = serializers.SlugField(source="corpus.slug")

    class Meta:
        model = Source
        fields = [
            "id", "slug", "corpus", "kind", "location", "base_url", "trust_tier", "sync_hours",
            "next_sync_at", "commit", "created_at",
        ]  # fmt: skip
