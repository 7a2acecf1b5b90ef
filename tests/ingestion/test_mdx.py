"""The pre-pass: what is markup, what is text, what is code."""

import pytest

from ingestion.parsing.base import visible
from ingestion.parsing.mdx import find_markup


def shown(text, *, mdx=True):
    return visible(text, find_markup(text, mdx=mdx).spans, 0, len(text)).strip()


def test_lines_and_offsets_stay():
    text = "import A from 'a';\n\n<A\n  b={{c: 1}}>\n\ntext\n\n</A>\n"
    prepass = find_markup(text, mdx=True)
    assert len(prepass.masked) == len(prepass.layout) == len(text)
    assert prepass.masked.split() == ["text"]
    assert prepass.masked.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "statement",
    [
        "import Tabs from '@theme/Tabs';",
        "import A from 'a'; import B from 'b';",
        "import {\n  A,\n  B,\n} from '@site/src/x';",
        "import './style.css'",
        "export const toc = ContentToc;",
        "export const F = ({children, c}) => (\n  <b style={{c}}>\n\n    {children}\n  </b>\n);",
        "export default function F(props) {\n  return <p>don't {props.x}</p>;\n}",
    ],
)
def test_imports_and_exports_are_markup(statement):
    assert shown(f"# T\n\n{statement}\n\nText stays.\n") == "# T\n\nText stays."


@pytest.mark.parametrize("prose", ["export your data first.", "import the module, then go on."])
def test_prose_that_begins_like_a_statement_stays(prose):
    assert shown(prose) == prose


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('<Highlight color="x">green</Highlight> is a colour', "green is a colour"),
        ('<TabItem value="npm" label="npm">\n\nRun it\n\n</TabItem>', "Run it"),
        ("<Tabs\n  values={[\n    {a: '>'},\n  ]}>\ntext\n</Tabs>", "text"),
        ("v<StableMajorVersion/> is out", "v is out"),
        ("Hello {props.name}, {/* hidden */}welcome", "Hello , welcome"),
        ("<>Fragment</>", "Fragment"),
        ("<code>{'literal'}</code>", "literal"),
        ("a <!-- hidden\n\nstill --> b", "a\n b"),
        ("<script>var x = 1;</script>text", "text"),
        ("see <https://example.org/a> or <me@example.org>", None),
        ("a < b and c > d, 1<2", None),
        ("`Array<string>` and ``{`x`}``", None),
        (r"\<NotATag> and \{not an expression\}", None),
        ("the integral $\\int_{a}^{b}$ stays", None),
        ("an unclosed { brace and an unclosed <Tag", None),
    ],
)
def test_inline_markup_goes_and_text_stays(text, left):
    assert shown(text) == (text if left is None else left)


def test_code_is_never_touched():
    text = (
        "```jsx\nimport A from 'a';\n\n<A>{x}</A>\n<!-- x -->\n:::tip\n```\n\n~~~\n{/* x */}\n~~~"
    )
    assert shown(text) == text


def test_a_fence_inside_a_longer_fence_or_a_quote_stays_code():
    text = "````md\n```mdx-code-block\n<A/>\n```\n````\n\n> ```\n> <B/>\n\n- ```\n  <C/>\n  ```"
    assert shown(text) == text


def test_mdx_code_blocks_are_unwrapped():
    opener = "```mdx-code-block\n"
    text = f"{opener}import A from 'a';\n\n<A>\n```\n\ntext\n\n{opener}</A>\n```\n"
    assert shown(text) == "text"


def test_an_mdx_code_block_may_hold_code():
    text = "````mdx-code-block\n<A>\n\n```js\nlet a = <B/>;\n```\n\n</A>\n````\n"
    assert shown(text) == "```js\nlet a = <B/>;\n```"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (":::tip Just ask!\n\nBody\n\n:::", "Just ask!\n\nBody"),
        (":::tip[Title]\nBody\n:::", "Title\nBody"),
        ("::::note\n\n:::tip\n\nInner\n\n:::\n\n::::", "Inner"),
        ("> :::note\n> Quoted\n> :::", ">\n> Quoted\n>"),
    ],
)
def test_docusaurus_admonitions_leave_title_and_body(text, left):
    assert shown(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/// note | Technical Details\n\nBody\n\n///", "Technical Details\n\nBody"),
        ("//// tab | A\n\n/// tip\nInner\n///\n\n////", "A\n\nInner"),
        ("/// details | More\n    type: tip\n\nBody\n///", "More\n\nBody"),
        ('!!! note "Read this"\n    Body', "Read this\n    Body"),
        ("!!! warning\n    Body", "Body"),
        ('=== "Linux"\n\n    Text', "Linux\n\n    Text"),
        ("{* ../../docs_src/a.py hl[1,2] *}\n\nText", "Text"),
        ("{!> ../../docs_src/a.py!}\n\nText", "Text"),
        ('--8<-- "a.md"\n\nText', "Text"),
        ("{% for a in b %}\nText\n{% endfor %}", "Text"),
        ("::: package.Class\n    options:\n        members: x\n\nText", "package.Class\n\nText"),
        (
            '<div class="termy">\n\n```console\n$ <b>x</b>\n```\n\n</div>',
            "```console\n$ <b>x</b>\n```",
        ),
    ],
)
def test_mkdocs_markup_goes_and_titles_stay(text, left):
    assert shown(text, mdx=False) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Text\n{: .note }", "Text"),
        ("[a](b){: target='_blank' }", "[a](b)"),
        ("Ends so. {:toc}", "Ends so."),
        ("{.note} and [a](b){.wide}", None),
        ("Use {name} and {#id} and {: }", None),
    ],
)
def test_plain_markdown_has_attributes_after_a_colon_only(text, left):
    assert shown(text, mdx=False) == (text if left is None else left)


def test_plain_markdown_keeps_braces_and_placeholders():
    text = "Use {name}, List<String> and <your-name>.\n\n    <b>indented code</b>"
    assert shown(text, mdx=False) == text


def test_a_tag_that_parts_two_words_stays():
    assert shown("one<br/>two<br/>\n", mdx=False) == "one<br/>two"


def test_lines_that_become_blank_collapse():
    text = "one\n\n<A>\n\n</A>\n\n<B/>\n\ntwo\n\n\nthree"
    assert shown(text) == "one\n\ntwo\n\n\nthree"


def test_text_after_a_tag_is_no_indented_code():
    layout = find_markup("<small>* an estimate</small>", mdx=False).layout
    assert layout.startswith("x ")
