"""What a paper says about itself: its properties as a PDF, and its first page."""

import re
from collections.abc import Mapping
from typing import Any

# What programs write when nobody gave a title or an author.
NO_TITLE = re.compile(
    r"(?:untitled|title|no title|unknown|none|slide \d+|document\d*|presentation\d*|"
    r"powerpoint presentation|microsoft (?:word|powerpoint|excel) - .*|\S+|.*\.(?:docx?|pptx?|xlsx?"
    r"|pdf|tex|dvi|indd|qxd|rtf|odt|odp|txt|html?|ps|eps))",
    re.IGNORECASE | re.DOTALL,
)
NO_AUTHOR = re.compile(
    r"anonymous|unknown|none|user|admin(?:istrator)?|owner|root|author|guest|\W*", re.IGNORECASE
)
# https://www.crossref.org/blog/dois-and-matching-regular-expressions/
DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>\[\]{}|\\^`,;]+", re.IGNORECASE)
XMP_DOI = re.compile(rb"<(?:prism|pdfx):doi>\s*(?:doi:)?\s*(10\.\d{4,9}/[^<\s]{1,150})<?", re.I)
YEAR = r"(?P<year>(?:19|20)\d\d)"
PUBLISHED = re.compile(
    rf"(?:published|accepted|copyright|©|\(c\)|\bvol(?:ume|\.)|\bdated?\b)[^\n]{{0,60}}?\b{YEAR}\b",
    re.IGNORECASE,
)
CREATED = re.compile(rf"D:{YEAR}")


def facts_of(properties: Mapping[str, str], content: bytes, first_page: str) -> dict[str, Any]:
    """title, author, year, doi: those that can be told."""
    title, author = (collapsed(properties.get(name, "")) for name in ("Title", "Author"))
    xmp = XMP_DOI.search(content)
    doi = xmp[1].decode("ascii", "ignore") if xmp else ""
    facts = {
        "title": "" if NO_TITLE.fullmatch(title) else title,
        "author": "" if NO_AUTHOR.fullmatch(author) else author,
        "year": year_of(first_page, properties.get("CreationDate", "")),
        "doi": doi_in(doi) or doi_in(properties.get("Subject", "")) or doi_in(first_page),
    }
    return {name: value for name, value in facts.items() if value}


def doi_in(text: str) -> str:
    """The first one, without what a sentence or a bracket leaves at its end."""
    match = DOI.search(text)
    if match is None:
        return ""
    doi = match[0].rstrip(".:'’”")
    while doi.endswith(")") and doi.count(")") > doi.count("("):
        doi = doi[:-1].rstrip(".:")
    return doi


def year_of(first_page: str, creation_date: str) -> int | None:
    """When the page says that it was published. The day the file was made is only a hint: it
    counts when the first page names the same year."""
    if match := PUBLISHED.search(first_page):
        return int(match["year"])
    created = CREATED.match(creation_date)
    if created and re.search(rf"\b{created['year']}\b", first_page):
        return int(created["year"])
    return None


def collapsed(text: str) -> str:
    return " ".join(text.split())
