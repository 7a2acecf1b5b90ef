"""What we know: corpora, sources, documents, chunks, and what the index still has to learn."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from django.conf import settings
from django.core.validators import MinValueValidator, URLValidator
from django.db import connection, models, transaction
from django.db.models import F, Q
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from documents import audit
from documents.kept_requests import KeptRequest  # noqa: F401
from documents.passages import Passage
from documents.scope import Scope
from documents.signals import source_described
from documents.trail import AuditEntry, AuditHead  # noqa: F401 - Django looks for them here
from documents.usage import Allowance, ProviderUsage  # noqa: F401 - and for these

if TYPE_CHECKING:
    from documents.index.base import IndexHit

# Any constant; it only has to be the same in every process.
OUTBOX_LOCK = 7_235_001

# How a trust tier's reason begins when a person chose it: the next run leaves it alone.
TRUST_SET_BY_HAND = "set by "


class TrustTier(models.TextChoices):
    PEER_REVIEWED = "peer-reviewed", _("peer-reviewed")
    PREPRINT = "preprint", _("preprint")
    OFFICIAL = "official", _("official")
    COMMUNITY = "community", _("community")
    UNKNOWN = "unknown", _("unknown")
    RETRACTED = "retracted", _("retracted")


class CorpusQuerySet(models.QuerySet["Corpus"]):
    def changed(self, corpora: Collection[int]) -> None:
        """Say, in the caller's transaction, that answers from their content may differ now."""
        self.filter(pk__in=corpora).update(revision=F("revision") + 1)


class Corpus(models.Model):
    """The unit of scope and tenancy: every document, key and conversation belongs to one."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    language = models.CharField(
        max_length=20, default="en", help_text=_("Language of most pages and questions.")
    )
    is_public = models.BooleanField(
        default=False, help_text=_("Anybody may ask, without signing in, within the rate limit.")
    )
    retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        verbose_name=_("keep conversations for"),
        help_text=_(
            "Days. Empty: as CONVERSATION_RETENTION_DAYS says. 0: nothing of what is asked is "
            "stored."
        ),
    )
    revision = models.PositiveBigIntegerField(
        default=0, editable=False, help_text=_("Rises with every change of what can be answered.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CorpusQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "corpora"
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    @property
    def keeps_for(self) -> timedelta:
        """How long what is asked here is kept; zero: not at all."""
        days = self.retention_days
        return timedelta(days=settings.CONVERSATION_RETENTION_DAYS if days is None else days)


class Source(models.Model):
    """Where documents come from."""

    class Kind(models.TextChoices):
        FOLDER = "folder", _("folder")
        SITE = "site", _("web site")
        GIT = "git", _("git repository")
        UPLOAD = "upload", _("upload")

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="sources")
    slug = models.SlugField(unique=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.FOLDER)
    location = models.CharField(max_length=1000, help_text=_("A folder, or an address."))
    base_url = models.CharField(
        max_length=300,
        blank=True,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text=_("Where the pages are published. Empty: this server shows them itself."),
    )
    options = models.JSONField(default=dict, blank=True)
    trust_tier = models.CharField(
        max_length=20,
        choices=TrustTier,
        default=TrustTier.UNKNOWN,
        help_text=_("For documents that do not say otherwise."),
    )
    sync_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        verbose_name=_("read again every"),
        help_text=_("Hours. Empty: only when somebody asks."),
    )
    next_sync_at = models.DateTimeField(null=True, blank=True, editable=False)
    etag = models.CharField(max_length=200, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["corpus", "kind", "location"], name="source_location_once_per_corpus"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["folder", "site", "git", "upload"]), name="source_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        source_described.send(sender=Source, source=self)


class DocumentQuerySet(models.QuerySet["Document"]):
    def published(self) -> "DocumentQuerySet":
        return self.filter(status=Document.Status.PUBLISHED)

    def readable(self, scope: Scope) -> "DocumentQuerySet":
        return self.published().filter(corpus_id__in=scope.corpora)

    @transaction.atomic
    def set_status(self, status: "Document.Status") -> int:
        """Publish or withdraw: visible to the next question, in the index soon after."""
        changed = list(self.exclude(status=status).values_list("pk", flat=True))
        self.model.objects.filter(pk__in=changed).update(status=status, updated_at=timezone.now())
        IndexChange.objects.record_documents(changed)
        if changed:
            audit.record(f"documents.{status!s}", target="documents", ids=changed)
        return len(changed)

    @transaction.atomic
    def set_trust_tier(self, tier: TrustTier, reason: str) -> int:
        changed = list(self.exclude(trust_tier=tier).values_list("pk", flat=True))
        self.model.objects.filter(pk__in=changed).update(
            trust_tier=tier, trust_reason=reason, updated_at=timezone.now()
        )
        IndexChange.objects.record_documents(changed)
        if changed:
            audit.record("documents.trusted", target="documents", ids=changed, tier=str(tier))
        return len(changed)

    @transaction.atomic
    def publish_state(
        self, source: Source, key: str, fields: dict[str, object], chunks: Sequence["Chunk"]
    ) -> tuple["Document", list[UUID]]:
        """Make these chunks the document's live ones; readers see all old or all new.

        Returns the document and the ids of the chunks that are no longer part of it.
        """
        # Locked, so that a curator's change is either seen here or made afterwards.
        before = self.select_for_update().filter(source=source, key=key).first()
        if before is not None:
            fields = {**fields, **before.facts_set_by_hand}
        document, _created = self.update_or_create(
            source=source, key=key, defaults={**fields, "corpus_id": source.corpus_id}
        )
        rows = {row.pk: row for row in document.chunks.all()}
        stale = sorted(rows.keys() - {chunk.pk for chunk in chunks})
        moved = []
        for chunk in chunks:
            chunk.document = document
            if chunk.pk not in rows or rows[chunk.pk].place != chunk.place:
                moved.append(chunk)
        Chunk.objects.filter(pk__in=stale).delete()
        # With their rows: stopped after this transaction, no later run would know of them.
        ChunkVector.objects.filter(chunk_id__in=stale).delete()
        Chunk.objects.bulk_create(
            moved,
            batch_size=100,
            update_conflicts=True,
            unique_fields=["id"],
            # Not `enabled`: what a curator switched off stays off while the text is the same.
            update_fields=Chunk.PLACE_FIELDS,
        )
        # Of one that was never verified, points may be there that nobody was told to make live.
        if not before or not before.space or before.indexed_facts != document.indexed_facts:
            changed = [chunk.pk for chunk in chunks]
        else:
            changed = [chunk.pk for chunk in chunks if chunk.pk not in rows]
        IndexChange.objects.record([*changed, *stale])
        Corpus.objects.changed([document.corpus_id])
        return document, stale


class Document(models.Model):
    """One page, file or paper, and what is known about it."""

    class Status(models.TextChoices):
        PUBLISHED = "published", _("published")
        WITHDRAWN = "withdrawn", _("withdrawn")

    CORRECTABLE = ("authors", "year", "doi")  # by a curator, whatever the source says

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="documents")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="documents")
    key = models.CharField(max_length=500, help_text=_("Its path or address inside the source."))
    url = models.CharField(max_length=1000, help_text=_("Where a reader finds it."))
    title = models.CharField(max_length=500)
    language = models.CharField(max_length=20, blank=True)
    version = models.CharField(max_length=50, blank=True)
    trust_tier = models.CharField(max_length=20, choices=TrustTier, default=TrustTier.UNKNOWN)
    trust_reason = models.CharField(max_length=300, blank=True)
    trust_suggestion = models.CharField(
        max_length=300, blank=True, help_text=_("What a rule would say; never set by itself.")
    )
    authors = models.JSONField(default=list, blank=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    doi = models.CharField(max_length=200, blank=True)
    set_by_hand = models.JSONField(
        default=list,
        blank=True,
        help_text=_("Stays as it is when the source is read again, until it is given back."),
    )
    fingerprint = models.CharField(max_length=64, help_text=_("Of the bytes and the options."))
    space = models.CharField(
        max_length=200, blank=True, help_text=_("Embedding space in which it was last verified.")
    )
    status = models.CharField(max_length=20, choices=Status, default=Status.PUBLISHED)
    warnings = models.JSONField(default=list, blank=True)
    memory = models.JSONField(
        default=dict, blank=True, help_text=_("What its loader wants to know the next time.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    indexed_at = models.DateTimeField(null=True, blank=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["source", "key"]
        constraints = [
            models.UniqueConstraint(fields=["source", "key"], name="document_key_once_per_source"),
            models.CheckConstraint(
                condition=Q(status__in=["published", "withdrawn"]), name="document_status_known"
            ),
        ]
        indexes = [models.Index(fields=["corpus", "status"], name="document_corpus_status")]

    def __str__(self) -> str:
        return self.title

    @property
    def indexed_facts(self) -> tuple[object, ...]:
        """What the index filters by, besides the text."""
        return (self.corpus_id, self.source_id, self.language, self.version, self.trust_tier)

    @property
    def facts_set_by_hand(self) -> dict[str, object]:
        """What people decided: no run changes it."""
        names = list(self.set_by_hand)
        if self.trust_reason.startswith(TRUST_SET_BY_HAND):
            names += ["trust_tier", "trust_reason", "trust_suggestion"]
        return {name: getattr(self, name) for name in names}

    def mark_indexed(self, space: str) -> None:
        """Last step of its path: every chunk was found in the index."""
        Document.objects.filter(pk=self.pk).update(space=space, indexed_at=timezone.now())
        Corpus.objects.changed([self.corpus_id])  # until now the index may not have found it


class Upload(models.Model):
    """A file that somebody gave us: the source of one document. Its name here is our own."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="uploads")
    key = models.CharField(max_length=500, help_text=_("The name it was given, made harmless."))
    stored_as = models.CharField(max_length=200, help_text=_("Made from its content."))
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(help_text=_("Bytes."))
    uploaded_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["source", "key"]
        constraints = [
            models.UniqueConstraint(fields=["source", "key"], name="upload_once_per_key")
        ]
        indexes = [models.Index(fields=["stored_as"], name="upload_stored_as")]

    def __str__(self) -> str:
        return f"{self.source}: {self.key}"


class Tombstone(models.Model):
    """A document that somebody deleted while its source still has it: it does not come back."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="tombstones")
    key = models.CharField(max_length=500)
    deleted_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["source", "key"]
        constraints = [
            models.UniqueConstraint(fields=["source", "key"], name="tombstone_once_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.key}"


class ChunkQuerySet(models.QuerySet["Chunk"]):
    def live(self, scope: Scope) -> "ChunkQuerySet":
        """What this caller may be shown. The one door to anything that reaches a reader."""
        chunks = self.filter(
            enabled=True,
            document__status=Document.Status.PUBLISHED,
            document__corpus_id__in=scope.corpora,
        )
        if scope.sources:
            chunks = chunks.filter(document__source__slug__in=scope.sources)
        if scope.languages:
            chunks = chunks.filter(document__language__in=scope.languages)
        if scope.versions:
            chunks = chunks.filter(document__version__in=scope.versions)
        if scope.trust_tiers:
            chunks = chunks.filter(document__trust_tier__in=scope.trust_tiers)
        return chunks

    def at(self, places: Collection[tuple[int, int]]) -> "ChunkQuerySet":
        """Those at these positions of these documents, with what a passage needs."""
        by_document: dict[int, list[int]] = {}
        for document_id, position in places:
            by_document.setdefault(document_id, []).append(position)
        wanted = Q(pk__in=[])
        for document_id, positions in by_document.items():
            wanted |= Q(document_id=document_id, position__in=positions)
        return self.filter(wanted).select_related("document__source")

    def passages(self, hits: "Iterable[IndexHit]") -> list[Passage]:
        """The hits that have a row in this set, as passages, in the order of the hits."""
        ranked = {hit.chunk_id: hit for hit in hits}
        rows = self.filter(pk__in=ranked).select_related("document__source").in_bulk()
        return [rows[pk].as_passage(hit) for pk, hit in ranked.items() if pk in rows]


class Chunk(models.Model):
    """A piece of one section. Its id is made from its content and is also its point id.

    `text` is what stands between `char_start` and `char_end` of the source, less markup that is
    not text (import lines, JSX tags). Lines count from 1, `line_end` is the last line of it.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField()
    heading_path = models.JSONField(default=list)
    anchor = models.CharField(max_length=300, blank=True)
    text = models.TextField()
    line_start = models.PositiveIntegerField()
    line_end = models.PositiveIntegerField()
    char_start = models.PositiveIntegerField()
    char_end = models.PositiveIntegerField()
    token_estimate = models.PositiveIntegerField()
    text_hash = models.CharField(max_length=64)
    enabled = models.BooleanField(default=True)

    objects = ChunkQuerySet.as_manager()

    # May change while the text, and so the id, stays the same.
    PLACE_FIELDS: ClassVar[list[str]] = [
        "position", "anchor", "line_start", "line_end", "char_start", "char_end",
        "token_estimate", "text", "text_hash",  # these two only if they were damaged
    ]  # fmt: skip

    class Meta:
        ordering = ["document", "position"]
        indexes = [
            models.Index(fields=["document", "position"], name="chunk_document_position"),
            models.Index(fields=["text_hash"], name="chunk_text_hash"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(line_end__gte=F("line_start")) & Q(char_end__gte=F("char_start")),
                name="chunk_span_runs_forward",
            ),
        ]

    def __str__(self) -> str:
        return " › ".join(self.heading_path) or f"#{self.position}"

    @property
    def place(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.PLACE_FIELDS)

    @property
    def url(self) -> str:
        return f"{self.document.url}#{self.anchor}" if self.anchor else self.document.url

    @property
    def searchable_text(self) -> str:
        """The text with the title and headings that a search should also find it by."""
        return searchable_text(self.document.title, self.heading_path, self.text)

    def as_passage(self, hit: "IndexHit") -> Passage:
        document = self.document
        return Passage(
            chunk_id=self.pk, document_id=document.pk, text=self.text, title=document.title,
            heading_path=tuple(self.heading_path), url=self.url, language=document.language,
            trust_tier=document.trust_tier, source=document.source.slug, version=document.version,
            line_start=self.line_start, line_end=self.line_end, text_hash=self.text_hash,
            position=self.position, score=hit.score, similarity=hit.similarity,
        )  # fmt: skip


def searchable_text(title: str, heading_path: Sequence[str], text: str) -> str:
    """Title, headings and text, one a line, no heading twice: what is embedded and searched."""
    headings = dict.fromkeys(part for part in (title, *heading_path) if part)
    return "\n".join([*headings, text])


class ChunkVector(models.Model):
    """A chunk's dense vector, only where the database is also the store of vectors.

    No database constraint on `chunk`: vectors are stored before the rows that make them visible.
    """

    chunk = models.ForeignKey(
        Chunk, on_delete=models.DO_NOTHING, db_constraint=False, related_name="vectors"
    )
    space = models.CharField(max_length=200)
    source = models.CharField(
        max_length=50,
        blank=True,
        default="",
        help_text=_("Slug: who is writing it, while there is no row to ask."),
    )
    vector = models.BinaryField(help_text=_("float16, little-endian; empty in a BM25-only space."))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chunk", "space"], name="vector_once_per_space")
        ]

    def __str__(self) -> str:
        return f"{self.chunk_id} in {self.space}"


class IndexChangeQuerySet(models.QuerySet["IndexChange"]):
    def record(self, chunk_ids: Collection[UUID]) -> None:
        """Note, in the caller's transaction, that the index must look at these chunks again."""
        if not chunk_ids:
            return
        if connection.vendor == "postgresql":
            # Numbers are drawn before the commit: without the lock a reader could see 8 before 7
            # and never look back. Transaction-scoped, so it also holds behind a pooler.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [OUTBOX_LOCK])
        self.bulk_create([IndexChange(chunk_id=pk) for pk in chunk_ids], batch_size=400)

    def record_documents(self, document_ids: Collection[int]) -> None:
        """All chunks of these documents, whose content or standing has changed."""
        ids = Chunk.objects.filter(document_id__in=document_ids).values_list("pk", flat=True)
        self.record(list(ids))
        corpora = Document.objects.filter(pk__in=document_ids).values_list("corpus_id", flat=True)
        Corpus.objects.changed(set(corpora))


class IndexChange(models.Model):
    """Outbox: "look at this chunk again", with a rising number, written with the change itself.

    It says nothing about what changed: whoever reads it compares the rows with the index, so
    reading one twice does no harm.
    """

    chunk_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = IndexChangeQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.pk}: {self.chunk_id}"


@receiver(pre_delete, sender=Document)
def record_deleted_chunks(sender: type[Document], instance: Document, **kwargs: object) -> None:
    """Deleting a document, source or corpus reaches the index like any other change."""
    ids = list(instance.chunks.values_list("pk", flat=True))
    IndexChange.objects.record(ids)
    Corpus.objects.changed([instance.corpus_id])
    ChunkVector.objects.filter(chunk_id__in=ids).delete()
