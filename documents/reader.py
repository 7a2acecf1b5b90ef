"""The page behind a citation, for documents that are published nowhere else."""

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe

from documents.models import Chunk, Document
from documents.rendering import markdown_to_html

ADDRESS = "/read/"
# Not escaped in the addresses of documents; a request's path has every escape undone.
AS_STORED = "/@:!$&'()*+,;=~%"


# A page of a PDF: goes on under the heading of the page before.
PAGE = re.compile(r"page=(\d+)")


@dataclass(frozen=True)
class Part:
    """A heading, a piece of text, or a place that an address may lead to."""

    heading: str = ""
    level: int = 0
    anchor: str = ""
    html: str = ""  # safe

    @property
    def place(self) -> str:
        page = PAGE.fullmatch(self.anchor)
        return f"Page {page[1]}" if page else "§"


def read_page(request: HttpRequest, source: str, route: str) -> HttpResponse:
    """A published document, section by section, with the anchors that citations point at."""
    # Asked before there is a document to ask about: that a session was looked at stands in a header
    # (Vary), which would tell what is not the reader's from what is not there.
    reads_all = request.user.has_perm("documents.view_corpus")
    document = (
        Document.objects.published()
        .select_related("corpus", "source")
        .filter(source__slug=source, url=quote(f"{ADDRESS}{source}/{route}", safe=AS_STORED))
        .first()
    )
    if document is None or not (document.corpus.is_public or reads_all):
        raise Http404("There is nothing here, or it is not yours to see.")
    chunks = document.chunks.filter(enabled=True).order_by("position")
    shown = list(parts(chunks, links_of(document)))
    has_file = document.source.uploads.filter(key=document.key).exists()
    about = {"document": document, "parts": shown, "has_file": has_file}
    return render(request, "documents/read.html", about)


def links_of(document: Document) -> Callable[[str], str]:
    """Links between files of a source lead to files; here they must lead to pages."""
    here = document.source.documents.published().filter(url__startswith=ADDRESS)
    pages = dict(here.values_list("key", "url"))
    folder = posixpath.dirname(document.key)

    def link(address: str) -> str:
        path, hash_sign, anchor = address.partition("#")
        key = posixpath.normpath(posixpath.join(folder, unquote(path))) if path else document.key
        return f"{pages[key]}{hash_sign}{anchor}" if key in pages else address

    return link


def parts(chunks: Iterable[Chunk], link: Callable[[str], str]) -> Iterable[Part]:
    """Headings where the section changes, and the text of each chunk; each anchor once."""
    shown: list[str] = []
    shown_anchor = ""
    anchors: set[str] = {""}
    for chunk in chunks:
        path = chunk.heading_path
        for level, heading in enumerate(path, start=1):
            own = level == len(path)  # of two sections named alike, only the anchors differ
            another = own and chunk.anchor != shown_anchor and not PAGE.fullmatch(chunk.anchor)
            if path[:level] != shown[:level] or another:
                shown = path[:level]
                anchor = chunk.anchor if own and chunk.anchor not in anchors else ""
                anchors.add(anchor)
                yield Part(heading=heading, level=min(level, 6), anchor=anchor)
        if chunk.anchor not in anchors:
            anchors.add(chunk.anchor)
            yield Part(anchor=chunk.anchor)
        shown, shown_anchor = list(path), chunk.anchor
        # Safe: nh3 has cleaned it, and links were led to pages of this reader alone.
        yield Part(html=mark_safe(markdown_to_html(chunk.text, link)))  # noqa: S308
