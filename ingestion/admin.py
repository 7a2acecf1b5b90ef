"""Runs, live while they last, and what they did to each document; on record, not to be edited."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from ingestion.models import IngestionItem, IngestionRun
from ingestion.progress import watched_progress
from ingestion.steering import NothingToRetry, cancel_run, retry_run
from ingestion.watching import COUNTED, run_id_of, sight, sight_of, sight_of_row, token_for

ITEMS_SHOWN = 200
TROUBLED = (IngestionItem.Outcome.FAILED, IngestionItem.Outcome.WAITING)
Status = IngestionRun.Status


class OnRecord(admin.ModelAdmin):
    """Gone only together with its source."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@require_GET
def watch(request: HttpRequest, token: str) -> HttpResponse:
    """How far a run is. The token stands for the permission: neither the session nor the user is
    looked up, and while the run is at work its row is not, either."""
    run_id = run_id_of(token)
    if run_id is None:
        return JsonResponse({}, status=403)
    seen = sight_of(run_id)
    headers = {"Cache-Control": "no-store"}
    return JsonResponse(seen or {}, status=200 if seen else 404, headers=headers)


@admin.register(IngestionRun)
class IngestionRunAdmin(OnRecord):
    change_form_template = "ingestion/run.html"
    list_display = ["__str__", "status", "trigger", "new", "changed", "removed", "failed",
                    "started_at", "finished_at"]  # fmt: skip
    list_filter = ["status", "trigger", "source"]
    list_select_related = ["source"]
    search_fields = ["source__slug", "error"]
    fields = ["source", "status", "trigger", "warnings", "only", "allow_mass_delete", "attempts",
              "created_at", "started_at", "heartbeat_at", "finished_at",
              "next_attempt_at"]  # fmt: skip

    def get_urls(self) -> list[Any]:
        inside = self.admin_site.admin_view
        cancel, retry = require_POST(self.cancel), require_POST(self.retry)
        return [
            path("watch/<str:token>/", watch, name="ingestion_ingestionrun_watch"),
            path("<int:pk>/cancel/", inside(cancel), name="ingestion_ingestionrun_cancel"),
            path("<int:pk>/retry/", inside(retry), name="ingestion_ingestionrun_retry"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = IngestionRun.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        if run is not None:
            extra_context = {**(extra_context or {}), **self._live(request, run)}
        return super().change_view(request, object_id, form_url, extra_context)

    def _live(self, request: HttpRequest, run: IngestionRun) -> dict[str, Any]:
        troubled = run.items.filter(outcome__in=TROUBLED)
        failed = troubled.filter(outcome=IngestionItem.Outcome.FAILED).exists()
        watched = None if run.is_finished else watched_progress(run.pk)
        shown = sight(watched) if watched else sight_of_row(run)
        labels = dict(IngestionItem.Outcome.choices) | {
            "unchanged": _("unchanged"), "waiting": _("waiting"),
        }  # fmt: skip
        return {
            "sight": shown,
            "bar_max": max(shown["total"] or shown["done"], 1),
            "counted": [(name, labels[name], shown["texts"][name]) for name in COUNTED],
            "watch_address": reverse(
                "admin:ingestion_ingestionrun_watch", args=[token_for(run.pk)]
            ),
            "items": list(troubled.order_by("outcome", "pk")[:ITEMS_SHOWN]),
            "troubled": troubled.count(),
            "may_change": request.user.has_perm("ingestion.change_ingestionrun"),
            "has_failed": failed,
            "may_retry": failed or run.status in (Status.FAILED, Status.CANCELLED),
        }

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self._to_steer(request, pk)
        if cancel_run(run):
            messages.success(request, _("Cancelled; a run at work stops at its next document."))
        else:
            messages.warning(request, _("It was finished already."))
        return self._page(run)

    def retry(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self._to_steer(request, pk)
        try:
            again = retry_run(run, request.POST.getlist("key"), trigger=IngestionRun.Trigger.ADMIN)
        except NothingToRetry as error:
            messages.warning(request, str(error))
            return self._page(run)
        messages.success(request, _("Queued: this is the run that tries again."))
        return self._page(again)

    def _to_steer(self, request: HttpRequest, pk: int) -> IngestionRun:
        if not request.user.has_perm("ingestion.change_ingestionrun"):
            raise PermissionDenied
        return get_object_or_404(IngestionRun.objects.select_related("source"), pk=pk)

    def _page(self, run: IngestionRun) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:ingestion_ingestionrun_change", args=[run.pk]))

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


@admin.register(IngestionItem)
class IngestionItemAdmin(OnRecord):
    """What runs did to documents, page by page."""

    list_display = ["key", "run", "outcome", "reason", "attempts", "next_attempt_at"]
    list_filter = ["outcome", "run__source"]
    list_select_related = ["run__source"]
    search_fields = ["key"]
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[IngestionItem]:
        return super().get_queryset(request).order_by("-pk")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Asked for by the pages that delete a run or a source.
        return "/ingestionitem/" not in request.path and super().has_delete_permission(request, obj)
