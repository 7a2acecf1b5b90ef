"""Jupyter notebooks to sections: the cells as one Markdown page, with Jupyter's own anchors."""

import re
import warnings as python_warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.building import collapsed, fenced
from ingestion.parsing.markdown import parse_markdown, readable_name

LONGEST_OUTPUT = 2_000  # characters; a longer one is data
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
FRONT_MATTER = re.compile(r"\A---\s*\n")


def parse_notebook(text: str, *, key: str, warnings: Sequence[str] = ()) -> ParsedDocument:
    """Notebooks of version 3 are upgraded. Raises ParseError for what is no notebook."""
    import nbformat

    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")  # a missing cell id is no matter here
            notebook = nbformat.reads(text, as_version=4)
        page = "\n\n".join(_pieces(notebook))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParseError("The file is not a Jupyter notebook, or is cut off.") from error
    except nbformat.ValidationError as error:
        raise ParseError(f"The notebook is not valid: {error.message}") from error
    parsed = parse_markdown(page, key=key, warnings=tuple(warnings))
    metadata = _metadata(notebook.metadata)
    sections = [replace(s, anchor=_anchor(s.heading_path[-1], s.level)) for s in parsed.sections]
    title = parsed.title
    if "title" in metadata and title == readable_name(key):  # no main heading
        title = metadata["title"]
        sections = [replace(s, heading_path=(title, *s.heading_path[1:])) for s in sections]
    return replace(
        parsed, title=title, sections=tuple(sections), language=metadata.get("lang"),
        metadata=metadata,
    )  # fmt: skip


def _anchor(heading: str, level: int) -> str:
    """As JupyterLab and nbconvert make it: the heading itself, with hyphens for spaces."""
    return heading.replace(" ", "-") if level else ""


def _pieces(notebook: Any) -> Iterator[str]:
    kernel = notebook.metadata.get("kernelspec", {}).get("language")
    language = kernel or notebook.metadata.get("language_info", {}).get("name") or ""
    for number, cell in enumerate(notebook.cells):
        source = _joined(cell.source)
        if not source.strip():
            continue
        if cell.cell_type == "markdown":
            # At the top of a page it would be taken for front matter; here it is a rule.
            yield FRONT_MATTER.sub("***\n", source) if not number else source
        elif cell.cell_type == "code":
            yield fenced(source, str(language).lower())
            yield from map(fenced, _outputs(cell))


def _outputs(cell: Any) -> Iterator[str]:
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            text = _joined(output.get("text", ""))
        elif output.output_type in ("execute_result", "display_data"):
            text = _joined(output.get("data", {}).get("text/plain", ""))
        else:
            text = f"{output.get('ename', '')}: {output.get('evalue', '')}"
        text = COLOURS.sub("", text)
        if text.strip() and len(text) < LONGEST_OUTPUT:
            yield text


def _joined(text: Any) -> str:
    """The file may keep a text as a list of lines."""
    return "".join(text) if isinstance(text, list) else str(text)


def _metadata(said: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if title := collapsed(str(said.get("title") or "")):
        found["title"] = title
    authors = said.get("authors")
    if isinstance(authors, list):
        names = [a.get("name") if isinstance(a, dict) else a for a in authors]
        found["authors"] = [str(name) for name in names if name]
    if isinstance(lang := said.get("lang"), str):
        found["lang"] = lang
    return found
