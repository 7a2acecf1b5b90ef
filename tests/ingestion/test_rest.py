"""reStructuredText to sections, with what Sphinx adds to it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from docutils.parsers.rst import directives, roles

from ingestion.parsing import ParseError
from ingestion.parsing.rest import parse_rest


def text(source):
    return parse_rest(source, key="page.rst").text


def test_sections_have_the_ids_of_the_built_page():
    source = """
.. _label:

Kites & wind
============

Text.

Usage
-----

Usage
-----

注意
----
"""
    parsed = parse_rest(source, key="k")
    assert parsed.title == "Kites & wind"
    assert [(s.anchor, s.heading_path) for s in parsed.sections] == [
        ("kites-wind", ("Kites & wind",)),
        ("usage", ("Kites & wind", "Usage")),
        ("id1", ("Kites & wind", "Usage")),
        ("id2", ("Kites & wind", "注意")),
    ]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("a ``b c`` *d* `e <http://f>`_ [1]_\n\n.. [1] note", "a `b c` d e [1]\n\n[1]\n\nnote"),
        (":ref:`the title <label>` and :doc:`guide`", "the title and guide"),
        (":py:func:`~os.path.join` :class:`!Kite` :unheard-of:`x`", "`join` `Kite` x"),
        (":math:`a^2`\n\n.. math::\n\n   b_1", "a^2\n\nb_1"),
        ("|x|\n\n.. |x| replace:: shown", "shown"),
        ("since version |release| of it", "since version of it"),
        (".. class:: Kite(colour)\n\n   Flies.", "- `Kite(colour)`\n\n  Flies."),
        (".. code-block:: py\n   :linenos:\n\n   if x:\n       y", "```py\nif x:\n    y\n```"),
        (".. sourcecode:: js\n   a;", "```js\na;\n```"),
        ("Run::\n\n  $ fly\n    up", "Run:\n\n```\n$ fly\n  up\n```"),
        (".. note:: Mind the wind.", "Note\n\nMind the wind."),
        (".. versionadded:: 2.0\n   It *flies*.", "Added in version 2.0\n\nIt flies."),
        (".. tab-set::\n\n   .. tab-item:: Linux\n      :sync: l\n\n      Text", "Linux\n\nText"),
        (".. py:function:: fly(high)\n   :async:\n\n   Goes up.", "- `fly(high)`\n\n  Goes up."),
        (".. toctree::\n   :hidden:\n\n   a\n\n.. automodule:: m\n   :members:\n\nend", "end"),
        (".. image:: k.png\n   :alt: a red kite flying\n\n.. image:: l.png", "a red kite flying"),
        ("=== ===\nA   B\n=== ===\n1   2\n=== ===", "| A | B |\n| --- | --- |\n| 1 | 2 |"),
        (".. list-table::\n   :header-rows: 1\n\n   * - A\n     - B\n   * - 1\n     - 2",
         "| A | B |\n| --- | --- |\n| 1 | 2 |"),
        ("1. a\n2. b\n\n   - c", "1. a\n2. b\n   - c"),
    ],
)  # fmt: skip
def test_words_of_docutils_and_of_sphinx(source, shown):
    assert text(source) == shown


def test_nothing_in_a_page_reaches_out(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret words")
    source = f"""
.. include:: {secret}

.. literalinclude:: {secret}

.. csv-table::
   :file: {secret}

.. figure:: {secret}
   :figwidth: image
   :loading: embed

.. raw:: html
   :file: {secret}

.. role:: html(raw)
   :format: html

:html:`<script>secret words</script>` end
"""
    shown = text(source)
    assert "secret" not in shown
    assert shown.endswith("end")


def test_fields_at_the_top_are_metadata():
    source = ":orphan:\n\nT\n=\n\n:Author: Ada; Bo\n:Date: 2021-05-01\n:Language: de\n\nText."
    parsed = parse_rest(source, key="k")
    assert parsed.metadata == {"authors": ["Ada", "Bo"], "year": 2021, "lang": "de"}
    assert (parsed.language, parsed.text) == ("de", "# T\n\nText.")


def test_a_broken_table_is_kept_as_it_was_typed():
    parsed = parse_rest("=== ===\na   b\n=== ===\nno table\n==== ===\n", key="k")
    assert "no table" in parsed.text
    assert "Malformed table" in parsed.warnings[0]


def test_what_one_page_names_is_unknown_to_the_next():
    before = dict(roles._roles), dict(directives._directives)
    pages = [f".. role:: mine{n}\n\n:mine{n}:`a` :x{n}:`b`\n\n.. y{n}:: c" for n in range(20)]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(text, pages)) == {"a b\n\nc"}
    assert (dict(roles._roles), dict(directives._directives)) == before


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "source",
    [
        "- " * 5_000 + "x",
        "x " * 100_000,
        "*a\n" * 16_000,
        "x_ \n\n" * 20_000,
        "".join(f".. |a{n}| replace:: " + f"|a{n + 1}| " * 10 + "\n" for n in range(20)) + "\n|a0|",
        "".join("  " * n + ".. note::\n\n" for n in range(500)),
        "x" * 1_000_001,
    ],
)
def test_what_docutils_would_not_survive_is_refused(source):
    with pytest.raises(ParseError, match=r"\.$"):
        parse_rest(source, key="k")


def test_ten_thousand_headings():
    source = "\n\n".join(f"Heading {n}\n============\n\ntext" for n in range(10_000))
    assert len(parse_rest(source, key="k").sections) == 10_000
