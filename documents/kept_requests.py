"""The rows behind `Idempotency-Key`: which requests were seen, and what they were answered."""

import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

KEPT = timedelta(hours=24)
# A request that has not ended after so long died with its process.
LONGEST = timedelta(minutes=5)
PURGED_AT_ONCE = 100


class KeptRequestQuerySet(models.QuerySet["KeptRequest"]):
    def claim(self, digest: str, fingerprint: str) -> tuple["KeptRequest", bool]:
        """The row of this request, and whether it is new. A unique constraint decides a race."""
        while True:
            with suppress(IntegrityError), transaction.atomic():
                return self.create(digest=digest, fingerprint=fingerprint), True
            if kept := self.filter(digest=digest).first():
                return kept, False
            # It was given back just now, and may be somebody else's again by the next look.

    def purge(self) -> int:
        """Remove some of those that are over; every new one does, so that none stay for long."""
        some = self.over(timezone.now()).values_list("pk", flat=True)[:PURGED_AT_ONCE]
        return self.filter(pk__in=list(some)).delete()[0]

    def over(self, now: datetime) -> "KeptRequestQuerySet":
        return self.filter(created_at__lt=now - KEPT)


class KeptRequest(models.Model):
    """No text of a question or an answer is in here: those are read from their message."""

    digest = models.CharField(
        max_length=64, unique=True, help_text=_("Of who asks, the method, the path and the key.")
    )
    fingerprint = models.CharField(max_length=64, help_text=_("Of the body, with its files."))
    target = models.UUIDField(
        default=uuid.uuid4, db_index=True, help_text=_("What it makes, where that can be chosen.")
    )
    status = models.PositiveSmallIntegerField(null=True, help_text=_("Null: it is still at work."))
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = KeptRequestQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.digest[:8]} {self.status or 'at work'}"

    @property
    def is_forgotten(self) -> bool:
        return timezone.now() - self.created_at > KEPT

    @property
    def is_abandoned(self) -> bool:
        """It was at work, and its process is not any more."""
        return self.status is None and timezone.now() - self.created_at > LONGEST

    def give_back(self) -> bool:
        """False: somebody else has it by now."""
        mine = KeptRequest.objects.filter(pk=self.pk, created_at=self.created_at)
        return bool(mine.delete()[0])

    def answer_with(self, status: int, headers: dict[str, str], body: Any) -> None:
        KeptRequest.objects.filter(pk=self.pk).update(
            status=status, headers=headers, body=body, target=self.target
        )
