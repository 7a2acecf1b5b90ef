"""The witness: looks at every reply and every row, and says what is not as it ought to be."""

from collections.abc import Iterable

from asgiref.sync import sync_to_async

from tests.campaigns.matrix.calls import Call, Reply
from tests.campaigns.matrix.findings import Errors, Findings
from tests.campaigns.matrix.people import Person
from tests.campaigns.matrix.rows import Change, Ownership, Rows, changes, snapshot
from tests.campaigns.matrix.searches import Searches
from tests.campaigns.matrix.tenants import Tenant, Town

# Answers that say that something is wrong on our side, and are meant to.
MEANT = (501, 503)


class Witness:
    def __init__(
        self, town: Town, people: list[Person], errors: Errors, searches: Searches | None
    ) -> None:
        from chat.models import Conversation

        self.town, self.canaries, self.people = town, town.canaries, people
        self.errors, self.searches = errors, searches
        self.findings = Findings()
        self.seen: set[str] = set()
        owners = set(Conversation.objects.values_list("owner", flat=True))
        self.ownership = Ownership(town.letters, owners | {person.owner for person in people})
        self.rows: Rows = snapshot()

    def look(self, person: Person, call: Call, reply: Reply) -> None:
        self.saw(person, call.line, call.sent, reply.text)
        if reply.status >= 500 and reply.status not in MEANT:
            self.findings.add("server error", person.name, call.line, reply.text)
        if not reply.is_whole and not self.is_watching(call, person):
            self.findings.add("hung", person.name, call.line, reply.text)

    @staticmethod
    def is_watching(call: Call, person: Person) -> bool:
        """Their own answer that is still being written."""
        return call.path.endswith("/events/") and bool(person.grants)

    def saw(self, person: Person, line: str, sent: str, text: str) -> None:
        for told in self.errors.taken():
            self.findings.add("traceback", person.name, line, told)
        for told in self.searches.wrong(person, line) if self.searches else ():
            self.findings.add("wide search", person.name, line, told)
        canaries, grants = self.canaries, person.grants_at(line.partition(" ")[2])
        self.seen |= {w for w in canaries.seen_in(text) if canaries.may_see(w, grants)
                      and not person.reads_everything and w not in sent}  # fmt: skip
        if leaked := canaries.leaked_in(text, grants, sent):
            named = [f"{word} ({canaries.where(word)})" for word in sorted(leaked)[:3]]
            self.findings.add("leak", person.name, line, f"{named} in {text[:200]}")

    async def look_at_rows(self, person: Person) -> list[Change]:
        rows = await sync_to_async(snapshot)()
        changed = changes(self.rows, rows)
        for change in changed:
            both = {**self.rows, **rows}
            if not self.ownership.is_theirs(change, person, both):
                self.findings.add("written", person.name, str(change), str(change.row))
        self.rows = rows
        return changed

    def what_nobody_saw(self) -> None:
        """Of what somebody may see by other ways than the admin."""
        for person in self.people:
            if person.reads_everything or not person.owner:
                continue
            own = {f"owner:{person.owner}"} & person.grants
            for word in self.canaries.unseen(self.seen, own):
                self.unseen(person.name, word, "of their own conversation")
        tenants: Iterable[Tenant] = self.town.tenants.values()
        for tenant in tenants:
            for word in self.canaries.unseen(self.seen, {tenant.readers}):
                self.unseen(tenant.name, word, "of the corpus")
            if tenant.name != "p":
                for word in self.canaries.unseen(self.seen, {tenant.workers}):
                    self.unseen(tenant.name, word, "of its work")

    def unseen(self, who: str, word: str, what: str) -> None:
        self.findings.add("unseen", who, word, f"{what}, planted by {self.canaries.where(word)}")
