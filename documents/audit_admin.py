"""Admin of the audit log: to read and to search. Nobody changes it here, nor anywhere else."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from documents.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):
    list_display = ["number", "at", "action", "by", "target", "corpus", "address", "what"]
    list_filter = ["action", "at", "corpus"]
    search_fields = ["by__exact", "target__startswith", "request_id__exact"]
    search_help_text = _("Who (user:5), what (source:handbook), or the id of a request.")
    show_full_result_count = False
    actions = None

    @admin.display(description=_("details"))
    def what(self, entry: AuditEntry) -> str:
        text = json.dumps(entry.details) if entry.details else ""
        return text if len(text) <= 200 else f"{text[:200]}…"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
