"""Runs and what they did to each document; on record, not to be edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ingestion.models import IngestionItem, IngestionRun


class ItemInline(admin.TabularInline):
    model = IngestionItem
    fields = ["key", "outcome", "reason", "warnings", "chunks", "embedded", "attempts"]
    readonly_fields = tuple(fields)  # type: ignore[arg-type]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(IngestionRun)
class IngestionRunAdmin(admin.ModelAdmin):
    list_display = ["__str__", "status", "new", "changed", "removed", "failed", "started_at",
                    "finished_at"]  # fmt: skip
    list_filter = ["status", "source"]
    list_select_related = ["source"]
    inlines = [ItemInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display
    def new(self, run: IngestionRun) -> int:
        return run.counts.get("new", 0)

    @admin.display
    def changed(self, run: IngestionRun) -> int:
        return run.counts.get("changed", 0)

    @admin.display
    def removed(self, run: IngestionRun) -> int:
        return run.counts.get("removed", 0)

    @admin.display
    def failed(self, run: IngestionRun) -> int:
        return run.counts.get("failed", 0)
