"""The rows of the audit log: a chain in which nothing can be changed without a trace.

The database itself refuses to change or remove entries (migration 0007). Each holds a hash over its
own values and the hash before it: who gets past the database still cannot change one unnoticed.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

BEGINNING = "0" * 64  # in place of the hash before the first entry
AT_ONCE = 1000  # rows in one query or transaction
PRUNED = "audit.pruned"


class AuditHead(models.Model):
    """One row: where the chain ends, and how far it may have been dropped from its old end."""

    number = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default=BEGINNING)
    pruned_to = models.PositiveBigIntegerField(default=0)
    pruned_hash = models.CharField(max_length=64, default=BEGINNING)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="audit_has_one_head")]

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    @transaction.atomic
    def append(self, **fields: Any) -> "AuditEntry":
        """One after the other, however many write: the row of the head is locked until the commit
        (PostgreSQL), or the whole database is (SQLite, whose transactions are immediate)."""
        head = _locked_head()
        entry = self.model(number=head.number + 1, **fields)
        entry.hash = entry.digest(after=head.hash)
        entry.save(force_insert=True)
        head.number, head.hash = entry.number, entry.hash
        head.save(update_fields=["number", "hash"])
        return entry

    def in_order(self, after: int = 0) -> Iterator["AuditEntry"]:
        """All later ones, read in pieces: a cursor would need a session of its own."""
        while some := list(self.filter(number__gt=after).order_by("number")[:AT_ONCE]):
            yield from some
            after = some[-1].number

    def drop_older_than(self, moment: datetime, **fields: Any) -> int:
        """Drop the old end of the chain, and put that on record in it; returns how many rows."""
        with transaction.atomic():
            head = _locked_head()
            older = self.filter(number__gt=head.pruned_to)
            if young := older.filter(at__gte=moment).order_by("number").first():
                older = older.filter(number__lt=young.number)
            if last := older.order_by("-number").first():
                head.pruned_to, head.pruned_hash = last.number, last.hash
                head.save(update_fields=["pruned_to", "pruned_hash"])
                told = {"to": last.number, "hash": last.hash}
                self.append(**fields, action=PRUNED, target="audit", details=told)
        # Not in that transaction: killed here, the next time finds what is left.
        gone = self.filter(number__lte=head.pruned_to).order_by("number")
        count = 0
        while some := list(gone.values_list("pk", flat=True)[:AT_ONCE]):
            count += self.filter(pk__in=some).delete()[0]
        return count


class AuditEntry(models.Model):
    """Somebody did something that somebody else may have to ask about."""

    number = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=50)
    by = models.CharField(
        max_length=120, help_text=_('"user:…", "key:…", "visitor:…", "anonymous" or "command".')
    )
    target = models.CharField(max_length=300)
    corpus = models.CharField(max_length=50, blank=True, help_text=_("Slug."))
    address = models.CharField(max_length=50, blank=True, help_text=_("The network: /24 or /48."))
    request_id = models.CharField(max_length=64, blank=True)
    details = models.JSONField(default=dict, blank=True)
    hash = models.CharField(max_length=64)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = _("audit log")
        indexes = [
            models.Index(fields=["action", "-number"], name="audit_action"),
            models.Index(fields=["at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.action}"

    def facts(self) -> dict[str, Any]:
        return {
            "number": self.number, "at": self.at.astimezone(UTC).isoformat(),
            "action": self.action, "by": self.by, "target": self.target, "corpus": self.corpus,
            "address": self.address, "request_id": self.request_id, "details": self.details,
        }  # fmt: skip

    def digest(self, after: str) -> str:
        """The hash that this entry has if `after` is that of the one before it."""
        return sha256(f"{after}\n{as_line(self.facts())}".encode()).hexdigest()


def as_line(facts: Mapping[str, Any]) -> str:
    """The same values in the same form always: it is hashed."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def _locked_head() -> AuditHead:
    locked = AuditHead.objects.select_for_update()
    if (head := locked.first()) is None:
        AuditHead.objects.get_or_create(pk=1)
        head = locked.get()
    return head


def faults() -> Iterator[str]:
    """What is wrong with the chain; nothing, unless somebody was at the rows."""
    head = AuditHead.objects.first() or AuditHead()
    number, known, dropped = head.pruned_to, head.pruned_hash, {"to": 0, "hash": BEGINNING}
    for entry in AuditEntry.objects.in_order(after=head.pruned_to):
        if entry.number != number + 1:
            yield f"Entries {number + 1} to {entry.number - 1} are missing."
        elif entry.hash != entry.digest(after=known):
            yield f"Entry {entry.number} was changed, or the one before it."
        number, known = entry.number, entry.hash
        if entry.action == PRUNED:
            dropped = entry.details
    end = AuditHead.objects.first() or AuditHead()  # entries may have been added meanwhile
    last = AuditEntry.objects.filter(number=end.number).values_list("hash", flat=True).first()
    if not head.number <= number <= end.number or (last or end.pruned_hash) != end.hash:
        yield f"The log ends at entry {number}; it should end at {head.number}."
    if dropped != {"to": head.pruned_to, "hash": head.pruned_hash}:
        yield f"Entries up to {head.pruned_to} were dropped without a record of it."
