"""reStructuredText to sections: docutils writes HTML, with Sphinx's words known, and that is read.

Nothing in a page is carried out: no file is included, nothing passes through raw, no configuration
is read.
"""

import re
from collections.abc import Sequence
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree
from docutils.readers import standalone
from docutils.utils import DependencyList

from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.html import parse_fragment
from ingestion.parsing.html_metadata import YEAR
from ingestion.parsing.markdown import readable_name
from ingestion.parsing.rest_sphinx import sphinx_words

SETTINGS = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": 5,
    "report_level": 5,
    "warning_stream": "",
    "auto_id_prefix": "id",  # as Sphinx does: a second section of a name becomes #id1
    "doctitle_xform": False,
    "docinfo_xform": False,
    "smart_quotes": False,
    "syntax_highlight": "none",
    "embed_stylesheet": False,
    "stylesheet_path": "",
    "initial_header_level": 1,
    "section_self_link": False,
    "footnote_references": "brackets",
}
WARNINGS = 5  # of one page
LONGEST_LINE = 10_000
LONGEST_PARAGRAPH = 50_000
LARGEST = 1_000_000  # characters; docutils takes some ten seconds for half of it
ERRORS = 500  # each may cost a look at the rest of a paragraph
SUBSTITUTION = re.compile(
    r"^[ \t]*\.\. \|(?P<name>[^|\n]+)\|[ \t]+\w+::(?P<text>.*(?:\n[ \t]+\S.*)*)", re.M
)
REFERENCE = re.compile(r"\|([^|\s][^|\n]*)\|")
EXPANSIONS = 5_000

DOCINFO = {
    "author": "authors", "authors": "authors", "date": "year", "version": "version", "doi": "doi",
    "language": "lang", "lang": "lang", "description": "description",
}  # fmt: skip


def parse_rest(text: str, *, key: str, warnings: Sequence[str] = ()) -> ParsedDocument:
    """Raises ParseError for a page that docutils gives up on."""
    _check(text)
    try:
        with sphinx_words(text):
            tree = publish_doctree(text, reader=_Reader(), settings_overrides=_settings())
            metadata = _take_docinfo(tree)
            warnings = [*warnings, *_troubles(tree)]
            _leave_out_unknown_words(tree)
            _leave_out_pictures(tree)
            _show_formulas(tree)
            html = publish_from_doctree(
                tree,
                writer="html5",
                settings_overrides=_settings() | {"output_encoding": "unicode"},
            )
    except ParseError:
        raise
    except RecursionError as error:
        raise ParseError("The page is nested too deeply.") from error
    except Exception as error:  # docutils raises whatever its parts raise
        raise ParseError(f"docutils cannot read the page: {error}") from error
    heading = next(iter(tree.findall(nodes.title)), None)
    title = " ".join(heading.astext().split()) if heading is not None else ""
    return parse_fragment(
        str(html),
        title=title or readable_name(key),
        language=metadata.get("lang"),
        metadata=metadata,
        warnings=warnings,
    )


def _check(text: str) -> None:
    """docutils takes the square of a paragraph's length, of references, and of what is unclosed."""
    if len(text) > LARGEST:
        raise ParseError(f"reStructuredText of more than {LARGEST:,} characters is not read.")
    if any(len(line) > LONGEST_LINE for line in text.splitlines()):
        raise ParseError(f"A line has more than {LONGEST_LINE:,} characters.")
    if any(len(part) > LONGEST_PARAGRAPH for part in re.split(r"\n[ \t]*\n", text)):
        raise ParseError(f"A paragraph has more than {LONGEST_PARAGRAPH:,} characters.")
    if _expanded(text) > EXPANSIONS or len(REFERENCE.findall(text)) > EXPANSIONS:
        raise ParseError("The page has too many substitutions.")


def _settings() -> dict[str, Any]:
    return SETTINGS | {"record_dependencies": DependencyList(None)}


def _expanded(text: str) -> int:
    """How many references are left to replace once each definition is put where it is named."""
    definitions = {m["name"]: REFERENCE.findall(m["text"]) for m in SUBSTITUTION.finditer(text)}
    sizes: dict[str, int] = dict.fromkeys(definitions, 1)
    for _ in range(len(definitions)):
        grown = {
            name: min(1 + sum(sizes.get(inner, 1) for inner in inside), EXPANSIONS + 1)
            for name, inside in definitions.items()
        }
        if grown == sizes or max(grown.values()) > EXPANSIONS:
            return max(grown.values())
        sizes = grown
    return max(sizes.values(), default=0)


class _Reader(standalone.Reader):
    """Gives up on what is no reStructuredText."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = 0

    def new_document(self) -> nodes.document:
        document = super().new_document()
        document.reporter.attach_observer(self._count)
        return document

    def _count(self, message: nodes.system_message) -> None:
        self.errors += message["level"] >= 2
        if self.errors > ERRORS:
            raise ParseError(f"The page has more than {ERRORS} errors of markup.")


def _take_docinfo(tree: nodes.document) -> dict[str, Any]:
    """The field list at the top, or right under the title: metadata, which no page shows."""
    places: list[nodes.Element] = [
        tree,
        *(n for n in tree.children if isinstance(n, nodes.section)),
    ]
    found: dict[str, Any] = {}
    for place in places[:2]:
        body = [n for n in place.children if not isinstance(n, (nodes.title, nodes.comment,
                nodes.target, nodes.system_message))]  # fmt: skip
        if body and isinstance(body[0], nodes.field_list):
            for field in body[0].children:
                name, value = (child.astext().strip() for child in field.children)
                _keep(found, DOCINFO.get(name.lower(), ""), value)
            place.remove(body[0])
    return found


def _keep(found: dict[str, Any], key: str, value: str) -> None:
    if key == "authors":
        names = [name.strip() for name in re.split(r"[;\n]", value) if name.strip()]
        found[key] = [*found.get(key, []), *names]
    elif key == "year":
        if match := YEAR.search(value):
            found[key] = int(match[0])
    elif key and value:
        found.setdefault(key, value)


def _leave_out_pictures(tree: nodes.document) -> None:
    """The writer would open their files; the text that stands for them is kept."""
    for image in list(tree.findall(nodes.image)):
        alt = image.get("alt", "")
        described = len(alt.split()) >= 3
        image.replace_self(nodes.inline("", alt) if described else [])


def _show_formulas(tree: nodes.document) -> None:
    """As TeX, which the writer would turn into something else."""
    for formula in list(tree.findall(nodes.math)):
        formula.replace_self(nodes.inline("", formula.astext()))
    for block in list(tree.findall(nodes.math_block)):
        block.replace_self(nodes.paragraph("", block.astext()))


def _leave_out_unknown_words(tree: nodes.document) -> None:
    """`|release|` and the like, which Sphinx takes from its configuration."""
    for unknown in list(tree.findall(nodes.problematic)):
        if unknown.astext() in ("|release|", "|version|", "|today|"):
            unknown.parent.remove(unknown)


def _troubles(tree: nodes.document) -> list[str]:
    """What docutils could not read; a table it could not is kept as it is typed."""
    found = []
    for message in list(tree.findall(nodes.system_message)):
        if message.get("level", 0) >= 3:
            words = " ".join(message.children[0].astext().split()) if message.children else ""
            found.append(f"line {message.get('line', '?')}: {words[:200]}")
            source = next(iter(message.findall(nodes.literal_block)), None)
            if source is not None and "table" in words:
                message.replace_self(nodes.literal_block("", source.astext()))
    return found[:WARNINGS]
