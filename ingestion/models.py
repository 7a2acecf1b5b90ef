"""The truth about work: one row for a run over a source, one for each document it touched."""

from collections.abc import Mapping
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from documents.models import Source


class IngestionRunQuerySet(models.QuerySet["IngestionRun"]):
    def unfinished(self) -> "IngestionRunQuerySet":
        return self.filter(status__in=IngestionRun.UNFINISHED)


class IngestionRun(models.Model):
    """Somebody wants a source read. Whichever process holds the source's lease does it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        WAITING = "waiting", _("waiting for another attempt")
        SUCCEEDED = "succeeded", _("succeeded")
        INCOMPLETE = "incomplete", _("some documents failed")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    class Trigger(models.TextChoices):
        COMMAND = "command", _("command")
        ADMIN = "admin", _("admin")
        API = "api", _("API")
        SCHEDULE = "schedule", _("schedule")

    UNFINISHED = (Status.QUEUED, Status.RUNNING, Status.WAITING)

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="runs")
    status = models.CharField(max_length=20, choices=Status, default=Status.QUEUED)
    trigger = models.CharField(max_length=20, choices=Trigger, default=Trigger.COMMAND)
    only = models.JSONField(
        default=list, blank=True, help_text=_("Keys of the documents to read; empty: all of them.")
    )
    allow_mass_delete = models.BooleanField(default=False)
    cancel_requested = models.BooleanField(default=False)
    counts = models.JSONField(default=dict, blank=True)
    total = models.PositiveIntegerField(null=True, blank=True, help_text=_("Documents to look at."))
    error = models.TextField(blank=True)
    warnings = models.JSONField(default=list, blank=True)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text=_("How often a process took it up.")
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = IngestionRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(
                fields=["status"],
                name="run_unfinished",
                condition=Q(status__in=["queued", "running", "waiting"]),
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "queued", "running", "waiting", "succeeded", "incomplete", "failed",
                        "cancelled",
                    ]
                ),
                name="run_status_known",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.source} #{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.status not in self.UNFINISHED

    def start(self) -> None:
        """Taken up, for the first time or again."""
        self.status, self.error, self.next_attempt_at = self.Status.RUNNING, "", None
        self.attempts += 1
        self.heartbeat_at = timezone.now()
        self.started_at = self.started_at or self.heartbeat_at
        self.save(
            update_fields=[
                "status", "error", "next_attempt_at", "attempts", "heartbeat_at", "started_at",
            ]
        )  # fmt: skip

    def wait(self, seconds: float, counts: Mapping[str, int], error: str) -> None:
        """Not done, not failed: whoever looks for work takes it up again after that time."""
        self.status, self.counts, self.error = self.Status.WAITING, dict(counts), error
        self.heartbeat_at = timezone.now()
        self.next_attempt_at = self.heartbeat_at + timedelta(seconds=seconds)
        self.save(
            update_fields=[
                "status", "counts", "error", "attempts", "heartbeat_at", "next_attempt_at",
            ]
        )  # fmt: skip

    def settle_waiting_items(self) -> None:
        """Nobody will try them again, as the run is about to end."""
        waiting = self.items.filter(outcome=IngestionItem.Outcome.WAITING)
        waiting.update(outcome=IngestionItem.Outcome.FAILED, next_attempt_at=None)

    def finish(self, status: "IngestionRun.Status", counts: Mapping[str, int], error: str) -> None:
        self.settle_waiting_items()
        self.status, self.counts, self.error = status, dict(counts), error
        self.finished_at = self.heartbeat_at = timezone.now()
        self.next_attempt_at = None
        self.save(
            update_fields=[
                "status", "counts", "error", "finished_at", "heartbeat_at", "next_attempt_at",
            ]
        )  # fmt: skip


class IngestionItem(models.Model):
    """What a run did to one document, and why. Unchanged documents are only counted."""

    class Outcome(models.TextChoices):
        NEW = "new", _("new")
        CHANGED = "changed", _("changed")
        REMOVED = "removed", _("removed")
        SKIPPED = "skipped", _("skipped")
        WAITING = "waiting", _("waiting for another attempt")
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
                condition=Q(
                    outcome__in=["new", "changed", "removed", "skipped", "waiting", "failed"]
                ),
                name="item_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.outcome}"


class Lease(models.Model):
    """Who may write to a source. The token rises with every holder: an old one is recognised."""

    source = models.OneToOneField(
        Source, on_delete=models.CASCADE, primary_key=True, related_name="lease"
    )
    holder = models.CharField(max_length=100, blank=True)  # empty: nobody
    token = models.PositiveBigIntegerField(default=0)
    place = models.CharField(
        max_length=200, blank=True, help_text=_("Where process numbers count.")
    )
    process = models.PositiveBigIntegerField(null=True, blank=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.source}: {self.holder or 'free'}"
