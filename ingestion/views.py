"""Read-only API: runs, and what they did to each document."""

from typing import Any

from rest_framework import generics, serializers
from rest_framework.exceptions import PermissionDenied

from ingestion.models import IngestionItem, IngestionRun


class ItemSerializer(serializers.ModelSerializer[IngestionItem]):
    class Meta:
        model = IngestionItem
        fields = ["key", "outcome", "reason", "warnings", "chunks", "embedded", "attempts"]


class RunSerializer(serializers.ModelSerializer[IngestionRun]):
    source = serializers.SlugField(source="source.slug")  # type: ignore[assignment]

    class Meta:
        model = IngestionRun
        fields = [
            "id", "source", "status", "counts", "error", "created_at", "started_at", "finished_at",
        ]  # fmt: skip


class RunDetailSerializer(RunSerializer):
    items = ItemSerializer(many=True)

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "items"]


class RunQuery:
    """Runs over sources of the caller's corpora; their errors name paths of this server."""

    request: Any

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return IngestionRun.objects.none()
        may_view = self.request.user.has_perm("ingestion.view_ingestionrun")
        if self.request.auth.kind != "key" and not may_view:
            raise PermissionDenied("Use an API key, or an account that may view ingestion runs.")
        runs = IngestionRun.objects.filter(source__corpus_id__in=self.request.auth.corpora)
        return runs.select_related("source")


class RunList(RunQuery, generics.ListAPIView[IngestionRun]):
    """Ingestion runs, newest first."""

    serializer_class = RunSerializer


class RunDetail(RunQuery, generics.RetrieveAPIView[IngestionRun]):
    """One ingestion run with its items."""

    serializer_class = RunDetailSerializer

    def get_queryset(self) -> Any:
        return super().get_queryset().prefetch_related("items")
