"""API of the work: uploads, sources and their syncs, runs and what they did to each document."""

from dataclasses import asdict
from typing import Any

from django.db.models import Case, IntegerField, Value, When
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from documents import uploads
from documents.closed import (
    Choice,
    Closed,
    Digits,
    PageQuery,
    Slug,
    Strict,
    Text,
    refuse_unknown,
    take_nothing,
)
from documents.idempotency import idempotent
from documents.models import Corpus, Source, Upload
from documents.powers import READING, Power
from documents.problems import Problem
from documents.serializers import OriginSerializer
from documents.views import DocumentList, name_of, require, scope_of
from ingestion.models import IngestionItem, IngestionRun
from ingestion.progress import progress_of, watched_progress
from ingestion.steering import NothingToRetry, cancel_run, retry_run
from ingestion.watching import why_nothing_happens
from ingestion.worker import queue_run

FILE_FIELDS = ("file", "files", "files[]")
ITEMS_SHOWN = 100  # with the run itself; the rest page by page


# What it looks like


class ItemSerializer(serializers.ModelSerializer[IngestionItem]):
    class Meta:
        model = IngestionItem
        fields = [
            "key", "outcome", "reason", "warnings", "chunks", "embedded", "attempts",
            "next_attempt_at",
        ]  # fmt: skip


class ProgressSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    current = serializers.CharField(help_text="The document that was finished last.")
    per_second = serializers.FloatField(allow_null=True)
    seconds_left = serializers.FloatField(allow_null=True)


class RunSerializer(serializers.ModelSerializer[IngestionRun]):
    source = serializers.SlugField(source="source.slug")  # type: ignore[assignment]
    progress = serializers.SerializerMethodField()

    class Meta:
        model = IngestionRun
        fields = [
            "id", "source", "status", "trigger", "counts", "total", "attempts", "error",
            "warnings", "created_at", "started_at", "finished_at", "next_attempt_at", "progress",
        ]  # fmt: skip

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, run: IngestionRun) -> dict[str, Any]:
        watched = None if run.is_finished else watched_progress(run.pk)
        progress = asdict(watched or progress_of(run, run.counts))
        return {name: progress[name] for name in ("done", "current", "per_second", "seconds_left")}


class RunDetailSerializer(RunSerializer):
    notice = serializers.SerializerMethodField(
        help_text="Why nothing happens, if no worker is there; else empty."
    )
    items = serializers.SerializerMethodField()

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "notice", "items"]

    def get_notice(self, run: IngestionRun) -> str:
        return why_nothing_happens(run)

    @extend_schema_field(ItemSerializer(many=True))
    def get_items(self, run: IngestionRun) -> Any:
        """The first of them, those that failed or wait in front; `…/items/` has them all."""
        troubled = (IngestionItem.Outcome.FAILED, IngestionItem.Outcome.WAITING)
        first = Case(
            When(outcome__in=troubled, then=Value(0)),
            default=Value(1),
            output_field=IntegerField(),
        )
        return ItemSerializer(run.items.order_by(first, "pk")[:ITEMS_SHOWN], many=True).data


class UploadedSerializer(serializers.ModelSerializer[Upload]):
    class Meta:
        model = Upload
        fields = ["key", "sha256", "size"]


class AcceptedSerializer(serializers.Serializer[Any]):
    """What was stored, and the run that reads it."""

    run = RunSerializer()
    documents = UploadedSerializer(many=True)


class UploadSerializer(Closed):
    file = serializers.ListField(
        child=serializers.FileField(),
        min_length=1,
        help_text="One or many; `files` and `files[]` will do, too.",
    )
    source = Slug(  # type: ignore[assignment]
        required=False,
        help_text="A source of kind upload; the corpus' own when omitted.",
    )
    corpus = Slug(required=False, help_text="Needed when there are several, and no source.")


class RetrySerializer(Closed):
    keys = serializers.ListField(
        child=Text(max_length=500),
        required=False,
        max_length=1000,
        help_text="Documents that failed in this run; all of them when omitted.",
    )


# Uploads


class Documents(DocumentList):
    """The documents of the corpora that the caller may read; files to become documents."""

    needs = {"GET": READING, "POST": Power.INGEST}
    parser_classes = (MultiPartParser,)

    @extend_schema(
        request={"multipart/form-data": UploadSerializer}, responses={202: AcceptedSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Upload files; a run reads them in the background.

        All are taken or none. A file takes the place of one of the same name in its source.
        """
        require(request, "documents.change_source")
        data = self._wanted(request)
        source = _upload_source(request, data.get("source"), data.get("corpus"))
        files = [file for field in FILE_FIELDS for file in request.FILES.getlist(field)]
        try:
            with uploads.storing(source, files, by=name_of(request)) as stored:
                run = queue_run(
                    source, trigger=IngestionRun.Trigger.API, only=[upload.key for upload in stored]
                )
        except uploads.TooLarge as error:
            raise Problem(413, error.code, error.in_full) from error
        except uploads.Refused as error:
            raise serializers.ValidationError({error.name[:200] or "file": [str(error)]}) from error
        except uploads.NotStored as error:
            raise Problem(507, "not_stored", str(error)) from error
        except Source.DoesNotExist as error:  # deleted just now
            raise Http404 from error
        return Response(AcceptedSerializer({"run": run, "documents": stored}).data, status=202)

    def _wanted(self, request: Request) -> dict[str, str]:
        refuse_unknown({*request.POST, *request.FILES}, {*FILE_FIELDS, "source", "corpus"})
        told = {name: request.POST[name] for name in ("source", "corpus") if name in request.POST}
        serializer = UploadSerializer(data=told, partial=True)  # files are looked at one by one
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


def _upload_source(request: Request, slug: str | None, corpus_slug: str | None) -> Source:
    """Where the files go; what is not the caller's does not exist."""
    corpora = Corpus.objects.filter(pk__in=scope_of(request).corpora)
    if corpus_slug:
        corpora = corpora.filter(slug=corpus_slug)
    if slug:
        source = generics.get_object_or_404(Source.objects.filter(corpus__in=corpora, slug=slug))
        if source.kind != Source.Kind.UPLOAD:
            reason = "Its documents come from elsewhere; only sources of kind upload take files."
            raise serializers.ValidationError({"source": [reason]})
        return source
    match list(corpora[:2]):
        case [corpus]:
            return uploads.upload_source(corpus)
        case []:
            raise Http404
    raise serializers.ValidationError({"corpus": ["You have several; say which one."]})


# Sources


class SourceQuery:
    """Sources of the caller's corpora; they name paths of this server."""

    request: Any
    permission: str

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Source.objects.none()
        require(self.request, self.permission)
        mine = Source.objects.filter(corpus_id__in=self.request.auth.corpora)
        return mine.select_related("corpus")


class SourceList(SourceQuery, Strict, generics.ListAPIView[Source]):
    """Where documents come from, newest first."""

    needs = Power.ADMIN_READ, Power.INGEST
    serializer_class = OriginSerializer
    query_class = PageQuery
    permission = "documents.view_source"


class SourceSync(SourceQuery, Strict, generics.GenericAPIView[Any]):
    needs = Power.INGEST
    serializer_class = RunSerializer
    permission = "documents.change_source"

    @extend_schema(
        request=None,
        responses={202: RunSerializer},
        parameters=[OpenApiParameter("source", str, "path", description="Its slug or its id.")],
    )
    @idempotent
    def post(self, request: Request, source: str) -> Response:
        """Read a source again, in the background. A run that has not begun yet is used again."""
        take_nothing(request)
        mine = self.get_queryset()
        # A slug may look like a number: the slug goes first.
        found = mine.filter(slug=source).first()
        if found is None and source.isdecimal() and len(source) < 19:
            found = mine.filter(pk=int(source)).first()
        if found is None:
            raise Http404
        run = queue_run(found, trigger=IngestionRun.Trigger.API)
        return Response(RunSerializer(run).data, status=202)


# Runs


class RunQuery:
    """Runs over sources of the caller's corpora; their errors name paths of this server."""

    needs: Any = (Power.ADMIN_READ, Power.INGEST)
    request: Any

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return IngestionRun.objects.none()
        require(self.request, "ingestion.view_ingestionrun")
        runs = IngestionRun.objects.filter(source__corpus_id__in=self.request.auth.corpora)
        return runs.select_related("source")


class RunList(RunQuery, Strict, generics.ListAPIView[IngestionRun]):
    """Ingestion runs, newest first."""

    serializer_class = RunSerializer
    query_class = PageQuery


class RunDetail(RunQuery, Strict, generics.RetrieveAPIView[IngestionRun]):
    """One ingestion run, how far it is, and its first items: those that failed or wait in front."""

    serializer_class = RunDetailSerializer


class InOrder(CursorPagination):
    ordering = "pk"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


class ItemQuery(PageQuery):
    outcome = Choice(IngestionItem.Outcome.choices, required=False)
    page_size = Digits(required=False, min_value=1, max_value=InOrder.max_page_size)


class RunItems(RunQuery, Strict, generics.ListAPIView[IngestionItem]):
    """What the run did to each document, in the order in which it did it."""

    serializer_class = ItemSerializer
    query_class = ItemQuery
    pagination_class = InOrder

    def get_queryset(self) -> Any:
        runs = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return IngestionItem.objects.none()
        items = generics.get_object_or_404(runs, pk=self.kwargs["pk"]).items.all()
        if outcome := self.asked.get("outcome"):
            items = items.filter(outcome=outcome)
        return items


class RunAction(RunQuery, Strict, generics.GenericAPIView[IngestionRun]):
    """Something that a run is asked to do."""

    needs = Power.INGEST

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return IngestionRun.objects.none()
        require(self.request, "ingestion.change_ingestionrun")
        mine = IngestionRun.objects.filter(source__corpus_id__in=self.request.auth.corpora)
        return mine.select_related("source")


class RunCancel(RunAction):
    serializer_class = RunSerializer

    @extend_schema(request=None, responses={202: RunSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Stop a run at its next document. What was published stays."""
        take_nothing(request)
        run = self.get_object()
        if not cancel_run(run):
            raise Problem(409, "finished", "The run is finished already.")
        return Response(RunSerializer(run).data, status=202)


class RunRetry(RunAction):
    serializer_class = RunSerializer

    @extend_schema(request=RetrySerializer, responses={202: RunSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """A new run over what failed in this one, or over those of it that `keys` names."""
        run = self.get_object()
        wanted = RetrySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            again = retry_run(
                run, wanted.validated_data.get("keys", ()), trigger=IngestionRun.Trigger.API
            )
        except NothingToRetry as error:
            raise Problem(409, "nothing_to_retry", str(error)) from error
        return Response(RunSerializer(again).data, status=202)
