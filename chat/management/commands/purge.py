"""`manage.py purge`: remove what is past its time. Once a day is enough, and twice does no harm."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from chat.retention import purge


class Command(BaseCommand):
    help = "Remove conversations, sessions and audit entries that are past their time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say how much would go.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        would = "to remove" if dry_run else "removed"
        for kind, count in purge(dry_run=dry_run).items():
            self.stdout.write(f"{kind}: {count} {would}")
