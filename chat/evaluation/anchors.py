"""The anchors that sections should have: as the question set says, or else as the page's own text
says, `## Heading { #anchor }`, or as every generator makes them of a heading in plain words. What
our parser made of it is not asked: it is what is measured."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from chat.evaluation.cases import Case, Section, plain, same_page
from documents.models import Corpus, Source

HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*$", re.MULTILINE)
EXPLICIT = re.compile(r"\{[ \t]*#([\w.:-]+)[ \t]*\}$")
PLAIN_WORDS = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")


def anchors_of(cases: Iterable[Case], corpus: Corpus) -> dict[Section, str]:
    """By section, of those whose anchor is known; an empty one is the top of the page."""
    files = _files(corpus)
    found: dict[Section, str] = {}
    for case in cases:
        for section in case.sections:
            if section == case.sections[0] and (case.answer_route or case.answer_anchor):
                found[section] = case.answer_anchor
            elif (anchor := _in_text(section, files)) is not None:
                found[section] = anchor
    return found


def _in_text(section: Section, files: Mapping[str, Path]) -> str | None:
    page = section.page if section.page in files else None
    page = page or next((key for key in files if same_page(key, section.page)), None)
    return _headings(files[page]).get(plain(section.heading)) if page else None


@cache
def _headings(path: Path) -> dict[str, str]:
    """Anchor by heading; one that stands there twice says nothing, and the first is the title."""
    try:
        headings = HEADING.findall(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}
    names = list(map(plain, headings))
    found = {}
    for name, heading in zip(names, headings, strict=True):
        if names.count(name) > 1:
            continue
        if explicit := EXPLICIT.search(heading):
            found[name] = explicit[1]
        elif PLAIN_WORDS.fullmatch(heading) and name != names[0]:
            found[name] = name.replace(" ", "-")
    return found


def _files(corpus: Corpus) -> dict[str, Path]:
    """The pages of the corpus that are files on this machine, by key."""
    return {
        key: path
        for source in corpus.sources.filter(kind=Source.Kind.FOLDER)
        for key in source.documents.values_list("key", flat=True)
        if (path := Path(source.location) / key).suffix in (".md", ".mdx") and path.is_file()
    }
