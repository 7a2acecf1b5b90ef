"""Read-only API: the documents and chunks behind citations."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request

from documents.models import Chunk, Document
from documents.scope import Scope
from documents.serializers import ChunkSerializer, DocumentSerializer


def scope_of(request: Request) -> Scope:
    """Whoever authenticates the request has decided what it may read."""
    return cast(Any, request.auth).scope


@extend_schema(parameters=[OpenApiParameter("corpus", str), OpenApiParameter("source", str)])
class DocumentList(generics.ListAPIView[Document]):
    """Published documents of the corpora that the caller may read, newest first."""

    serializer_class = DocumentSerializer

    def get_queryset(self) -> Any:
        documents = Document.objects.readable(scope_of(self.request))
        for parameter, field in (("corpus", "corpus__slug"), ("source", "source__slug")):
            if value := self.request.query_params.get(parameter):
                documents = documents.filter(**{field: value})
        return documents.select_related("corpus", "source")


class DocumentDetail(generics.RetrieveAPIView[Document]):
    """One published document."""

    serializer_class = DocumentSerializer

    def get_queryset(self) -> Any:
        readable = Document.objects.readable(scope_of(self.request))
        return readable.select_related("corpus", "source")


class ChunkDetail(generics.RetrieveAPIView[Chunk]):
    """One live chunk: what a citation points at, as it stands today."""

    serializer_class = ChunkSerializer

    def get_queryset(self) -> Any:
        live = Chunk.objects.live(scope_of(self.request))
        return live.select_related("document__corpus", "document__source")
