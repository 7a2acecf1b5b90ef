"""Texts: front matter, notebooks, depth, length, encodings, and patterns without an end."""

import json
import random
from collections.abc import Callable

from tests.hostile import archives as zips
from tests.hostile.case import Case

MB = 1_000_000
FULL = 19_900_000  # as much as a loader may be told to read
SENTENCE = "The lamp turns once in twelve seconds, and the keeper writes down every ship. "


def text(value: str, times: int = 1, end: str = "") -> Callable[[], bytes]:
    return lambda: (value * times + end).encode()


def nested(opening: str, depth: int, closing: str = "") -> Callable[[], bytes]:
    return lambda: (opening * depth + "deep" + closing * depth).encode()


def notebook(**cell: object) -> Callable[[], bytes]:
    code = {
        "cell_type": "code",
        "metadata": {},
        "execution_count": 1,
        "source": "print()",
        "outputs": [],
    }
    return lambda: json.dumps(
        {"cells": [code | cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    ).encode()


ALIASES = "---\na: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)
FRONT_MATTER = {
    "a bomb of aliases": Case("a.md", text(ALIASES, end="---\n\nText.\n")),
    "a tag that runs code": Case(
        "a.md",
        text('---\ntitle: !!python/object/apply:os.system ["touch /tmp/owned"]\n---\n\nText.\n'),
    ),
    "30,000 brackets": Case(
        "a.md", lambda: b"---\na: " + b"[" * 30_000 + b"]" * 30_000 + b"\n---\nText.\n"
    ),
    "a number of 50,000 digits": Case(
        "a.md", lambda: b"---\ntitle: 0x" + b"f" * 50_000 + b"\n---\nText.\n"
    ),
    "a number of base 60": Case(
        "a.md", lambda: b"---\nyear: 1" + b":59" * 20_000 + b"\n---\nText.\n"
    ),
    "20 MB without an end": Case("a.md", lambda: b"---\n" + b"a: b\n" * (FULL // 5)),
    "a list for a title": Case(
        "a.md", text("---\ntitle: [a, {b: c}]\nauthor: 5\nyear: {}\n---\n\nText.\n")
    ),
}

PATTERNS = {
    "headings": "# A heading\n\n",
    "quotes": "> ",
    "bullets": "- ",
    "brackets": "[",
    "closed": "[a](",
    "stars": "*a ",
    "ticks": "`a ",
    "tags": "<a ",
    "open tags": "<div>",
    "closing tags": "</div>",
    "comments": "<!--",
    "braces": "{",
    "colons": ":::\n",
    "fences": "```\n",
    "pipes": "|a|b|\n|-|-|\n",
    "pipes in one line": "|",
    "backslashes": "\\",
    "references": "[a]: b\n",
    "ampersands": "&amp;",
    "dollars": "$",
    "breaks": "\n",
    "bangs": "!!! a\n",
    "numbers": "1. ",
    "underlines": "a\n=\n",
    "imports": "import a from 'b'\n",
    "exports": "export const a = {\n",
    "shortcodes": "{{< a >}}",
    "percents": "{% a %}",
    "footnotes": "[^1]: a\n",
    "images": "![a](",
    "slashes": "///\n",
    "arrows": "<<<",
    "quoted": 'a="',
    "spaces": " ",
    "tabs": "\t",
    "indents": "    a\n",
    "letters": "a",
    "marks": "\u0301",
    "wide": "漢",
    "emoji": "👩\u200d",
    "nulls": "\\u0000",
}
PATTERN_SIZE = 100_000


def patterned(suffix: str) -> dict[str, Case]:
    return {
        f"{PATTERN_SIZE // 1000} KB of {name}": Case(
            f"a.{suffix}", lambda p=pattern: (p * (PATTERN_SIZE // len(p.encode()))).encode()
        )
        for name, pattern in PATTERNS.items()
    }


TEXTS = {
    "10,000 headings in Markdown": Case("a.md", text("## A heading\n\nText.\n\n", 10_000)),
    "10,000 headings in HTML": Case("a.html", text("<h2>A heading</h2><p>Text.</p>", 10_000)),
    "10,000 headings in reST": Case("a.rst", text("A heading\n=========\n\nText.\n\n", 10_000)),
    "10,000 headings of one name": Case("a.md", text("# a\n", 10_000)),
    **{
        f"20 MB of {name} in {suffix}": Case(f"a.{suffix}", make)
        for suffix in ("md", "mdx", "html", "rst", "txt")
        for name, make in {
            "one line": text("a", FULL),
            "one line of words": text(SENTENCE, FULL // len(SENTENCE)),
            "paragraphs": text(SENTENCE + "\n\n", FULL // (len(SENTENCE) + 2)),
        }.items()
    },
    "a notebook with 18 MB of output": Case(
        "a.ipynb",
        notebook(outputs=[{"output_type": "stream", "name": "stdout", "text": "x" * 18 * MB}]),
    ),
    "a notebook with 18 MB of a picture": Case(
        "a.ipynb",
        notebook(
            outputs=[
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {"image/png": "A" * 18 * MB},
                }
            ]
        ),
    ),
    "a notebook with 18 MB of source": Case("a.ipynb", notebook(source="x = 1\n" * (3 * MB))),
    "a notebook of brackets": Case("a.ipynb", nested("[", 100_000, "]"), "is"),
    "a notebook of nested objects": Case("a.ipynb", nested('{"a":', 100_000, "}"), "is"),
    "a notebook of nothing": Case("a.ipynb", text("null"), "is"),
    "a notebook of wrong types": Case(
        "a.ipynb", text('{"cells": {"a": 1}, "nbformat": "x"}'), "is"
    ),
    "a notebook with halves of pairs": Case(
        "a.ipynb", notebook(cell_type="markdown", source="a\ud800b\u202ec")
    ),
    "20,000 divisions in each other": Case("a.html", nested("<div>", 20_000, "</div>")),
    "20,000 lists in each other": Case("a.html", nested("<ul><li>", 20_000, "</li></ul>")),
    "20,000 tables in each other": Case("a.html", nested("<table><tr><td>", 20_000)),
    "20,000 quotes in each other": Case("a.html", nested("<blockquote>", 20_000)),
    "20,000 styles in each other": Case("a.html", nested("<b><i>", 20_000)),
    "a table of 200,000 rows": Case("a.html", text("<tr><td>a<td>b", 200_000)),
    "100,000 attributes": Case(
        "a.html", lambda: f"<p {' '.join(f'a{n}=1' for n in range(100_000))}>x</p>".encode()
    ),
    "entities in HTML": Case("a.html", text(zips.LAUGHS + "<html><p>&lol9; a light</p></html>")),
    "a picture with an entity": Case(
        "a.html",
        text(
            '<?xml version="1.0"?>' + zips.OUTSIDER + '<svg xmlns="http://www.w3.org/2000/svg">'
            "<text>&lol9;</text><script>alert(1)</script></svg>"
        ),
    ),
    "inclusions in reST": Case(
        "a.rst",
        text(
            ".. include:: /etc/passwd\n.. raw:: html\n   :file: /etc/passwd\n\n"
            ".. csv-table::\n   :file: /etc/passwd\n\n.. literalinclude:: /etc/passwd\n\nText.\n"
        ),
    ),
    "5,000 quotes in each other in reST": Case(
        "a.rst", lambda: "\n".join(" " * n + "a\n" for n in range(3000)).encode()
    ),
    "substitutions in reST": Case(
        "a.rst",
        text(
            ".. |a0| replace:: lol\n"
            + "".join(f".. |a{n + 1}| replace:: {' '.join([f'|a{n}|'] * 9)}\n" for n in range(9))
            + "\n|a9|\n"
        ),
    ),
    "UTF-16 without its mark": Case("a.md", lambda: ("# A\n\n" + SENTENCE).encode("utf-16-le")),
    "bytes of no encoding": Case("a.md", lambda: bytes(range(128, 256)) * 1000),
    "half of it zero bytes": Case("a.md", lambda: b"a\0\0\0" * 1000, "not a text file"),
    "broken UTF-8": Case("a.md", lambda: b"\xed\xa0\x80 \xf5\x80 \xc0\xaf text \xff"),
    "a name that leads out": Case("../../x.md", text("# A\n\nText.\n")),
    "a name with a zero": Case("a\0b.md", text("# A\n\nText.\n")),
    "a name of 10,000 letters": Case("a" * 10_000 + ".md", text("Text.\n")),
    "an empty file": Case("a.md", text("")),
    "noise": Case("a.txt", lambda: random.Random(3).randbytes(100_000), "not a text file"),
}
