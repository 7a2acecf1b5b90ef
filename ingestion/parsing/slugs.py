"""Headings to anchors, by the rules of the tool that renders the page."""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

EXPLICIT_ID = re.compile(r"\s*\{#(?P<id>(?:(?!\{#|\}).)+)\}\s*$")  # Docusaurus: {#id}
ATTRIBUTE_LIST = re.compile(r"\s*\{:?(?P<attributes>[^{}\n]*)\}\s*$")  # MkDocs: { #id .class }
ATTRIBUTE_ID = re.compile(r"(?:^|\s)#(?P<id>[^\s#}]+)")
COUNTED = re.compile(r"^(?P<stem>.+)_(?P<count>[0-9]+)$")
CIRCLED_LETTERS = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))


def split_explicit_id(heading: str, *, attributes: bool = True) -> tuple[str, str | None]:
    """The heading without its id syntax, and the id if it has one.

    `attributes`: braces hold a list of them, and the id is one; otherwise it is all they hold.
    """
    explicit = None if attributes else EXPLICIT_ID.search(heading)
    if explicit:
        return heading[: explicit.start()], explicit["id"].strip()
    if (match := ATTRIBUTE_LIST.search(heading)) and (
        found := ATTRIBUTE_ID.search(match["attributes"])
    ):
        return heading[: match.start()], found["id"]
    return heading, None


@lru_cache(maxsize=4096)
def _stays(character: str) -> bool:
    """Letters, marks, digits, connectors, hyphen and space stay; punctuation and symbols go."""
    category = unicodedata.category(character)
    return (
        category[0] in "LM"
        or category in ("Nd", "Nl", "Pc")
        or character in "- "
        or any(low <= ord(character) <= high for low, high in CIRCLED_LETTERS)
    )


def github_slug(heading: str) -> str:
    """GitHub's rule, which Docusaurus shares."""
    return "".join(filter(_stays, heading.lower())).replace(" ", "-")


def python_markdown_slug(heading: str) -> str:
    """The rule of Python-Markdown's table of contents, which MkDocs uses."""
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


class GithubAnchors:
    """One page's anchors; a repeated slug gets -1, -2. Explicit ids win and are not counted."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def anchor(self, heading: str, explicit: str | None) -> str:
        if explicit is not None:
            return explicit
        slug = stem = github_slug(heading)
        while slug in self.seen:
            self.seen[stem] += 1
            slug = f"{stem}-{self.seen[stem]}"
        self.seen[slug] = 0
        return slug


class HugoAnchors:
    """GitHub's rule as Hugo has it: explicit ids count too, and nothing at all is a `heading`."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def anchor(self, heading: str, explicit: str | None) -> str:
        if explicit is None:
            # Of a heading over several lines only the last counts.
            line = heading.rpartition("\n")[2].strip()
            kept = (c for c in line if c in "-_ " or c.isalpha() or c.isdecimal())
            stem = slug = "".join(kept).lower().replace(" ", "-") or "heading"
            while slug in self.seen:
                self.seen[stem] += 1
                slug = f"{stem}-{self.seen[stem]}"
        else:
            slug = explicit
        self.seen.setdefault(slug, 0)
        return slug


class MdbookAnchors:
    """mdBook's rule: letters and digits of any script, but only ASCII becomes small."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def anchor(self, heading: str, explicit: str | None) -> str:
        slug = explicit
        if slug is None:
            kept = (c for c in heading.strip() if c in "-_" or c.isalnum() or c.isspace())
            slug = "".join("-" if c.isspace() else c.lower() if c < "\x80" else c for c in kept)
        self.counts[slug] += 1
        return slug if self.counts[slug] == 1 else f"{slug}-{self.counts[slug] - 1}"


class PythonMarkdownAnchors:
    """One page's anchors; a repeated slug gets _1, _2 and never repeats an explicit id."""

    def __init__(self, explicit_ids: set[str]) -> None:
        self.used = set(explicit_ids)
        self.counts: dict[str, int] = {}

    def anchor(self, heading: str, explicit: str | None) -> str:
        if explicit is not None:
            return explicit
        slug = python_markdown_slug(heading)
        stem, count = slug, 0
        if slug in self.used and (match := COUNTED.match(slug)):
            stem, count = match["stem"], int(match["count"])
        count = max(count, self.counts.get(stem, 0))
        while slug in self.used or not slug:
            count += 1
            slug = f"{stem}_{count}"
        self.counts[stem] = count
        self.used.add(slug)
        return slug
