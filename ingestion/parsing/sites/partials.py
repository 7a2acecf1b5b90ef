"""MDX partials: a page that imports another and uses it gets its text there."""

import posixpath
import re
from bisect import bisect_right

from ingestion.parsing.base import without
from ingestion.parsing.frontmatter import read_front_matter
from ingestion.parsing.inline_markup import component_end
from ingestion.parsing.markdown import with_explicit_ids
from ingestion.parsing.mdx import find_markup
from ingestion.parsing.routes import DOCUSAURUS, Inclusions, located

IMPORT = re.compile(
    r"^import\s+(?P<name>[A-Z]\w*)\s*(?:,[^'\";\n]{0,200})?\s+from\s+"
    r"(?P<quote>['\"])(?P<path>[^'\"\n]+\.mdx?)(?P=quote)",
    re.MULTILINE,
)
STATEMENT = re.compile(r"(?:import|export)\b")


def with_partials(
    text: str, *, key: str, place: str, inclusions: Inclusions, chain: tuple[str, ...] = ()
) -> str:
    """`place` is the folder of the site, for which `@site` stands."""
    if ".md" not in text or not IMPORT.search(text):
        return text
    chain = chain or (key,)
    spans = find_markup(text, read_front_matter(text).end, mdx=True).spans
    starts = [start for start, _ in spans]

    def is_markup(position: int) -> bool:
        index = bisect_right(starts, position) - 1
        return index >= 0 and position < spans[index][1]

    paths = {m["name"]: m["path"] for m in IMPORT.finditer(text) if is_markup(m.start())}
    if not paths:
        return text
    pieces: list[str] = []
    position = 0
    for use in re.finditer(rf"<({'|'.join(map(re.escape, paths))})(?=[\s/>])", text):
        if use.start() < position or not is_markup(use.start()):
            continue
        end = component_end(text, use.start())
        file = _located(paths[use[1]], key=key, place=place)
        found = inclusions.text([file], chain=chain, named=f"import {paths[use[1]]}")
        if end is None or found is None:
            continue
        partial = with_partials(
            found.text, key=file, place=place, inclusions=inclusions, chain=found.chain
        )
        line_start = text.rfind("\n", 0, use.start()) + 1
        pieces += text[position : use.start()], _fitted(partial, text[line_start : use.start()])
        position = end
    return "".join(pieces) + text[position:]


def _located(path: str, *, key: str, place: str) -> str:
    if path.startswith("@site/"):
        return located(place, path.removeprefix("@site/"))
    return located(posixpath.dirname(key), path)


def _fitted(partial: str, lead: str) -> str:
    """The text as it may stand there: its own statements gone, as deep as the line it is put into.

    Each file numbers its repeated headings by itself, so their ids are settled before.
    """
    partial = partial[read_front_matter(partial).end :]
    statements = [
        (start, end)
        for start, end in find_markup(partial, mdx=True).spans
        if STATEMENT.match(partial, start) and partial[max(0, start - 1) : start] in ("", "\n")
    ]
    text = without(partial, statements, 0, len(partial)).strip("\n")
    lines = with_explicit_ids(text, mdx=True, site_kind=DOCUSAURUS).split("\n")
    depth = " " * len(lead)
    body = "\n".join(depth + line if line.strip() else "" for line in lines)
    # Alone on its line it is a block of its own; after a list marker it is the item's first.
    return f"\n{body}\n" if not lead.strip() else body.removeprefix(depth)
