"""Curation: what is in, what is shown, how far it is trusted."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from documents.index.base import IndexUnavailable
from documents.models import (
    TRUST_SET_BY_HAND,
    Chunk,
    Corpus,
    Document,
    IndexChange,
    Source,
    TrustTier,
)
from documents.providers import get_index
from documents.rendering import markdown_to_html
from documents.signals import ingestion_wanted


def tell_the_index(request: HttpRequest) -> None:
    """Readers see the change already; the index is told after the commit, or by the next run."""

    def tell() -> None:
        try:
            get_index().drain()
        except IndexUnavailable as error:
            messages.warning(request, f"Saved. The index will learn of it later: {error}")

    transaction.on_commit(tell)


class TellsTheIndex(admin.ModelAdmin):
    """What is deleted here takes chunks with it."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        tell_the_index(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().delete_queryset(request, queryset)
        tell_the_index(request)


@admin.register(Corpus)
class CorpusAdmin(TellsTheIndex):
    list_display = ["slug", "name", "language", "is_public", "documents"]
    search_fields = ["slug", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []  # ids of chunks are made of it

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else {"slug": ["name"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Corpus]:
        return super().get_queryset(request).annotate(document_count=Count("documents"))

    @admin.display(ordering="document_count")
    def documents(self, corpus: Any) -> int:
        return corpus.document_count


@admin.register(Source)
class SourceAdmin(TellsTheIndex):
    list_display = ["slug", "corpus", "kind", "location", "trust_tier"]
    list_filter = ["corpus", "kind"]
    list_select_related = ["corpus"]
    search_fields = ["slug", "location"]
    readonly_fields = ["etag", "last_modified", "commit", "created_at"]
    actions = ["ingest"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # Ids of chunks are made of both, and its documents would stay where they are.
        return [*self.readonly_fields, *(["corpus", "slug"] if obj else [])]

    @admin.action(description=_("Read again now"), permissions=["change"])
    def ingest(self, request: HttpRequest, sources: QuerySet[Source]) -> None:
        ingestion_wanted.send(sender=Source, sources=list(sources))
        messages.info(request, _("Queued; see the ingestion runs for progress."))


class ChunkInline(admin.TabularInline):
    """The chunks as the index sees them; only "enabled" can be changed."""

    model = Chunk
    fields = ["position", "heading", "as_indexed", "line_start", "token_estimate", "enabled"]
    readonly_fields = ["position", "heading", "as_indexed", "line_start", "token_estimate"]
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

    @admin.display(description=_("headings"))
    def heading(self, chunk: Chunk) -> str:
        return str(chunk)

    @admin.display(description=_("text"))
    def as_indexed(self, chunk: Chunk) -> str:
        return chunk.text if len(chunk.text) <= 300 else f"{chunk.text[:300]}…"


@admin.register(Document)
class DocumentAdmin(TellsTheIndex):
    list_display = ["title", "source", "key", "status", "trust_tier", "chunk_count", "indexed_at"]
    list_filter = ["status", "trust_tier", "corpus", "source", "language"]
    list_select_related = ["source"]
    search_fields = ["title", "key", "url"]
    fields = [
        "title", "link", "corpus", "source", "key", "language", "version", "status", "trust_tier",
        "trust_reason", "authors", "year", "doi", "warnings", "fingerprint", "space",
        "created_at", "updated_at", "indexed_at",
    ]  # fmt: skip
    readonly_fields = [
        "title", "link", "corpus", "source", "key", "language", "version", "warnings",
        "fingerprint", "space", "created_at", "updated_at", "indexed_at",
    ]  # fmt: skip
    inlines = [ChunkInline]
    actions = ["publish", "withdraw", "mark_official", "mark_peer_reviewed", "mark_retracted",
               "ingest_again"]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # documents come from sources

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return super().get_queryset(request).annotate(chunks_in_it=Count("chunks"))

    @admin.display(description=_("chunks"), ordering="chunks_in_it")
    def chunk_count(self, document: Any) -> int:
        return document.chunks_in_it

    @admin.display(description=_("page"))
    def link(self, document: Document) -> SafeString:
        return format_html('<a href="{}" rel="noreferrer">{}</a>', document.url, document.url)

    @admin.action(description=_("Publish"), permissions=["change"])
    def publish(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        self._set_status(request, documents, Document.Status.PUBLISHED)

    @admin.action(description=_("Withdraw: never shown or cited again"), permissions=["change"])
    def withdraw(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        self._set_status(request, documents, Document.Status.WITHDRAWN)

    @admin.action(description=_("Trust: official"), permissions=["change"])
    def mark_official(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        self._set_trust(request, documents, TrustTier.OFFICIAL)

    @admin.action(description=_("Trust: peer-reviewed"), permissions=["change"])
    def mark_peer_reviewed(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        self._set_trust(request, documents, TrustTier.PEER_REVIEWED)

    @admin.action(description=_("Trust: retracted"), permissions=["change"])
    def mark_retracted(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        self._set_trust(request, documents, TrustTier.RETRACTED)

    @admin.action(description=_("Read again from the source"), permissions=["change"])
    def ingest_again(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        Document.objects.filter(pk__in=documents.values("pk")).update(fingerprint="")
        sources = list(Source.objects.filter(documents__in=documents).distinct())
        ingestion_wanted.send(sender=Document, sources=sources)
        messages.info(request, _("Queued; see the ingestion runs for progress."))

    def save_model(self, request: HttpRequest, document: Document, form: Any, change: bool) -> None:
        if "trust_tier" in form.changed_data:
            document.trust_reason = f"{TRUST_SET_BY_HAND}{request.user.get_username()}"
        super().save_model(request, document, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # chunks switched on or off
        IndexChange.objects.record_documents([form.instance.pk])

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().changeform_view(request, *args, **kwargs)
        if request.method == "POST":
            tell_the_index(request)  # after the transaction of the form
        return response

    def _set_status(
        self, request: HttpRequest, documents: QuerySet[Document], to: Document.Status
    ) -> None:
        count = Document.objects.filter(pk__in=documents.values("pk")).set_status(to)
        tell_the_index(request)
        text = ngettext("%d document is now %s.", "%d documents are now %s.", count)
        messages.success(request, text % (count, to.label))

    def _set_trust(
        self, request: HttpRequest, documents: QuerySet[Document], tier: TrustTier
    ) -> None:
        reason = f"{TRUST_SET_BY_HAND}{request.user.get_username()}"
        chosen = Document.objects.filter(pk__in=documents.values("pk"))
        count = chosen.set_trust_tier(tier, reason)
        tell_the_index(request)
        text = ngettext("%d document is now %s.", "%d documents are now %s.", count)
        messages.success(request, text % (count, tier.label))


@admin.register(Chunk)
class ChunkAdmin(admin.ModelAdmin):
    """One chunk as indexed; nothing but "enabled" can be changed."""

    list_display = ["__str__", "document", "position", "token_estimate", "enabled"]
    list_filter = ["enabled", "document__source"]
    list_select_related = ["document"]
    search_fields = ["text"]
    fields = [
        "document", "heading_path", "link", "preview", "text", "line_start", "line_end",
        "char_start", "char_end", "token_estimate", "text_hash", "enabled",
    ]  # fmt: skip
    readonly_fields = tuple(str(name) for name in fields if name != "enabled")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Only together with its document: alone, the next run would bring it back.
        return "/chunk/" not in request.path and super().has_delete_permission(request, obj)

    @admin.display(description=_("address"))
    def link(self, chunk: Chunk) -> SafeString:
        return format_html('<a href="{}" rel="noreferrer">{}</a>', chunk.url, chunk.url)

    @admin.display(description=_("as a reader sees it"))
    def preview(self, chunk: Chunk) -> SafeString:
        return mark_safe(markdown_to_html(chunk.text))  # noqa: S308 - nh3 has just cleaned it

    def save_model(self, request: HttpRequest, chunk: Chunk, form: Any, change: bool) -> None:
        super().save_model(request, chunk, form, change)
        IndexChange.objects.record([chunk.pk])

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().changeform_view(request, *args, **kwargs)
        if request.method == "POST":
            tell_the_index(request)
        return response
