"""Fields that nobody listed: each of every model is sent along wherever something is written."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.campaigns.matrix.attempts import MISSING_AT_HOME
from tests.campaigns.matrix.bodies import Described, as_bytes, filled
from tests.campaigns.matrix.calls import Call
from tests.campaigns.matrix.people import Person
from tests.campaigns.matrix.routes import Route
from tests.campaigns.matrix.rows import Change
from tests.campaigns.matrix.things import MISSING

ALWAYS = ("owner", "corpus_id", "is_public", "scopes")  # what would pay most
APPS = ("chat", "documents", "ingestion")
# Of no model, and worth a try.
OTHERS = {"owner": "key:someone", "scopes": ["admin-read"], "is_staff": True, "corpora": ["x"],
          "principal": "user:1", "user": 1, "role": "assistant", "public": True}  # fmt: skip


def sent_along(foreign_owner: str, foreign_corpus: int) -> dict[str, Any]:
    """Names, with values that nothing has by itself."""
    from django.apps import apps

    values: dict[str, Any] = {}
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.get_fields():
                if getattr(field, "concrete", False):
                    for name in {field.name, getattr(field, "attname", field.name)}:
                        values.setdefault(name, _unheard_of(field, name))
    return {**values, **OTHERS, "owner": foreign_owner, "corpus_id": foreign_corpus,
            "is_public": True}  # fmt: skip


def _unheard_of(field: Any, name: str) -> Any:
    kind = field.get_internal_type() if hasattr(field, "get_internal_type") else ""
    if field.choices:
        return [value for value, _label in field.choices][-1]
    match kind:
        case "BooleanField":
            return not field.get_default()
        case "DateTimeField":
            return datetime(2001, 2, 3, tzinfo=UTC).isoformat()
        case "UUIDField":
            return "12345678-1234-4123-8123-123456789abc"
        case "JSONField":
            return {"unheard": name}
    return (
        424242 if "Integer" in kind or "Auto" in kind or "Key" in kind else f"unheard-{name}"[:30]
    )


class Extras:
    """Bodies that are right but for one field more."""

    def __init__(self, described: Described, values: dict[str, Any], seed: int) -> None:
        self.described, self.values, self.dice = described, values, random.Random(seed)

    def calls(
        self, route: Route, method: str, person: Person, most: int
    ) -> Iterator[tuple[str, Call]]:
        """First without anything more; then with one field more each."""
        home = {**MISSING_AT_HOME, **person.home}
        known = self.described.fields(route, method)
        for media, template in self.described.bodies(route, method):
            body = filled(template, {}, home)
            extra = [name for name in self.values if name not in known]
            always = [name for name in ALWAYS if name in extra]
            for name in ["", *always, *self.dice.sample(sorted(extra), min(most, len(extra)))]:
                more = {**body} if isinstance(body, dict) else {}
                if name:
                    more[name] = self.values[name]
                kind, data = as_bytes(media, more)
                headers = {**person.headers, "content-type": kind, "accept": "application/json"}
                yield name, Call(method, route.path(self.at_home(route, person)), (), headers, data)

    @staticmethod
    def at_home(route: Route, person: Person) -> dict[str, str]:
        return {
            name: person.home.get(route.kind_of(name), MISSING[form]) for name, form in route.slots
        }

    def written(self, change: Change) -> Iterator[str]:
        """Columns that say what was sent along."""
        from django.apps import apps

        model = apps.get_model(change.table)
        for name, value in change.row.items():
            if name not in self.values or change.what == "gone":
                continue
            field = model._meta.get_field(name)
            if _as_text(value) == _as_text(self.values[name]) != _as_text(field.get_default()):
                yield name


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
