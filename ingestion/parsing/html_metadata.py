"""What a page says of itself: title, language, authors and the like, from its `<head>`."""

import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from ingestion.parsing.html_links import canonical
from ingestion.parsing.html_tree import attribute

# Highwire Press, Dublin Core, Open Graph and plain names; the first that is there is taken.
NAMES = {
    "title": ("citation_title", "dc.title", "dcterms.title"),
    "year": ("citation_publication_date", "citation_date", "citation_year", "dc.date",
             "dcterms.issued", "dcterms.date", "article:published_time", "date"),
    "doi": ("citation_doi", "dc.identifier.doi", "prism.doi", "dc.identifier", "doi"),
    "lang": ("citation_language", "dc.language", "dcterms.language"),
    "version": ("docusaurus_version", "docsearch:version", "readthedocs-version-slug", "version"),
    "trust_tier": ("trust_tier", "trust-tier"),
    "description": ("description", "og:description", "dc.description"),
    "robots": ("robots",),
}  # fmt: skip
AUTHORS = ("citation_author", "citation_authors", "dc.creator", "dcterms.creator",
           "article:author", "author")  # fmt: skip
YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")
DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>]+")
SITE_SUFFIX = re.compile(r"\s+[|–—·•»«:]{1,2}\s+")
HYPHEN_SUFFIX = re.compile(r"\s+-\s+(?!.*\s-\s)")  # the last one: titles have hyphens too
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


def read_metadata(tree: LexborHTMLParser, url: str) -> dict[str, Any]:
    said = _said(tree)
    found: dict[str, Any] = {}
    for key, names in NAMES.items():
        values = (value for name in names for value in said.get(name, ()))
        if value := next(filter(None, (_clean(key, value) for value in values)), None):
            found[key] = value
    authors = next((said[name] for name in AUTHORS if name in said), [])
    # A profile's address is no name.
    if names_only := [author for author in _people(authors) if "://" not in author]:
        found["authors"] = names_only
    if address := canonical(tree, url):
        found["canonical"] = address
    return found


def read_language(tree: LexborHTMLParser) -> str | None:
    root = tree.root
    for name in ("lang", "xml:lang"):
        if root and LANGUAGE_TAG.fullmatch(value := attribute(root, name).strip()):
            return value.replace("_", "-")
    node = tree.css_first("meta[http-equiv='content-language'], meta[property='og:locale']")
    value = attribute(node, "content").strip() if node else ""
    return value.replace("_", "-") if LANGUAGE_TAG.fullmatch(value) else None


def head_title(tree: LexborHTMLParser) -> str:
    """`og:title`, else `<title>` without the name of the site."""
    node = tree.css_first("meta[property='og:title']")
    if node and (title := " ".join(attribute(node, "content").split())):
        return without_site(title, tree)
    node = tree.css_first("head > title") or tree.css_first("title")
    return without_site(" ".join(node.text().split()), tree) if node else ""


def without_site(title: str, tree: LexborHTMLParser) -> str:
    node = tree.css_first("meta[property='og:site_name']")
    site = " ".join(attribute(node, "content").split()) if node else ""
    parts = SITE_SUFFIX.split(title)
    if len(parts) == 1:
        parts = HYPHEN_SUFFIX.split(title)
    if site and parts[0] == site and len(parts) > 1:  # `Site | Page`
        return title[title.index(parts[1]) :]
    return parts[0] or title


def _said(tree: LexborHTMLParser) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for node in tree.css("meta[content]"):
        name = attribute(node, "name") or attribute(node, "property")
        if name and (content := " ".join(attribute(node, "content").split())):
            said.setdefault(name.strip().lower(), []).append(content)
    return said


def _clean(key: str, value: str) -> str | int | None:
    if key == "year":
        match = YEAR.search(value)
        return int(match[0]) if match else None
    if key == "doi":
        match = DOI.search(value)
        return match[0] if match else None
    return value


def _people(values: list[str]) -> list[str]:
    """One tag each, or all in one with semicolons; a comma may be inside a name."""
    return [name.strip() for value in values for name in value.split(";") if name.strip()]
