"""The truth about work: one row for a run over a source, one for each document it touched."""

from collections.abc import Mapping
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from documents.models import Source

SILENCE = timedelta(minutes=10)


class IngestionRun(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        INCOMPLETE = "incomplete", _("some documents failed")
        FAILED = "failed", _("failed")

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="runs")
    status = models.CharField(max_length=20, choices=Status, default=Status.QUEUED)
    counts = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "succeeded", "incomplete", "failed"]),
                name="run_status_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} #{self.pk}"

    def start(self) -> None:
        """Begin; runs over the same source that have been silent for long are declared dead."""
        silent = timezone.now() - SILENCE
        IngestionRun.objects.filter(
            source=self.source, status=self.Status.RUNNING, heartbeat_at__lt=silent
        ).update(status=self.Status.FAILED, error="It stopped without a word.", finished_at=silent)
        self.status = self.Status.RUNNING
        self.started_at = self.heartbeat_at = timezone.now()
        self.save(update_fields=["status", "started_at", "heartbeat_at"])

    def finish(self, status: "IngestionRun.Status", counts: Mapping[str, int], error: str) -> None:
        self.status, self.counts, self.error = status, dict(counts), error
        self.finished_at = self.heartbeat_at = timezone.now()
        self.save(update_fields=["status", "counts", "error", "finished_at", "heartbeat_at"])


class IngestionItem(models.Model):
    """What a run did to one document, and why. Unchanged documents are only counted."""

    class Outcome(models.TextChoices):
        NEW = "new", _("new")
        CHANGED = "changed", _("changed")
        REMOVED = "removed", _("removed")
        SKIPPED = "skipped", _("skipped")
        FAILED = "failed", _("failed")

    run = models.ForeignKey(IngestionRun, on_delete=models.CASCADE, related_name="items")
    key = models.CharField(max_length=500)
    outcome = models.CharField(max_length=20, choices=Outcome)
    reason = models.TextField(blank=True)
    warnings = models.JSONField(default=list, blank=True)
    chunks = models.PositiveIntegerField(default=0)
    embedded = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=1)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="item_key_once_per_run"),
            models.CheckConstraint(
                condition=Q(outcome__in=["new", "changed", "removed", "skipped", "failed"]),
                name="item_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.outcome}"
