"""`manage.py person export | delete WHO`: what is stored about one person."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from chat.people import NobodyKnown, deleted, exported, owner_named


class Command(BaseCommand):
    help = "Hand over or remove all that is stored about one person, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        for name, told in (("export", "Write it out."), ("delete", "Remove it; tells a receipt.")):
            command = what.add_parser(name, help=told)
            command.add_argument(
                "who", help="user:ID, key:PREFIX, visitor:ID, a user name or an e-mail address"
            )
            if name == "delete":
                command.add_argument(
                    "--keep-account", action="store_true", help="Only what was asked and answered."
                )

    def handle(self, *, what: str, who: str, **options: Any) -> None:
        try:
            owner = owner_named(who)
        except NobodyKnown as error:
            raise CommandError(str(error)) from error
        if what == "export":
            told = exported(owner)
        else:
            told = deleted(owner, keep_account=options["keep_account"]).as_dict()
        text = json.dumps(told, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
        self.stdout.write(text)
        if told.get("left"):
            raise CommandError("Something is left; try again.")
