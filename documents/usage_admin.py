"""Admin of the ledger: what providers were asked for, what is left, and when it begins anew."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from documents.budgets import are_hard
from documents.models import ProviderUsage
from documents.quotas import lookups, standings


@admin.register(ProviderUsage)
class ProviderUsageAdmin(admin.ModelAdmin):
    """On record, not to be edited. Keys are told apart by a hash; none is shown."""

    change_list_template = "documents/provider_usage.html"
    list_display = ["day", "provider", "operation", "model", "calls", "failed", "inputs",
                    "tokens_in", "tokens_out", "cost", "key"]  # fmt: skip
    list_filter = ["provider", "operation", "day"]
    search_fields = ["model"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if self.has_view_permission(request):
            about = {
                "standings": standings(), "budgets_are_hard": are_hard(), "lookups": lookups()
            }  # fmt: skip
            extra_context = {**(extra_context or {}), **about}
        return super().changelist_view(request, extra_context)
