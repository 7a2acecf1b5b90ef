from typing import Any

from rest_framework import serializers

from documents.models import Chunk, Document


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
