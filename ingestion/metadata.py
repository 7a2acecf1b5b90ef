"""What is known about a document, as its row holds it: who says it, in which order, how much fits.

The document's own metadata goes before what its place says of it (a site's version, a folder's
language), and that before the source's and the corpus's defaults. All of it was written by
strangers: any type may stand anywhere, and nothing may be longer than its column.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from documents.models import Source, TrustTier
from ingestion.loaders.base import RawDocument
from ingestion.parsing.base import ParsedDocument
from ingestion.parsing.decoding import clean
from ingestion.parsing.languages import language_tag
from ingestion.parsing.papers import doi_in
from ingestion.trust import Suggestion, suggested_by_title, suggested_tier

TITLE_LIMIT, VERSION_LIMIT, AUTHOR_LIMIT, DOI_LIMIT, REASON_LIMIT = 500, 50, 200, 200, 300
LANGUAGE_LIMIT = 20
AUTHORS_AT_MOST = 100  # a collaboration signs with thousands
DEPTH = 3  # of lists and mappings in which names are looked for
YEAR = re.compile(r"(?:1\d|20)\d\d(?!\d)")
AND = re.compile(r"\s+(?:and|und|et|y|&)\s+|\s*&\s*")


def facts_of(source: Source, raw: RawDocument, parsed: ParsedDocument) -> dict[str, Any]:
    own = parsed.metadata
    versions = (place.get("version") for place in (own, raw.about, source.options))
    language = language_tag(parsed.language) or language_tag(raw.about.get("language"))
    doi = doi_in(first_text(own.get("doi")))[:DOI_LIMIT]
    tier, reason = first_text(own.get("trust_tier")), "front matter"
    if tier not in TrustTier.values:
        tier, reason = source.trust_tier, "the source's default"
    suggestion = suggestion_for(parsed, doi)
    news = str(suggestion) if suggestion and suggestion.tier != tier else ""
    return {
        "url": raw.url,
        "title": first_text(parsed.title)[:TITLE_LIMIT] or "Untitled",
        "language": (language or source.corpus.language)[:LANGUAGE_LIMIT],
        "version": first_text(*versions)[:VERSION_LIMIT],
        "trust_tier": tier,
        "trust_reason": reason,
        "trust_suggestion": news[:REASON_LIMIT],
        "authors": authors_of(own),
        "year": year_of(own),
        "doi": doi,
    }


def suggestion_for(parsed: ParsedDocument, doi: str) -> Suggestion | None:
    """That it was retracted outweighs where it was published."""
    if parsed.metadata.get("retracted") is True:
        return Suggestion(TrustTier.RETRACTED, "its metadata says so")
    return suggested_by_title(parsed.title) or suggested_tier(doi)


def first_text(*values: object) -> str:
    """The first that is a text or a number and not blank, on one line."""
    for value in values:
        if isinstance(value, int) and not -(10**15) < value < 10**15:
            continue  # Python refuses to write out a number of thousands of digits
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            text = " ".join(clean(str(value)[:10_000])[0].split())
            if text:
                return text
    return ""


def authors_of(own: dict[str, Any]) -> list[str]:
    given = own.get("authors") or own.get("author")
    names = dict.fromkeys(name[:AUTHOR_LIMIT] for name in _names(given, DEPTH))
    return list(names)[:AUTHORS_AT_MOST]


def _names(given: object, depth: int) -> Iterator[str]:
    """A name, several in one line, a list, `{name: …}`, or a mapping of such by nickname."""
    if isinstance(given, list | tuple) and depth:
        for entry in given[:AUTHORS_AT_MOST]:
            yield from _names(entry, depth - 1)
    elif isinstance(given, dict) and depth:
        yield from _names(given.get("name") or list(given.values()), depth - 1)
    elif isinstance(given, str):
        yield from filter(None, _split(first_text(given)))


def _split(line: str) -> list[str]:
    """At semicolons and "and"; at commas only where a whole name stands on either side."""
    names = [name for part in line.split(";") for name in AND.split(part)]
    if ";" not in line:
        parts = [part.strip() for name in names for part in name.split(",")]
        if all(" " in part for part in parts if part):
            names = parts
    return [name.strip(" ,") for name in names]


def year_of(own: dict[str, Any]) -> int | None:
    for value in (own.get("year"), own.get("published"), own.get("date")):
        if isinstance(value, date):  # YAML reads 2024-05-01 as one
            return value.year
        if match := YEAR.match(first_text(value)):
            return int(match[0])
    return None
