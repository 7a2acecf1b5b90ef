"""What an answer cites, as references: facts of the documents as they are today."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from chat.citation_styles import Reference
from chat.models import Citation
from chat.standing import Standing, standings
from documents.models import Document


def references(
    citations: Sequence[Citation], corpus_id: int, *, accessed: date, absolute: Callable[[str], str]
) -> list[Reference]:
    """One for each address, in the order of the numbers. What readers may not see any more is left
    out; of a page that is gone, what was kept of it is all that is known."""
    known = standings(citations, corpus_id)
    documents = _documents(citations, known, corpus_id)
    found: dict[str, Reference] = {}
    for citation in citations:
        standing = known[citation.pk]
        url = standing.moved_to or citation.url
        document = documents.get(url.partition("#")[0])
        if standing.withheld or not (document or citation.title):
            continue
        if before := found.get(url):
            found[url] = replace(before, numbers=(*before.numbers, citation.number))
        else:
            found[url] = _reference(citation, document, absolute(url), accessed)
    return list(found.values())


def _documents(
    citations: Sequence[Citation], known: Mapping[int, Standing], corpus_id: int
) -> dict[str, Document]:
    urls = {(known[c.pk].moved_to or c.url).partition("#")[0] for c in citations}
    published = Document.objects.published().filter(url__in=urls, corpus_id=corpus_id)
    return {document.url: document for document in published.select_related("corpus")}


def _reference(
    citation: Citation, document: Document | None, url: str, accessed: date
) -> Reference:
    numbers = (citation.number,)
    if document is None:
        tier = citation.trust_tier
        return Reference(numbers, citation.title, url, accessed, trust_tier=tier)
    return Reference(
        numbers, document.title, url, accessed,
        authors=tuple(map(str, document.authors)), year=document.year, doi=document.doi,
        site=document.corpus.name, version=document.version, language=document.language,
        trust_tier=document.trust_tier,
    )  # fmt: skip
