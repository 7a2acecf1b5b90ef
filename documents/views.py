"""API of the corpus: the documents and chunks behind citations, their files, and their deletion."""

from collections.abc import AsyncIterator
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.files import File
from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from documents.closed import Strict
from documents.deletion import delete_documents
from documents.etags import Tagged, refuse_what_is_outdated
from documents.models import Chunk, Document, Upload
from documents.powers import READING, Power
from documents.problems import Problem
from documents.scope import Scope
from documents.serializers import (
    ChunkSerializer,
    DocumentQuery,
    DocumentSerializer,
    ReceiptSerializer,
)
from documents.uploads import open_file

FILE_PIECE = 65_536  # bytes


def scope_of(request: Request) -> Scope:
    """Whoever authenticates the request has decided what it may read."""
    return cast(Any, request.auth).scope


def may(principal: Any, user: Any, power: Power, permission: str) -> bool:
    """Whether it has this power and, if it is an account, this permission of Django's too."""
    return bool(principal.may(power) and (principal.kind != "user" or user.has_perm(permission)))


def require(request: Request, permission: str) -> None:
    """Of an account whose powers are enough for the view: raises PermissionDenied. Which corpora is
    another question: what lies outside of them is not found."""
    if cast(Any, request.auth).kind == "user" and not request.user.has_perm(permission):
        raise PermissionDenied(f"Use an account with the permission {permission}, or an API key.")


def name_of(request: Request) -> str:
    """Who it is, for the record."""
    return request.user.get_username() or cast(Any, request.auth).owner


class DocumentList(Strict, generics.ListAPIView[Document]):
    """Published documents of the corpora that the caller may read, newest first."""

    needs: Any = READING
    serializer_class = DocumentSerializer
    query_class = DocumentQuery

    def get_queryset(self) -> Any:
        documents = Document.objects.readable(scope_of(self.request))
        for parameter, field in (("corpus", "corpus__slug"), ("source", "source__slug")):
            if value := getattr(self, "asked", {}).get(parameter):
                documents = documents.filter(**{field: value})
        return documents.select_related("corpus", "source")


class DocumentDetail(Strict, Tagged, generics.RetrieveAPIView[Document]):
    """One published document."""

    needs = {"GET": READING, "DELETE": Power.INGEST}
    serializer_class = DocumentSerializer

    def get_queryset(self) -> Any:
        readable = Document.objects.readable(scope_of(self.request))
        return readable.select_related("corpus", "source")

    @extend_schema(responses={200: ReceiptSerializer, 202: ReceiptSerializer})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a document, also a withdrawn one; it does not come back with the next run.

        Nobody sees it from now on. 200: nothing is left of it anywhere. 202: the index or the disk
        could not do its part yet; the receipt says what is left. A worker tells the index,
        `manage.py reconcile --repair` removes files.
        """
        require(request, "documents.delete_document")
        here = Document.objects.filter(corpus_id__in=scope_of(request).corpora, pk=pk)
        if document := here.select_related("corpus", "source").first():
            refuse_what_is_outdated(request, self.tag_of(document))
        receipt = delete_documents(here, by=name_of(request))
        if not receipt.documents:  # none, or somebody else was faster
            raise Http404
        return Response(ReceiptSerializer(receipt).data, status=200 if receipt.complete else 202)


class DocumentFile(Strict, generics.GenericAPIView[Document]):
    """The file a document was made from."""

    needs = READING

    def get_queryset(self) -> Any:
        return Document.objects.readable(scope_of(self.request))

    @extend_schema(
        responses={
            (200, "application/octet-stream"): OpenApiResponse(
                OpenApiTypes.BINARY, description="The file as it was uploaded, as an attachment."
            )
        }
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        """The uploaded file, of documents that were uploaded. Never shown, only saved."""
        document = self.get_object()
        upload = generics.get_object_or_404(
            Upload.objects.filter(source=document.source_id, key=document.key)
        )
        try:
            file = open_file(upload)
        except FileNotFoundError as error:
            raise Problem(404, "file_missing", "The file is lost; upload it again.") from error
        return attachment(file, upload)


def attachment(file: File, upload: Upload) -> StreamingHttpResponse:
    """Hostile until proven otherwise: of no type that a browser would show, and in a sandbox."""
    return StreamingHttpResponse(
        _pieces(file),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": content_disposition_header(True, upload.key) or "attachment",
            "Content-Length": str(upload.size),
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


async def _pieces(file: File) -> AsyncIterator[bytes]:
    """An asynchronous server would read all of a synchronous one into memory first."""
    read = sync_to_async(file.read, thread_sensitive=False)
    try:
        while piece := await read(FILE_PIECE):
            yield piece
    finally:
        file.close()


class ChunkDetail(Strict, Tagged, generics.RetrieveAPIView[Chunk]):
    """One live chunk: what a citation points at, as it stands today."""

    needs = READING
    serializer_class = ChunkSerializer

    def get_queryset(self) -> Any:
        live = Chunk.objects.live(scope_of(self.request))
        return live.select_related("document__corpus", "document__source")
