"""Read-only API: the documents and chunks behind citations."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics

from documents.models import Chunk, Document
from documents.serializers import ChunkSerializer, DocumentSerializer


@extend_schema(parameters=[OpenApiParameter("corpus", str), OpenApiParameter("source", str)])
class DocumentList(generics.ListAPIView[Document]):
    """Published documents of the corpora that the caller may read, newest first."""

    serializer_class = DocumentSerializer

    def get_queryset(self) -> Any:
        documents = Document.objects.readable(self.request.auth.scope)
        for parameter, field in (("corpus", "corpus__slug"), ("source", "source__slug")):
            if value := self.request.query_params.get(parameter):
                documents = documents.filter(**{field: value})
        return documents.select_related("corpus", "source")


class DocumentDetail(generics.RetrieveAPIView[Document]):
    """One published document."""

    serializer_class = DocumentSerializer

    def get_queryset(self) -> Any:
        readable = Document.objects.readable(self.request.auth.scope)
        return readable.select_related("corpus", "source")


class ChunkDetail(generics.RetrieveAPIView[Chunk]):
    """One live chunk: what a citation points at, as it stands today."""

    serializer_class = ChunkSerializer

    def get_queryset(self) -> Any:
        live = Chunk.objects.live(self.request.auth.scope)
        return live.select_related("document__corpus", "document__source")
