"""`manage.py audit verify | export | prune`: the audit log, for whoever has to rely on it."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

from documents.audit import prune, record
from documents.models import AuditEntry, AuditHead
from documents.trail import as_line, faults


class Command(BaseCommand):
    help = "Check the audit log for changes, write it out as JSON lines, or drop its old end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        verify = what.add_parser("verify", help="Exit code 1 if anything was changed or removed.")
        verify.add_argument(
            "--link", action="append", default=[], metavar="NUMBER:HASH",
            help="An end that an earlier verify told: it must still be in the chain.",
        )  # fmt: skip
        export = what.add_parser("export", help="Every entry on a line of its own, to stdout.")
        export.add_argument("--since", type=moment, help="2026-11-30 or 2026-11-30T12:00:00Z")
        what.add_parser("prune", help="Drop entries older than AUDIT_RETENTION_DAYS.")

    def handle(self, *, what: str, **options: Any) -> None:
        match what:
            case "verify":
                self._verify(options["link"])
            case "export":
                self._export(options["since"])
            case "prune":
                self.stdout.write(f"{prune()} entries dropped.")

    def _verify(self, links: list[str]) -> None:
        found = [*faults(), *_lost(links)]
        for fault in found:
            self.stderr.write(fault)
        if found:
            raise CommandError("The audit log is not as it was written.")
        head = AuditHead.objects.first() or AuditHead()
        count = head.number - head.pruned_to
        self.stdout.write(f"{count} entries, unchanged. Keep this end elsewhere: {head}")

    def _export(self, since: datetime | None) -> None:
        last = record("audit.exported", target="audit")
        entries = AuditEntry.objects.filter(number__lte=last.number)
        for entry in (entries.filter(at__gte=since) if since else entries).in_order():
            self.stdout.write(as_line({**entry.facts(), "hash": entry.hash}))


def _lost(links: list[str]) -> list[str]:
    pruned_to = AuditHead.objects.values_list("pruned_to", flat=True).first() or 0
    lost = []
    for link in links:
        number, _colon, expected = link.partition(":")
        if not number.isdecimal():
            raise CommandError(f"{link} is no link; verify tells them as NUMBER:HASH.")
        kept = AuditEntry.objects.filter(number=number, hash=expected)
        if int(number) > pruned_to and not kept.exists():
            lost.append(f"The link {link} is not in the chain: it was written anew.")
    return lost


def moment(text: str) -> datetime:
    found = parse_datetime(text if "T" in text else f"{text}T00:00:00Z")
    if found is None:
        raise ValueError(text)
    return make_aware(found) if is_naive(found) else found
