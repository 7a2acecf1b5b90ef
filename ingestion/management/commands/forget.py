"""`manage.py forget`: delete documents for good, and show what is left of them."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from documents.deletion import Receipt, delete_keys, delete_sources
from documents.models import Source
from ingestion.sources import named_source

BY = "manage.py forget"


class Command(BaseCommand):
    help = (
        "Delete documents of a source, or with --all the source itself, from the database, the "
        "index and the disk. Exit code 1: something is left, and the receipt says what."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="its slug")
        parser.add_argument("keys", nargs="*", help="keys of documents, as the admin shows them")
        parser.add_argument("--all", action="store_true", help="the source, with all it has")
        parser.add_argument("--json", action="store_true", help="the receipt as one JSON object")

    def handle(self, *, source: str, keys: list[str], **options: Any) -> None:
        found = named_source(source)
        if found is None:
            raise CommandError(f'There is no source "{source}"; the admin lists them.')
        if bool(keys) == options["all"]:
            raise CommandError("Say which documents, or --all for the source itself.")
        receipt = delete_sources([found], by=BY) if options["all"] else self._forget(found, keys)
        as_json = json.dumps(receipt.as_dict(), ensure_ascii=False)
        self.stdout.write(as_json if options["json"] else str(receipt))
        if not receipt.complete:
            sys.exit(1)

    def _forget(self, source: Source, keys: list[str]) -> Receipt:
        """All of them or none: a mistyped key must not pass for a deletion."""
        known = {
            *source.documents.filter(key__in=keys).values_list("key", flat=True),
            *source.uploads.filter(key__in=keys).values_list("key", flat=True),
        }
        if unknown := sorted(set(keys) - known):
            raise CommandError(f"{source} has no document {', '.join(unknown)}. Nothing was done.")
        return delete_keys(source, keys, by=BY)
