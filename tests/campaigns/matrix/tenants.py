"""Two tenants and a public corpus: whatever can be stored of each, with canaries in it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from tests.campaigns.matrix.canaries import Canaries
from tests.campaigns.matrix.things import Thing

QUESTION = "How often does the lamp turn?"
PAGE = """# The lamp of {0}

The lamp of this lighthouse turns once in twelve seconds, as the log {1} of the keeper says.

## Colours

It shines white towards the open sea, and red over the rocks of {2}.
"""
ADDRESS_OF_DOCUMENTS = "document://{corpus}/{id}"  # for assistants; a test compares
BACKUP = "# Backups of {0}\n\nThe log is copied every night at three o'clock, writes {1}.\n"


@dataclass
class Tenant:
    """A corpus, and what belongs to it. `readers` and `workers` are grants."""

    name: str
    corpus: Any
    home: dict[str, str] = field(default_factory=dict)

    @property
    def readers(self) -> str:
        return f"corpus:{self.name}"

    @property
    def workers(self) -> str:
        return f"work:{self.name}"


class Town:
    """All that there is, and what each id of it names."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.canaries = Canaries(self.dice)
        self.things: list[Thing] = []
        self.running: list[tuple[UUID, UUID, str]] = []  # conversation, answer, words so far

    def build(self) -> "Town":
        from documents.models import Corpus

        if not Corpus.objects.exists():
            spread_ids()
        self.tenants = {name: self.settle(name) for name in ("a", "b", "p")}
        for kind in ("corpus", "source", "document", "chunk", "run", "upload"):
            missing = [t.name for t in self.tenants.values() if kind not in t.home]
            assert not missing, (kind, missing)
        return self

    @property
    def letters(self) -> dict[str, str]:
        """Ids of corpora to the names of their tenants."""
        return {str(tenant.corpus.pk): tenant.name for tenant in self.tenants.values()}

    def add(self, kind: str, form: str, value: Any, *grants: str, **beside: str) -> None:
        text = str(value)
        self.things.append(Thing(kind, form, text, frozenset(grants), tuple(beside.items())))
        if form == "uuid":
            self.canaries.know(text, *grants)

    def of_form(self, form: str) -> list[Thing]:
        return [thing for thing in self.things if thing.form == form]

    # --- A tenant's content

    def settle(self, name: str) -> Tenant:
        from django.core.management import call_command

        from documents.models import Corpus

        readers, workers = f"corpus:{name}", f"work:{name}"
        plant = self.canaries.plant
        slug = f"{plant(readers, workers, f'name:{name}')}-corpus"
        with TemporaryDirectory() as place:
            for page in ("lamp", "backup"):
                words = [plant(readers) for _ in range(3 if page == "lamp" else 2)]
                text = (PAGE if page == "lamp" else BACKUP).format(*words)
                (Path(place) / f"{page}-{plant(readers, workers)}.md").write_text(text)
            call_command("ingest", place, corpus=slug, public=name == "p", stdout=StringIO())
        corpus = Corpus.objects.get(slug=slug)
        Corpus.objects.filter(pk=corpus.pk).update(name=f"The {plant(readers, workers)} manual")
        tenant = Tenant(name, corpus, {"corpus": slug})
        self.add("corpus", "slug", slug, readers, workers, f"name:{name}")
        self.add("corpus", "int", corpus.pk, workers)
        self.sources_of(tenant)
        self.documents_of(tenant)
        self.work_of(tenant)
        self.questions_of(tenant)
        return tenant

    def sources_of(self, tenant: Tenant) -> None:
        from django.core.files.base import ContentFile
        from django.core.management import call_command

        from documents import uploads
        from documents.models import Source, Tombstone
        from ingestion.worker import queue_run

        plant, both = self.canaries.plant, (tenant.readers, tenant.workers)
        folder = Source.objects.get(corpus=tenant.corpus)
        Source.objects.filter(pk=folder.pk).update(
            slug=f"{plant(*both)}-folder", location=f"/srv/{plant(tenant.workers)}",
            options={"note": plant()},
        )  # fmt: skip
        shelf = Source.objects.create(
            corpus=tenant.corpus, kind=Source.Kind.UPLOAD, slug=f"{plant(*both)}-shelf",
            location=plant(tenant.workers),
        )  # fmt: skip
        name = f"plan-{plant(*both)}.md"
        words = plant(tenant.readers), plant(tenant.readers)
        file = ContentFile(BACKUP.format(*words).encode(), name=name)
        with uploads.storing(shelf, [file], by=plant()):
            run = queue_run(shelf, trigger="api", only=[name])
        call_command("ingest", shelf.slug, stdout=StringIO())
        Tombstone.objects.create(source=shelf, key=f"gone-{plant()}", deleted_by=plant())
        tenant.home |= {"upload": name, "run": str(run.pk)}
        for source in tenant.corpus.sources.all():
            self.add("source", "slug", source.slug, *both)
            self.add("source", "int", source.pk, tenant.workers)
            tenant.home["source" if source.pk != folder.pk else "folder"] = source.slug
        tenant.home["shelf"] = shelf.slug

    def documents_of(self, tenant: Tenant) -> None:
        from documents.models import Chunk, Document

        plant, readers = self.canaries.plant, tenant.readers
        for document in Document.objects.filter(corpus=tenant.corpus).select_related("source"):
            Document.objects.filter(pk=document.pk).update(
                url=f"/read/{document.source.slug}/{document.key}",
                title=f"{document.title} {plant(readers)}",
                authors=[plant(readers)],
                doi=f"10.1000/{plant(readers)}",
                trust_reason=plant(),
                memory={"etag": plant()},
            )
            self.add("document", "int", document.pk, readers)
            both = (readers, tenant.workers)
            self.add("document", "path", document.key, *both, source=document.source.slug)
            address = f"/read/{document.source.slug}/{document.key}"
            self.add("document", "url", address, readers)
            uri = ADDRESS_OF_DOCUMENTS.format(corpus=tenant.corpus.slug, id=document.pk)
            self.add("document", "uri", uri, readers)
            tenant.home |= {"document": str(document.pk), "page": address, "key": document.key}
        for upload in document.source.uploads.all():
            self.add("upload", "int", upload.pk)
        for chunk in Chunk.objects.filter(document__corpus=tenant.corpus):
            self.add("chunk", "uuid", chunk.pk, readers)
            self.add("chunk", "text", " ".join(chunk.text.split())[:300], readers)
            tenant.home["chunk"] = str(chunk.pk)

    def work_of(self, tenant: Tenant) -> None:
        from ingestion.models import IngestionItem, IngestionRun

        plant, workers = self.canaries.plant, tenant.workers
        for run in IngestionRun.objects.filter(source__corpus=tenant.corpus):
            IngestionRun.objects.filter(pk=run.pk).update(
                error=plant(workers), warnings=[plant(workers)]
            )
            IngestionItem.objects.create(
                run=run, key=f"lost-{plant(workers)}.md", outcome="failed", reason=plant(workers)
            )
            self.add("run", "int", run.pk, workers)
            for item in run.items.all():
                self.add("item", "int", item.pk)
            tenant.home["run"] = str(run.pk)

    def questions_of(self, tenant: Tenant) -> None:
        """Sets for evaluation: only the admin has them."""
        from chat.models import Question, QuestionSet

        plant = self.canaries.plant
        made = QuestionSet.objects.create(slug=f"{plant()}-set", corpus=tenant.corpus)
        Question.objects.create(
            question_set=made, key=plant(), question=plant(), answer_page=plant(),
            key_facts=[plant()],
        )  # fmt: skip
        self.add("questionset", "int", made.pk)
        self.add("questionset", "slug", made.slug)

    # --- What one person has said and heard

    def talk(self, owner: str, tenant: Tenant, *, is_running: bool = False) -> dict[str, str]:
        """A conversation of this owner; returns the ids of its parts, by kind."""
        from chat.models import Citation, Claim, Conversation, Feedback, Message
        from documents.models import Chunk

        plant, grant = self.canaries.plant, f"owner:{owner}"
        chunk = Chunk.objects.filter(document__corpus=tenant.corpus).first()
        talk = Conversation.objects.create(
            corpus=tenant.corpus, owner=owner, title=f"About {plant(grant)}"
        )
        asked = Message.objects.create(
            conversation=talk, role="user", text=f"{QUESTION} {plant(grant)}"
        )
        words = f"Once in twelve seconds {plant(grant)} [1]."
        answer = Message.objects.create(
            conversation=talk, role="assistant", text=words, outcome="answered", model="quotes",
            trace={"query": plant(), "nearest": [], "copied": [], "degraded": []},
        )  # fmt: skip
        Citation.objects.create(
            message=answer, number=1, chunk=chunk, title=plant(grant), heading_path=[plant(grant)],
            url=f"/read/{plant(grant)}", link=f"/read/{plant(grant)}#:~:text=lamp",
            quote=plant(grant), quote_start=0, quote_end=14, text_hash=chunk.text_hash,
            trust_tier="official",
        )  # fmt: skip
        Claim.objects.create(
            message=answer, position=0, start=0, end=len(words), verdict="supported",
            citation_number=1, reason=plant(grant),
        )  # fmt: skip
        Feedback.objects.create(message=answer, rating=1, comment=plant(grant))
        self.add("conversation", "uuid", talk.pk, grant)
        self.add("question", "uuid", asked.pk, grant)
        self.add("message", "uuid", answer.pk, grant)
        if is_running:
            other = Message.objects.create(
                conversation=talk, role="assistant", status="streaming", process="elsewhere"
            )
            self.add("message", "uuid", other.pk, grant)
            self.running.append((talk.pk, other.pk, f"It turns {plant(grant)} "))
        return {"conversation": str(talk.pk), "question": str(asked.pk), "message": str(answer.pk)}

    def desk(self, owner: str, tenant: Tenant) -> dict[str, str]:
        """A conversation to ask in, that is nobody's secret."""
        from chat.models import Conversation, Message

        talk = Conversation.objects.create(corpus=tenant.corpus, owner=owner)
        asked = Message.objects.create(conversation=talk, role="user", text=QUESTION)
        answer = Message.objects.create(
            conversation=talk, role="assistant", text="Often.", outcome="answered"
        )
        return {"conversation": str(talk.pk), "question": str(asked.pk), "message": str(answer.pk)}


def spread_ids() -> None:
    """Numbers that say of what they are: no id of a document is that of a run, too."""
    from django.apps import apps
    from django.db import connection

    with connection.cursor() as cursor:
        for number, model in enumerate(_numbered(apps.get_models()), start=1):
            table, column = model._meta.db_table, model._meta.pk.column
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                    [table, column, 5000 * number],
                )
            else:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)",
                    [table, 5000 * number],
                )


def _numbered(models: Any) -> Iterator[Any]:
    for model in models:
        kind = model._meta.pk.get_internal_type()
        if kind in ("AutoField", "BigAutoField") and model._meta.app_label not in (
            "contenttypes", "axes",
        ):  # fmt: skip
            yield model
