"""All rows of all tables, and whether what changed in them is somebody's own."""

from dataclasses import dataclass
from typing import Any

from tests.campaigns.matrix.people import Person

# Written without anybody's doing, or for nobody's harm.
IGNORED = {
    "chat.apikey": {"last_used_at"}, "auth.user": {"last_login"},
    "documents.corpus": set(), "sessions.session": {"session_data", "expire_date"},
}  # fmt: skip
# Records of what happened: rows are added, none is changed.
RECORDS = {
    "documents.providerusage", "documents.allowance", "documents.auditentry",
    "documents.keptrequest", "sessions.session", "admin.logentry",
}  # fmt: skip
UNWATCHED = {"documents.audithead", "documents.providerusage", "documents.allowance"}

Rows = dict[tuple[str, str], tuple[Any, ...]]


@dataclass(frozen=True)
class Change:
    what: str  # added, changed, gone
    table: str
    pk: str
    row: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.what}: {self.table} {self.pk}"


def snapshot() -> Rows:
    from django.apps import apps

    rows: Rows = {}
    for model in apps.get_models():
        label = model._meta.label_lower
        if model._meta.proxy or label in UNWATCHED:
            continue
        names = columns(model)
        for row in model._base_manager.values_list("pk", *names):
            rows[label, str(row[0])] = tuple(
                bytes(value) if isinstance(value, memoryview) else value for value in row[1:]
            )
    return rows


def columns(model: Any) -> list[str]:
    ignored = IGNORED.get(model._meta.label_lower, set())
    return [field.attname for field in model._meta.concrete_fields if field.attname not in ignored]


def changes(before: Rows, after: Rows) -> list[Change]:
    found = []
    for key in before.keys() | after.keys():
        was, now = before.get(key), after.get(key)
        if was == now or str(was) == str(now):
            continue
        what = "added" if was is None else "gone" if now is None else "changed"
        found.append(Change(what, *key, row_of(key[0], now or was or ())))
    return found


def row_of(label: str, values: tuple[Any, ...]) -> dict[str, Any]:
    from django.apps import apps

    return dict(zip(columns(apps.get_model(label)), values, strict=True))


class Ownership:
    """Of rows: whose they are, by what they hang on."""

    def __init__(self, slugs: dict[str, str], owners: set[str]) -> None:
        """`slugs`: ids of corpora to the letters of their tenants; `owners`: all that are known."""
        self.slugs, self.owners = slugs, owners

    def is_theirs(self, change: Change, person: Person, rows: Rows) -> bool:
        if change.table in RECORDS and change.what == "added":
            return True
        if change.table == "sessions.session" and change.what == "gone":
            return True  # Django drops one whose account is suspended
        match change.table.partition(".")[2]:
            case "conversation":
                return self._owns(change.row["owner"], person)
            case "message" | "citation" | "claim" | "feedback":
                return self._owns(self._owner(change.row, rows), person)
            case "corpus":
                return self.slugs.get(str(change.row["id"])) in person.changes
            case "indexchange" | "chunk" | "chunkvector":
                return bool(person.changes)
            case _:
                return self._corpus(change.row, rows) in person.changes

    def _owns(self, owner: str, person: Person) -> bool:
        return owner == person.owner or (person.is_anybody and owner not in self.owners)

    def _owner(self, row: dict[str, Any], rows: Rows) -> str:
        if "message_id" in row:
            found = rows.get(("chat.message", str(row["message_id"])))
            return self._owner(row_of("chat.message", found), rows) if found else "gone"
        found = rows.get(("chat.conversation", str(row["conversation_id"])))
        return str(row_of("chat.conversation", found)["owner"]) if found else "gone"

    def _corpus(self, row: dict[str, Any], rows: Rows) -> str:
        if "corpus_id" in row:
            return self.slugs.get(str(row["corpus_id"]), "")
        for name, table in (
            ("run_id", "ingestion.ingestionrun"),
            ("source_id", "documents.source"),
        ):
            if name in row and (found := rows.get((table, str(row[name])))):
                return self._corpus(row_of(table, found), rows)
        return ""
