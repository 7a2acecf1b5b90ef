"""Jupyter notebooks to sections."""

import json
import re

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.parsing import ParseError
from ingestion.parsing.base import visible
from ingestion.parsing.notebook import parse_notebook
from tests.ingestion.verbatim import CORPORA


def notebook(*cells, **metadata):
    metadata.setdefault("kernelspec", {"language": "python", "name": "p", "display_name": "P"})
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": cells})


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, *outputs):
    return {
        "cell_type": "code", "metadata": {}, "execution_count": None, "source": source,
        "outputs": outputs,
    }  # fmt: skip


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_cells_become_one_page():
    text = notebook(markdown(["# Kites\n", "About *kites*."]), code("fly(1)\n", stream("up\n")))
    parsed = parse_notebook(text, key="k.ipynb")
    assert parsed.title == "Kites"
    assert parsed.text == "# Kites\nAbout *kites*.\n\n```python\nfly(1)\n```\n\n```\nup\n```"


def test_anchors_are_those_of_jupyter():
    text = notebook(markdown("# T\n\n## Using `map` and: Filters\n\nx"))
    assert parse_notebook(text, key="k").sections[-1].anchor == "Using-map-and:-Filters"


def test_long_and_binary_outputs_are_left_out():
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "QUJD"}}
    error = {"output_type": "error", "ename": "E", "evalue": "no wind", "traceback": ["\x1b[31mx"]}
    text = notebook(code("a", stream("x" * 2000), picture), code("b", error))
    assert parse_notebook(text, key="k").text.endswith("```python\nb\n```\n\n```\nE: no wind\n```")
    assert "xxx" not in parse_notebook(text, key="k").text


def test_a_rule_at_the_top_is_no_front_matter():
    parsed = parse_notebook(notebook(markdown("---\ntitle: x\n---\ntext")), key="k.ipynb")
    assert parsed.title == "K"
    assert "text" in chunk_by_section(parsed)[-1].text


def test_the_notebook_s_own_title_is_taken_where_no_heading_is():
    authors = [{"name": "Ada"}]
    parsed = parse_notebook(
        notebook(markdown("## H\n\nx"), title="Given", authors=authors), key="k"
    )
    assert (parsed.title, parsed.metadata["authors"]) == ("Given", ["Ada"])
    assert parsed.sections[-1].heading_path == ("Given", "H")
    assert parse_notebook(notebook(markdown("# H"), title="Given"), key="k").title == "H"


def test_version_3_is_upgraded():
    cell = {"cell_type": "heading", "level": 2, "metadata": {}, "source": "Old"}
    code = {"cell_type": "code", "language": "python", "metadata": {}, "collapsed": False,
            "input": "old()", "outputs": [], "prompt_number": 1}  # fmt: skip
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
           "worksheets": [{"cells": [cell, code], "metadata": {}}]}  # fmt: skip
    parsed = parse_notebook(json.dumps(old), key="k")
    assert "old()" in parsed.text
    assert parsed.sections[-1].heading_path[-1] == "Old"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"nbformat": 4}', '{"cells": 1, "nbformat": 4}']
)
def test_what_is_no_notebook_is_an_error_in_plain_words(text):
    with pytest.raises(ParseError, match=r"^The (file|notebook)"):
        parse_notebook(text, key="k")


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no evaluation corpora; set EVAL_CORPORA")
def test_every_chunk_of_the_corpus_stands_in_its_cells():
    count = 0
    for path in sorted((CORPORA / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        parts = ["".join(cell["source"]) for cell in cells]
        for cell in cells:
            for output in cell.get("outputs", ()):
                data = output.get("text") or output.get("data", {}).get("text/plain") or ""
                parts.append("".join(data) or f"{output.get('ename')}: {output.get('evalue')}")
        source = re.sub(r"\s+|</?\w+[^<>\n]*>", "", "\n".join(parts))  # tags are markup
        parsed = parse_notebook(path.read_text(), key=path.name)
        for chunk in chunk_by_section(parsed):
            span = (chunk.char_start, chunk.char_end)
            assert chunk.text == visible(parsed.text, parsed.markup, *span)
            lines = [line for line in chunk.text.splitlines() if not line.startswith("```")]
            bare = (re.sub(r"\s+|</?\w+[^<>\n]*>", "", line) for line in lines)
            assert [line for line in bare if line not in source] == [], path.name
            count += 1
    assert count > 150
