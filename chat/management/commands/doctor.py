"""`manage.py doctor`: is each part reached that is configured, and if not, why?"""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from chat import diagnosis
from documents.diagnosis import cohere, database, installation, qdrant, redis
from documents.diagnosis.base import Finding, Probe, examine

PROBES: dict[str, Probe] = {
    "versions": installation.versions,
    "settings": installation.checks,
    "database": database.probe,
    "redis": redis.probe,
    "qdrant": qdrant.probe,
    "cohere": cohere.probe,
    "openrouter": diagnosis.openrouter,
    "openai": diagnosis.openai,
    "ledger": installation.ledger,
}
SIGNS = {"ok": " ok ", "warning": "WARN", "failed": "FAIL"}


class Command(BaseCommand):
    help = (
        "Ask each part that is configured whether it can be used. Exits with 1 if one cannot. "
        "Nothing is changed; Cohere is asked for its two models, which counts as two calls."
    )
    # The checks are one of the parts: an error among them must not keep the others from telling.
    requires_system_checks: list[Any] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        found = examine(PROBES)
        usable = all(finding.status != "failed" for part in found.values() for finding in part)
        if options["json"]:
            self.stdout.write(json.dumps({"usable": usable, "parts": as_json(found)}, indent=1))
        else:
            self._tell(found)
        if not usable:
            sys.exit(1)

    def _tell(self, found: dict[str, list[Finding]]) -> None:
        for part, findings in found.items():
            for finding in findings:
                self.stdout.write(f"{SIGNS[finding.status]}  {part:<11}{finding.says}")
                if finding.hint and finding.status != "ok":
                    self.stdout.write(f"{'':17}{finding.hint}")


def as_json(found: dict[str, list[Finding]]) -> dict[str, list[dict[str, str]]]:
    return {part: [asdict(finding) for finding in findings] for part, findings in found.items()}
