"""Curation: what is in, what is shown, how far it is trusted."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from documents import (
    audit,
    audit_admin,  # noqa: F401 - registers itself
    uploads,
    usage_admin,  # noqa: F401 - registers itself
)
from documents.deletion import (
    Receipt,
    delete_corpora,
    delete_documents,
    delete_sources,
    delete_uploads,
)
from documents.index.base import IndexUnavailable
from documents.models import (
    TRUST_SET_BY_HAND,
    Chunk,
    Corpus,
    Document,
    IndexChange,
    Source,
    Tombstone,
    TrustTier,
    Upload,
)
from documents.providers import get_index
from documents.rendering import markdown_to_html
from documents.signals import index_owes, ingestion_wanted, schedule_changed


def tell_the_index(request: HttpRequest) -> None:
    """Readers see the change already; the index is told after the commit, or by the next run."""

    def tell() -> None:
        try:
            get_index().drain()
        except IndexUnavailable as error:
            messages.warning(request, f"Saved. The index will learn of it later: {error}")
            index_owes.send(sender=IndexChange)

    transaction.on_commit(tell)


class DeletesForGood(admin.ModelAdmin):
    """What is deleted here is gone everywhere, and a receipt says so."""

    delete_rows: ClassVar[Callable[..., Receipt]]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        # Not in one transaction, as Django has it: the rows are committed, then the index and the
        # disk do their part.
        return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, self.model._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        ids = list(queryset.values_list("pk", flat=True))  # of a list that counts and groups
        chosen = self.model._default_manager.filter(pk__in=ids)
        receipt = type(self).delete_rows(chosen, by=request.user.get_username())
        level = messages.SUCCESS if receipt.complete else messages.WARNING
        messages.add_message(request, level, str(receipt))


def have_ingested(
    request: HttpRequest, sources: Iterable[Source], keys: Iterable[str] = ()
) -> list[Any]:
    """Ask whoever is above for it; returns the rows of the work, as far as they have a page."""
    wanted = {"sources": list(sources), "keys": list(keys)}
    answers = ingestion_wanted.send(sender=Source, **wanted)
    messages.info(request, _("Queued; see the ingestion runs for progress."))
    return [row for _receiver, rows in answers for row in rows or ()]


def to_page_of(row: Any) -> HttpResponseRedirect:
    opts = row._meta
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
    return HttpResponseRedirect(address)


@admin.register(Corpus)
class CorpusAdmin(DeletesForGood):
    delete_rows = staticmethod(delete_corpora)
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


class SourceForm(forms.ModelForm):
    """Files that are uploaded come from nowhere in particular."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "location" in self.fields:
            self.fields["location"].required = False
        if "options" in self.fields:
            example = '{"exclude": ["drafts/*"]}'
            self.fields["options"].help_text = _(
                "JSON, such as %s. Which options there are depends on the kind."
            ) % (example,)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "location" in self.fields and not data.get("location"):
            if data.get("kind") != Source.Kind.UPLOAD:
                self.add_error("location", _("Give a folder, or an address."))
            data["location"] = data.get("slug") or self.instance.location or self.instance.slug
        return data


@admin.register(Source)
class SourceAdmin(DeletesForGood):
    delete_rows = staticmethod(delete_sources)
    form = SourceForm
    change_form_template = "documents/source.html"
    list_display = ["slug", "corpus", "kind", "location", "trust_tier", "sync_hours"]
    list_filter = ["corpus", "kind"]
    list_select_related = ["corpus"]
    search_fields = ["slug", "location"]
    readonly_fields = ["next_sync_at", "etag", "last_modified", "commit", "created_at"]
    actions = ["ingest"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # Ids of chunks are made of both, and its documents would stay where they are.
        return [*self.readonly_fields, *(["corpus", "slug"] if obj else [])]

    def get_urls(self) -> list[Any]:
        inside = self.admin_site.admin_view
        upload = require_http_methods(["GET", "POST"])(self.upload)
        return [
            path("<int:pk>/upload/", inside(upload), name="documents_source_upload"),
            path(
                "<int:pk>/ingest/",
                inside(require_POST(self.ingest_one)),
                name="documents_source_ingest",
            ),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, source: Source, form: Any, change: bool) -> None:
        rescheduled = "sync_hours" in form.changed_data
        if rescheduled:
            source.next_sync_at = None  # due now; the worker counts from then on
        super().save_model(request, source, form, change)
        if rescheduled:
            transaction.on_commit(partial(schedule_changed.send, sender=Source))

    @admin.action(description=_("Read again now"), permissions=["change"])
    def ingest(self, request: HttpRequest, sources: QuerySet[Source]) -> None:
        have_ingested(request, sources)

    def ingest_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        source = self._to_change(request, pk)
        for run in have_ingested(request, [source]):
            return to_page_of(run)
        return to_page_of(source)

    def upload(self, request: HttpRequest, pk: int) -> HttpResponse:
        source = self._to_change(request, pk, kind=Source.Kind.UPLOAD)
        problem = ""
        if request.method == "POST":
            try:
                files = request.FILES.getlist("file")
                by = request.user.get_username()
                with uploads.storing(source, files, by=by) as stored:
                    work = have_ingested(request, [source], [row.key for row in stored])
            except uploads.Refused as error:
                problem = error.in_full
            except uploads.NotStored as error:
                problem = str(error)
            else:
                count = len(stored)
                text = ngettext("%d file is stored.", "%d files are stored.", count)
                messages.success(request, text % count)
                return to_page_of(next(iter(work), source))
        about = {
            **self.admin_site.each_context(request),
            "title": _("Upload files"), "source": source, "opts": self.opts, "problem": problem,
            "kinds": sorted(uploads.readable_suffixes), "max_bytes": settings.UPLOAD_MAX_BYTES,
            "max_files": settings.UPLOAD_MAX_FILES,
            "max_total_bytes": settings.UPLOAD_MAX_TOTAL_BYTES,
        }  # fmt: skip
        return render(request, "documents/upload.html", about, status=400 if problem else 200)

    def _to_change(self, request: HttpRequest, pk: int, **chosen: Any) -> Source:
        """Whoever may not is not told either whether there is such a source."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return get_object_or_404(Source, pk=pk, **chosen)


@admin.register(Upload)
class UploadAdmin(DeletesForGood):
    """Files as they were given, also those that could not become documents."""

    delete_rows = staticmethod(delete_uploads)
    list_display = ["key", "source", "size", "uploaded_by", "updated_at"]
    list_filter = ["source"]
    list_select_related = ["source"]
    search_fields = ["key", "sha256"]
    fields = ["source", "key", "size", "sha256", "uploaded_by", "created_at", "updated_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # on the page of a source

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Tombstone)
class TombstoneAdmin(admin.ModelAdmin):
    """What was deleted and stays away. Deleted here, it comes back when its source is read again,
    if that still has it."""

    list_display = ["key", "source", "deleted_by", "created_at"]
    list_filter = ["source"]
    list_select_related = ["source"]
    search_fields = ["key", "deleted_by"]

    def delete_model(self, request: HttpRequest, obj: Tombstone) -> None:
        self.delete_queryset(request, Tombstone.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tombstone]) -> None:
        keys = [str(tombstone) for tombstone in queryset.select_related("source")]
        audit.record("tombstones.deleted", target="tombstones", keys=keys)
        super().delete_queryset(request, queryset)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # by deleting a document

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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


class HasSuggestion(admin.SimpleListFilter):
    title = _("suggestion of trust")
    parameter_name = "suggestion"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("has one"))]

    def queryset(self, request: HttpRequest, documents: QuerySet[Document]) -> QuerySet[Document]:
        return documents.exclude(trust_suggestion="") if self.value() == "yes" else documents


class DocumentForm(forms.ModelForm):
    def clean_authors(self) -> list[str]:
        names = self.cleaned_data["authors"] or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise forms.ValidationError(_('Write a list of names: ["Ada Lovelace", "Bo Ek"]'))
        return names


@admin.register(Document)
class DocumentAdmin(DeletesForGood):
    delete_rows = staticmethod(delete_documents)
    form = DocumentForm
    list_display = ["title", "source", "key", "status", "trust_tier", "chunk_count", "indexed_at"]
    list_filter = ["status", "trust_tier", HasSuggestion, "corpus", "source", "language"]
    list_select_related = ["source"]
    search_fields = ["title", "key", "url"]
    fields = [
        "title", "link", "corpus", "source", "key", "language", "version", "status", "trust_tier",
        "trust_reason", "trust_suggestion", "authors", "year", "doi", "set_by_hand", "warnings",
        "fingerprint", "space", "created_at", "updated_at", "indexed_at",
    ]  # fmt: skip
    readonly_fields = [
        "title", "link", "corpus", "source", "key", "language", "version",
        "trust_suggestion", "set_by_hand", "warnings", "fingerprint", "space", "created_at",
        "updated_at", "indexed_at",
    ]  # fmt: skip
    inlines = [ChunkInline]
    actions = ["publish", "withdraw", "mark_official", "mark_peer_reviewed", "mark_retracted",
               "accept_suggestion", "ingest_again", "give_back"]  # fmt: skip

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

    @admin.action(description=_("Trust: accept the suggestion"), permissions=["change"])
    def accept_suggestion(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        """A suggestion reads "tier: why"; see ingestion/trust.py."""
        chosen = Document.objects.filter(pk__in=documents.values("pk"))
        by = f"{TRUST_SET_BY_HAND}{request.user.get_username()}"
        count = 0
        with transaction.atomic():
            for suggestion in set(chosen.values_list("trust_suggestion", flat=True)):
                tier, _colon, why = suggestion.partition(": ")
                if tier in TrustTier.values:
                    alike = chosen.filter(trust_suggestion=suggestion)
                    count += alike.count()
                    alike.set_trust_tier(TrustTier(tier), f"{by}: {why}"[:300])
                    alike.update(trust_suggestion="")
        tell_the_index(request)
        text = ngettext("%d suggestion accepted.", "%d suggestions accepted.", count)
        messages.success(request, text % count)

    @admin.action(description=_("Read again from the source"), permissions=["change"])
    def ingest_again(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        Document.objects.filter(pk__in=documents.values("pk")).update(fingerprint="")
        have_ingested(request, Source.objects.filter(documents__in=documents).distinct())

    @admin.action(
        description=_("Take authors, year and DOI from the source again"), permissions=["change"]
    )
    def give_back(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        Document.objects.filter(pk__in=documents.values("pk")).update(set_by_hand=[])
        self.ingest_again(request, documents)

    def save_model(self, request: HttpRequest, document: Document, form: Any, change: bool) -> None:
        by_hand = {*document.set_by_hand, *form.changed_data}
        document.set_by_hand = [name for name in Document.CORRECTABLE if name in by_hand]
        if "trust_tier" in form.changed_data:
            document.trust_reason = f"{TRUST_SET_BY_HAND}{request.user.get_username()}"
        super().save_model(request, document, form, change)
        if "status" in form.changed_data:
            audit.record(
                f"documents.{document.status}", target="documents", corpus=document.corpus,
                ids=[document.pk],
            )  # fmt: skip

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
        Corpus.objects.changed([chunk.document.corpus_id])

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().changeform_view(request, *args, **kwargs)
        if request.method == "POST":
            tell_the_index(request)
        return response
